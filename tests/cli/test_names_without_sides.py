"""Every command with marker sets whose names tell no left and right, or hardly any."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from automarkerlabel import io
from automarkerlabel.cli import run
from automarkerlabel.core.trial import Trial
from automarkerlabel.errors import TrialError
from automarkerlabel.marker_sets import catalogue
from automarkerlabel.marker_sets.definition import as_toml
from automarkerlabel.training import adapt
from automarkerlabel.training.settings import TrainSettings
from tests.fixtures.figure import figure_trial
from tests.fixtures.review_cases import begin

SETS = {
    "numbers": tuple(f"M{n}" for n in range(8)),
    "alike": tuple(f"marker {n}" for n in range(8)),
    "french": ("TETE", "EPG", "EPD", "MAG", "MAD", "SACR", "PIG", "PID"),
    "one pair": ("HEAD", "LSHO", "RSHO", "X1", "X2", "SACR", "X3", "X4"),
    "single": ("HEAD",),
}
FEW = ["--epochs", "1", "--epoch-windows", "50", "--cells", "8", "--layers", "1", "--head-width", "8"]


def worn(names: tuple[str, ...], **how: float) -> Trial:
    """The figure of eight, or the first of its points, under these names, and a gap."""
    trial = figure_trial(120, **how)
    points = trial.positions[:, : len(names)].copy()
    points[20:25, 0] = np.nan
    return Trial(points, list(names), trial.rate_hz)


@pytest.fixture(params=SETS)
def files(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, str]:
    names = SETS[request.param]
    (tmp_path / "trials").mkdir()
    for n in range(3):
        io.write(tmp_path / "trials" / f"t{n}.c3d", worn(names, seed=n, turn_deg=50.0 * n))
    io.write(tmp_path / "static.c3d", worn(names, speed_mm_s=0))
    unnamed = worn(names, seed=8)
    io.write(tmp_path / "walk.c3d", replace(unnamed, labels=tuple(f"*{n}" for n in range(len(names)))))
    one_or_all = "one" if len(names) < 3 else "all"
    found = {x: str(tmp_path / f"{x}.c3d") for x in ("static", "walk", "out")}
    return found | {"trials": str(tmp_path / "trials"), "trial": str(tmp_path / "trials" / "t0.c3d"), "n": one_or_all,
                    "model": str(tmp_path / "m.ckpt"), "page": str(tmp_path / "p.html"), "made": str(tmp_path / "made"),
                    "name": names[0]}  # fmt: skip


# Of each the command, and whether it needs more markers than one.
COMMANDS = {
    "label": ("label {walk} --reference {static} -o {out}", True),
    "audit": ("audit {trial}", False),
    "audit by a reference": ("audit {trial} --reference {static}", True),
    "fill": ("fill {trial} -o {out}", False),
    "report": ("report {trial} -o {page}", False),
    "report by a reference": ("report {walk} --reference {static} -o {page}", True),
    "explain": ("explain {walk} --reference {static} --column *0 --json", True),
    "eval": ("eval {trial} --reference {static} --cuts 2 --swaps 1 --ghosts 1", True),
    "export": ("export {trial} --to trc -o {made}.trc", False),
    "info": ("info {trial}", False),
    "marker-sets": ("marker-sets add {static} --name ours", True),
    "train": ("train {trials} -o {model} --model-type matcher --steps 1 --batch-points 60", True),
    "adapt": ("adapt matcher {trial} -o {model}", True),
}  # fmt: skip


@pytest.fixture(autouse=True)
def brief(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Little training, and no marker sets of one's own."""
    monkeypatch.setenv("AML_MARKER_SETS", str(tmp_path / "sets"))
    monkeypatch.setattr(adapt, "MATCHER_STEPS", 1)
    monkeypatch.setattr(adapt, "SETTINGS", TrainSettings(epochs=1, epoch_windows=50))


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_ends_well(files: dict[str, str], command: str, capsys: pytest.CaptureFixture[str]) -> None:
    line, needs_more = COMMANDS[command]
    code = run([x.format(**files) for x in line.split()])
    said = capsys.readouterr().err
    if files["n"] == "one" and needs_more:
        assert code == 2 and "expected" in said and "Traceback" not in said
    else:
        assert code == 0, said


def test_a_network_learns_any_names_and_labels(files: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    train = ["train", files["trials"], "-o", files["model"], "--model-type", "hybrid", *FEW]
    if files["n"] == "one":
        assert run(train) == 2
        assert "found no frame with two of them" in capsys.readouterr().err
        return
    assert run(train) == 0
    assert run(["label", files["walk"], "--model", files["model"], "-o", files["out"]]) == 0
    assert run(["audit", files["trial"], "--model", files["model"]]) == 0
    assert run(["adapt", files["model"], files["trial"], "-o", files["made"] + ".ckpt"]) == 0


def test_a_review_of_any_names(files: dict[str, str]) -> None:
    session = begin(Path(files["trial"]), labels=Path(files["trial"]))
    try:
        session.view()
        session.edit({"op": "rename", "column": 0, "frame": 0, "label": files["name"]})
        if files["n"] == "one":
            with pytest.raises(TrialError, match="expected left and right labels"):
                session.edit({"op": "flip_all", "frame": 0})
        else:
            session.edit({"op": "flip_all", "frame": 0})
            names = list(io.read(Path(files["trial"])).labels)  # of LSHO and RSHO of the figure the columns
            given = {p.column: p.label for p in session.history.now.pieces}
            assert (given[1], given[2]) == (names[2], names[1])
        session.save()
    finally:
        session.close()


def test_simulated_people_wear_numbers(tmp_path: Path) -> None:
    known = catalogue.find("plug-in-gait-lower")
    lines = tuple(replace(line, label=f"M{n}") for n, line in enumerate(known.lines))
    (tmp_path / "numbers.toml").write_text(as_toml(replace(known, lines=lines)))
    line = (
        f"simulate -o {tmp_path / 'made'} --marker-set {tmp_path / 'numbers.toml'} --motion walk --seconds 1 --trials 1"
    )
    assert run(line.split()) == 0
    made = next((tmp_path / "made").rglob("*.c3d"))
    assert set(io.read(made).labels) <= {f"M{n}" for n in range(len(lines))}
