"""`aml fill` and `aml label --fill-gaps`: what is written, and that nothing that was measured changes."""

import csv
import json
from dataclasses import replace

import numpy as np
import pytest

from automarkerlabel import io
from automarkerlabel.cli import run
from automarkerlabel.core.trial import FileAxes
from automarkerlabel.errors import OutputError, TrialError
from automarkerlabel.filling.fill import fill
from automarkerlabel.filling.gaps import estimated, gaps_of
from automarkerlabel.io.c3d.layout import open_layout
from automarkerlabel.workflows.info import trial_facts
from tests.fixtures.figure import figure_trial
from tests.fixtures.filling_cases import gappy_trial, hidden


@pytest.fixture
def gappy():
    return gappy_trial()


@pytest.fixture
def file(gappy, tmp_path):
    path = tmp_path / "walk.c3d"
    io.write(path, gappy)
    return path


def filled_file(path, *options):
    assert run(["fill", str(path), *options]) == 0
    return path.with_name(f"{path.stem}_filled{path.suffix}")


def test_a_c3d_keeps_every_byte_but_those_of_filled_samples(file, gappy):
    out = filled_file(file)
    before, after = open_layout(file), open_layout(out)
    assert before.data[: before.data_start] == after.data[: after.data_start]
    assert len(before.data) == len(after.data)
    mask = fill(io.read(file)).mask
    assert mask.sum() == 22
    assert np.array_equal(before.point_words[~mask], after.point_words[~mask])
    assert (after.quality[mask] == 0).all() and not after.camera_masks[mask].any()


def test_filled_samples_are_known_when_the_file_is_read_again(file):
    again = io.read(filled_file(file))
    assert np.array_equal(estimated(again), fill(io.read(file)).mask)
    assert fill(again).n_estimated == 22 and not fill(again).gaps
    assert trial_facts(filled_file(file, "--overwrite"))["gaps"]["points_not_measured"] == 22


@pytest.mark.parametrize("kind", ["dec_int", "dec_real", "pc_int", "pc_real", "sgi_int", "sgi_real"])
def test_each_processor_and_kind_of_number(kind, shared_data, tmp_path):
    source, out = shared_data / "c3d_suite" / "Sample02" / f"{kind}.c3d", tmp_path / "out.c3d"
    trial = io.read(source)
    positions = trial.positions.copy()
    mask = np.zeros(trial.visible.shape, np.bool_)
    for gap in gaps_of(trial, trial.marker_columns):
        mask[gap.start : gap.stop, gap.column] = True
    mask[10, 0] |= not trial.visible[10, 0]
    assert mask.any()
    positions[mask] = np.arange(3 * mask.sum()).reshape(-1, 3) / 7 - 100
    io.write_filled(source, out, replace(trial, positions=positions), mask)
    again, step = io.read(out), 0 if kind.endswith("real") else open_layout(source).scale
    assert np.abs(again.positions[mask] - positions[mask]).max() <= step / 2 + 1e-4
    assert np.array_equal(open_layout(out).point_words[~mask], open_layout(source).point_words[~mask])
    assert estimated(again)[mask].all()


def test_integers_that_a_point_does_not_fit_are_an_error(shared_data, tmp_path):
    source = shared_data / "c3d_suite" / "Sample02" / "pc_int.c3d"
    trial = io.read(source)
    gap = gaps_of(trial, trial.marker_columns)[0]
    mask = np.zeros(trial.visible.shape, np.bool_)
    mask[gap.start, gap.column] = True
    positions = trial.positions.copy()
    positions[mask] = 1e6
    with pytest.raises(OutputError, match="16-bit integers reach"):
        io.write_filled(source, tmp_path / "out.c3d", replace(trial, positions=positions), mask)
    assert not list(tmp_path.iterdir())


def test_a_measured_sample_is_never_written_over(file, gappy, tmp_path):
    mask = np.zeros(gappy.visible.shape, np.bool_)
    mask[0, 0] = True
    with pytest.raises(TrialError, match="in place of measured"):
        io.write_filled(file, tmp_path / "out.c3d", gappy, mask)
    with pytest.raises(TrialError, match="frames and columns"):
        io.write_filled(file, tmp_path / "out.c3d", gappy, mask[1:])


