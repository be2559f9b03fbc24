"""The whole way in a real browser: from a wrong label to a better model, and over a kill in the middle."""

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from automarkerlabel import io
from automarkerlabel.cli import run
from automarkerlabel.core.trial import Trial
from automarkerlabel.review.editing.corrections import digest, read
from automarkerlabel.training import adapt
from tests.fixtures.places import SAMPLES
from tests.fixtures.review_server import Server

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="sends signals")
OURS = {"LWRA": "LWRB", "LWRB": "LWRA"}  # this laboratory has these two the other way round
HOSTILE = "</script><img src=x onerror=alert(1)>"


def piece_of(name: str, start: int, stop: int) -> Trial:
    """Some frames of a labelled sample trial, with the names of this laboratory."""
    whole = io.read(SAMPLES / "train" / f"{name}.c3d")
    return Trial(whole.positions[start:stop], [OURS.get(x, x) for x in whole.labels], whole.rate_hz)


def without_names(trial: Trial) -> Trial:
    return replace(trial, labels=[f"*{n}" for n in range(trial.n_columns)])


@pytest.fixture
def serve() -> Any:
    """Starts servers, and ends those that still run."""
    servers: list[Server] = []

    def start(trial: Path, *options: str) -> Server:
        servers.append(Server(trial, *options))
        return servers[-1]

    yield start
    for server in servers:
        server.kill()


def opened(page: Any, server: Server) -> None:
    page.goto(server.address)
    page.wait_for_selector("html[data-pictures]", state="attached")


def choose(page: Any, server: Server, label: str) -> None:
    """By keyboard: nothing first, then one label after the other."""
    page.keyboard.press("Escape")
    for _ in range(server.get("view")["labels"].index(label) + 1):
        page.keyboard.press("ArrowDown")
    page.locator("[aria-label='Chosen marker'] h2", has_text=label).wait_for()


def take(page: Any, key: str, answer: str) -> None:
    """By keyboard: an edit that asks which one."""
    page.keyboard.press(key)
    page.locator("dialog.ask input").fill(answer)
    page.keyboard.press("Enter")
    page.wait_for_selector("dialog.ask", state="detached")


def told(page: Any, words: str) -> None:
    """Wait for the page to say so."""
    page.locator(".said", has_text=words).wait_for()


def save(page: Any) -> None:
    page.keyboard.press("Control+s")
    told(page, "corrections")


def test_from_a_wrong_label_to_a_better_model(tmp_path, page, serve, monkeypatch):
    trial, truth = tmp_path / "walk.c3d", piece_of("walk1", 0, 120)
    io.write(trial, without_names(truth))
    server = serve(trial, "--model", "sample")
    opened(page, server)
    choose(page, server, "LWRA")
    take(page, "w", "LWRB")
    told(page, "swapped LWRA and LWRB from frame 1 on")
    save(page)
    assert server.stop()[0] == 0
    assert all(x.startswith(server.address) for x in page.asked)
    assert [x for x in page.complaints if "GL Driver Message" not in x] == []

    reviewed = io.read(tmp_path / "walk_reviewed.c3d")
    assert set(reviewed.labels) == set(truth.labels)
    order = [reviewed.labels.index(x) for x in truth.labels]
    np.testing.assert_array_equal(reviewed.positions[:, order], truth.positions)
    told_by = read(tmp_path / "walk_corrections.json")
    assert {(n.label, n.before) for n in told_by.named} == {("LWRA", ("LWRB",)), ("LWRB", ("LWRA",))}
    assert told_by.reviewed_sha256 == digest(tmp_path / "walk_reviewed.c3d")

    # A third of the usual training, with larger steps.
    monkeypatch.setattr(adapt, "SETTINGS", replace(adapt.SETTINGS, epochs=2, epoch_windows=8000, learning_rate=3e-3))
    monkeypatch.setattr(adapt, "_MOST_CASES", 1)
    model = tmp_path / "ours.ckpt"
    assert run(["adapt", "sample", str(tmp_path / "walk_corrections.json"), "-o", str(model)]) == 0
    other = piece_of("walk2", 120, 240)
    io.write(tmp_path / "other.c3d", without_names(other))
    n_right = {}
    for name in ("sample", str(model)):
        out = tmp_path / "labelled.c3d"
        command = ["label", str(tmp_path / "other.c3d"), "--model", name, "-o", str(out), "--overwrite"]
        assert run(command) == 0
        n_right[name] = right(io.read(out), other)
    assert n_right["sample"] == 37 and n_right[str(model)] == 39


def right(labelled: Trial, truth: Trial) -> int:
    """How many labels stand on the trajectories that they belong to."""
    columns = {x: labelled.positions[:, n] for n, x in enumerate(labelled.labels)}
    return sum(np.array_equal(columns.get(x), truth.positions[:, n]) for n, x in enumerate(truth.labels))


def test_a_kill_in_the_middle(tmp_path, page, serve):
    trial, truth = tmp_path / "walk.c3d", piece_of("walk1", 0, 30)
    labels = [HOSTILE if x == "C7" else x for x in truth.labels]
    io.write(trial, replace(truth, labels=labels))
    first = serve(trial)
    opened(page, first)
    edits: list[Callable[[], None]] = [
        lambda: take(page, "r", "LBHD"), lambda: page.keyboard.press("x"), lambda: page.keyboard.press("a"),
    ]  # fmt: skip
    for label, edit, words in zip(("LFHD", HOSTILE, "RASI"), edits, ("LBHD:", "no label:", "accepted"), strict=True):
        choose(page, first, label)
        edit()
        told(page, words)
    page.keyboard.press("Control+z")
    told(page, "undone")
    first.kill()
    page.keyboard.press("a")
    told(page, "does not answer")

    second = serve(trial)
    opened(page, second)
    assert page.locator("img").count() == 0
    page.get_by_text("2 edits, not yet saved").wait_for()
    page.keyboard.press("Control+y")
    told(page, "done again")
    choose(page, second, "LTOE")
    take(page, "r", "STICK")
    told(page, "STICK: column LTOE")
    save(page)
    reviewed = io.read(tmp_path / "walk_reviewed.c3d")
    head = truth.positions[:, truth.labels.index("LFHD")]
    np.testing.assert_array_equal(reviewed.positions[:, reviewed.labels.index("LBHD")], head)
    assert "LFHD" not in reviewed.labels and HOSTILE not in reviewed.labels
    assert sum(x.startswith("*") for x in reviewed.labels) == 2  # what was LBHD, and what was called so strangely
    named = {(n.label, n.before) for n in read(tmp_path / "walk_corrections.json").named}
    assert named == {("LBHD", ("LFHD",)), (None, (HOSTILE,)), ("RASI", ("RASI",)), ("STICK", ("LTOE",))}