def test_a_trc_keeps_every_other_cell_and_says_that_it_cannot_flag(gappy, tmp_path, capsys):
    path = tmp_path / "walk.trc"
    io.write(path, replace(gappy, axes=FileAxes("m", "y")))
    text = path.read_bytes().replace(b"\n", b"\r\n")
    path.write_bytes(text)
    out = filled_file(path)
    assert "cannot mark filled samples" in capsys.readouterr().err
    before, after = ([line.split(b"\t") for line in p.read_bytes().split(b"\n")] for p in (path, out))
    mask = fill(io.read(path)).mask
    for frame, (old, new) in enumerate(zip(before[6:-1], after[6:-1], strict=True)):
        changed = {n for n in range(len(new)) if (old[n] if n < len(old) else b"") != new[n]} - {len(new) - 1}
        assert {(n - 2) // 3 for n in changed} <= set(np.flatnonzero(mask[frame]).tolist())
    assert before[:6] == after[:6]
    filled = io.read(out)
    assert np.array_equal(filled.visible, gappy.visible | mask)
    assert np.array_equal(filled.positions[gappy.visible], io.read(path).positions[gappy.visible])


def test_units_of_the_file_do_not_matter(gappy, tmp_path):
    found = []
    for n, axes in enumerate((FileAxes("mm", "z"), FileAxes("m", "y"))):
        path = tmp_path / f"{n}.c3d"
        io.write(path, replace(gappy, axes=axes))
        found.append(io.read(filled_file(path)).positions)
    assert np.allclose(*found, atol=1e-2, equal_nan=True)


def test_other_formats(file, tmp_path, capsys):
    for suffix in (".trc", ".csv", ".hdf5"):
        out = tmp_path / f"other{suffix}"
        assert run(["fill", str(file), "-o", str(out)]) == 0
        assert "cannot mark" in capsys.readouterr().err
        assert np.array_equal(io.read(out).visible, io.read(filled_file(file, "--overwrite")).visible)
    table = filled_file(tmp_path / "other.csv")  # nothing left to fill
    assert table.read_bytes() == (tmp_path / "other.csv").read_bytes()


def test_a_file_whose_residuals_tell_nothing_has_a_note(gappy, tmp_path, capsys):
    path = tmp_path / "walk.c3d"
    io.write(path, replace(gappy, residuals=None))
    filled_file(path)
    assert "cannot be told apart" in capsys.readouterr().err


# ---------------------------------------------------------------- the command


def test_the_command_tells_people_and_scripts_the_same(file, tmp_path, capsys):
    filled_file(file)
    text = capsys.readouterr().out
    assert "3 of 3 gaps filled" in text and "HEAD" in text and "21-26" in text
    table = tmp_path / "gaps.csv"
    assert run(["fill", str(file), "--json", "--dry-run", "--csv", str(table)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["output"] is None and (found["n_filled"], found["n_open"], found["n_samples"]) == (3, 0, 22)
    assert [(g["label"], g["first_frame"], g["n_frames"]) for g in found["gaps"]] == [
        ("HEAD", 21, 6), ("LHND", 51, 15), ("SACR", 71, 1),
    ]  # fmt: skip
    rows = list(csv.DictReader(table.read_text().splitlines()))
    assert [r["method"] for r in rows] == [g["method"] for g in found["gaps"]]


def test_what_stays_open_is_said(file, capsys):
    assert run(["fill", str(file), "--max-gap-s", "0.05", "--dry-run", "--method", "spline"]) == 0
    text = capsys.readouterr().out
    assert "1 of 3 gaps filled (1 spline), 1 samples" in text and "longer than 0.05 s" in text


def test_many_files_and_one_that_fails(file, tmp_path, capsys):
    other = tmp_path / "other.c3d"
    io.write(other, replace(io.read(file), labels=[f"*{n}" for n in range(8)]))
    folder = tmp_path / "out"
    folder.mkdir()
    assert run(["fill", str(file), str(other), "-o", str(folder)]) == 3
    told = capsys.readouterr()
    assert "label it first" in told.err and "walk.c3d: 3 of 3 gaps filled" in told.out
    assert [p.name for p in folder.iterdir()] == ["walk_filled.c3d"]


@pytest.mark.parametrize("bad", [["--max-gap-s", "-1"], ["--method", "magic"], ["-o", "{file}"], []])
def test_refusals_leave_everything_as_it_was(file, bad, capsys):
    out = file.with_name("walk_filled.c3d")
    out.write_bytes(b"mine")
    before = file.read_bytes()
    assert run(["fill", str(file), *[x.format(file=file) for x in bad]]) == 2
    assert file.read_bytes() == before and out.read_bytes() == b"mine"
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_label_fills_on_request(tmp_path, capsys):
    truth = figure_trial()
    reference = tmp_path / "static.c3d"
    io.write(reference, truth)
    trial = hidden(truth, (0, 20, 26), (3, 50, 65))
    path = tmp_path / "walk.c3d"
    io.write(path, replace(trial, labels=[f"*{n}" for n in range(8)]))
    command = ["label", str(path), "--reference", str(reference), "--min-confidence", "0", "--json", "--overwrite"]
    assert run([*command, "--fill-gaps", "10"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {g["label"]: bool(g["method"]) for g in found["gaps"]} == {"HEAD": True, "LHND": False}
    assert run([*command, "--fill-gaps", "10", "--dry-run"]) == 0
    assert json.loads(capsys.readouterr().out)["gaps"] == found["gaps"]
    labelled = io.read(found["output"])
    assert estimated(labelled).sum() == 6 and labelled.visible.sum() == trial.visible.sum() + 6
    assert run(command) == 0
    assert json.loads(capsys.readouterr().out)["gaps"] == []
    assert run([*command, "--fill-gaps", "-1"]) == 2
