"""The report in numbers and text: what is packed, what the view says, and that names stay names. The page itself is
looked at in test_report_browser.py."""

import gzip
import json
import re
import shutil
import subprocess
from base64 import b64decode, b64encode
from dataclasses import replace
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from automarkerlabel import io
from automarkerlabel.audit.audit import Audit, Finding
from automarkerlabel.cli import run
from automarkerlabel.core.labelling import Cut, Labelling, LabelScores
from automarkerlabel.core.marker_set import MarkerSet
from automarkerlabel.core.tracklets import Tracklet
from automarkerlabel.core.trial import Trial
from automarkerlabel.errors import OutputError
from automarkerlabel.io.hdf5.attention import Inside
from automarkerlabel.labellers.labeller import LabelResult
from automarkerlabel.marker_sets.segments import segments_of
from automarkerlabel.review.report.attention import Attention
from automarkerlabel.review.report.given_labels import findings_as_doubts, named_labelling
from automarkerlabel.review.report.page import report_page, served_page
from automarkerlabel.review.report.points import pack_points, unpack_points
from automarkerlabel.review.report.sticks import sticks_of
from automarkerlabel.review.report.view import view_of
from automarkerlabel.workflows.report import facts_about, write_report
from tests.fixtures.figure import figure_trial
from tests.fixtures.places import TOP

SAMPLE = TOP / "sample_data"
HOSTILE = "</script><img src=x onerror='window.hacked=1'>&amp;<!--"


def still(places: list[list[float]], n_frames: int = 4, labels: list[str] | None = None) -> Trial:
    """Points that stay where they are."""
    points = np.tile(np.array(places, np.float32), (n_frames, 1, 1))
    return Trial(points, labels or [f"*{n}" for n in range(len(places))], 100.0)


def labelling_of(
    trial: Trial, assigned: list[int], labels: list[str], confidence: list[float] | None = None
) -> Labelling:
    """Each column one tracklet."""
    pieces = [Tracklet(c, 0, trial.n_frames) for c in range(len(assigned))]
    sure = np.array(confidence or [1.0] * len(assigned), np.float32)
    return Labelling(labels, pieces, np.array(assigned), sure, np.full(len(assigned), -1))


# points


def test_points_come_back_within_half_a_step_and_hidden_ones_stay_hidden():
    trial = figure_trial()
    positions = trial.positions.copy()
    positions[10:20, 2] = positions[:, 5] = positions[-1, 0] = np.nan
    trial = replace(trial, positions=positions, residuals=None)
    packed, content = pack_points(trial)
    back = unpack_points(packed, content)
    assert packed["step_mm"] == 0.1 and packed["left_out"] == 0
    assert (np.isnan(back) == np.isnan(positions)).all()
    assert np.nanmax(np.abs(back - positions)) <= packed["step_mm"] / 2 + 1e-3  # float32 at 2 m


def test_the_bytes_are_those_of_the_description():
    positions = np.array([[[0.0, 0.0, 0.0]], [[0.2, -0.1, 30.0]], [[np.nan] * 3]], np.float32)
    packed, content = pack_points(Trial(positions, ["a"], 100.0))
    assert packed["offset_mm"] == [0.0, 0.0, 15.0] and packed["shape"] == [3, 1]
    head = np.array([1, 0, 0, 2], "<i4").tobytes()
    # x: 0, +2 -> zigzag 0, 4; y: 0, -1 -> 0, 1; z: -150, +300 -> 299, 600: low bytes, then high bytes
    x, y, z = bytes([0, 4, 0, 0]), bytes([0, 1, 0, 0]), bytes([299 & 255, 600 & 255, 1, 2])
    assert gzip.decompress(content) == head + x + y + z


def test_a_wide_trial_has_coarser_steps_and_what_is_too_far_away_is_counted():
    packed, content = pack_points(still([[0, 0, 0], [0, 0, 1000], [0, 20_000, 0]]))
    assert 0.5 < packed["step_mm"] <= 1 and packed["left_out"] == 0
    assert np.abs(unpack_points(packed, content)[0, 2] - [0, 20_000, 0]).max() <= packed["step_mm"] / 2
    packed, content = pack_points(still([[0, 0, 0], [0, 0, 1000], [0, 1e30, 0]]))
    assert packed["left_out"] == 4  # one in each frame
    assert (
        np.isnan(unpack_points(packed, content)[:, 2]).all()
        and not np.isnan(unpack_points(packed, content)[:, :2]).any()
    )


def test_a_trial_without_visible_points_is_packed():
    packed, content = pack_points(Trial(np.full((3, 2, 3), np.nan, np.float32), ["a", "b"], 100.0))
    assert np.isnan(unpack_points(packed, content)).all() and packed["shape"] == [3, 2]


# view


def test_the_view_says_what_the_labelling_says():
    trial = replace(still([[0, 0, 0], [0, 0, 100], [0, 0, 300]]), first_frame=11)
    labelling = Labelling(
        ["LHND", "RHND", "HEAD"],
        [Tracklet(0, 0, 4), Tracklet(1, 0, 2), Tracklet(1, 2, 4), Tracklet(2, 0, 4)],
        np.array([0, 1, 2, -1]), np.array([0.99, 0.8, 0.4, 0.7], np.float32), np.array([-1, 0, 1, 2]),
        cuts=[Cut(1, 2, "a swap", "RHND", "HEAD")],
        courses=[
            (np.array([0.0, 1.0, 2.0, 3.0], np.float32), np.array([0.99, 0.99, 0.99, 0.99], np.float32)),
            *[(np.zeros(0, np.float32), np.zeros(0, np.float32))] * 3,
        ],
    )  # fmt: skip
    view = view_of(trial, labelling, title="t", labelled_by="hand", min_confidence=0.5, facts=[("a", "b")], notes=["n"])
    assert (view["n_frames"], view["first_frame"], view["rate_hz"]) == (4, 11, 100.0)
    assert view["pairs"] == [(0, 1)] and view["segments"] == [None] * 3 and view["editing"] is None
    assert view["cuts"] == [{"column": 1, "frame": 2, "before": "RHND", "after": "HEAD", "why": "a swap"}]
    assert [(p["column"], p["start"], p["stop"], p["label"]) for p in view["pieces"]] == [
        (0, 0, 4, 0), (1, 0, 2, 1), (1, 2, 4, -1), (2, 0, 4, -1)
    ]  # fmt: skip
    below = view["pieces"][2]  # HEAD with 0.4 is left away: no label with 0.6, HEAD being the second choice
    assert below["second"] == 2 and below["confidence"] == pytest.approx(0.6)
    assert view["pieces"][0]["course"] == [(0, 0.99), (3, 0.99)]  # what is level is told by its ends
    assert [(d["piece"], d["label"], d["first"], d["last"], d["second"]) for d in view["doubts"]] == [
        (2, "HEAD", 2, 3, "RHND"), (1, "RHND", 0, 1, "LHND")
    ]  # fmt: skip
    assert json.loads(json.dumps(view, allow_nan=False))["facts"] == [["a", "b"]]


def test_segments_are_those_of_the_marker_set_or_of_the_known_set_with_these_names():
    own = MarkerSet(("A", "B"), ("arm", ""))
    assert segments_of(["B", "A", "C"], own) == [None, "arm", None]
    found = segments_of(["LASI", "RASI", "LKNE", "RKNE", "LANK"], MarkerSet(("LASI",)))
    assert found == ["pelvis", "pelvis", "thigh_l", "thigh_r", "shank_l"]
    assert segments_of(["one", "two", "LASI"]) == [None] * 3


def test_sticks_join_what_is_near_and_keeps_its_distance():
    trial = still([[0, 0, 0], [100, 0, 0], [200, 0, 0], [400, 0, 0]])
    labelling = labelling_of(trial, [0, 1, 2, 3], list("abcd"))
    assert sticks_of(trial, labelling, [None] * 4) == [(0, 1), (1, 2), (2, 3)]
    # within a segment first, although others are nearer
    assert sticks_of(trial, labelling, ["s", "t", "s", "t"]) == [(0, 1), (0, 2), (1, 3)]


def test_no_stick_joins_two_bodies_or_labels_never_seen_together():
    trial = still([[0, 0, 0], [100, 0, 0], [0, 5000, 0], [0, 0, 50]], n_frames=10)
    positions = trial.positions.copy()
    positions[:, 2, 0] = np.linspace(-9000, 9000, 10)  # walks past
    positions[:, 3] = np.nan
    moved = replace(trial, positions=positions, residuals=None)
    assert sticks_of(moved, labelling_of(moved, [0, 1, 2], list("abcd")), [None] * 4) == [(0, 1)]


# names in a file


def test_names_in_a_file_are_a_labelling_of_confidence_1():
    trial = still([[0, 0, 0], [0, 0, 500], [0, 0, 900], [0, 0, 1200]], labels=["HEAD", "*3", "HEAD", "TOE"])
    labelling, notes = named_labelling(trial)
    assert labelling.labels == ("HEAD", "TOE") and labelling.assigned.tolist() == [0, -1, -1, 1]
    assert labelling.confidence.tolist() == [1.0] * 4
    assert notes == ("names that more than one column has; the first counts: HEAD",)


def test_findings_of_an_audit_are_to_be_reviewed():
    trial = replace(still([[0, 0, 0], [0, 0, 500]], labels=["A", "B"]), first_frame=5)
    labelling, _ = named_labelling(trial)
    finding = Finding("swap", ("A", "B"), (1, 2), ("B", "A"), 6, 7, 0.9, "by distances")
    doubts = findings_as_doubts(Audit("t", 4, 2, (), (finding,)), labelling, trial)
    assert [(d["piece"], d["label"], d["second"], d["first"], d["last"]) for d in doubts] == [
        (0, "A", "B", 1, 2), (1, "B", "A", 1, 2)
    ]  # fmt: skip
    assert doubts[0]["confidence"] is None and doubts[0]["why"] == "swap A, B: by distances (sure 0.90)"


# what decided


def test_attention_is_the_mean_of_a_piece():
    trial = still([[0, 0, 0], [0, 0, 500], [0, 0, 900]], n_frames=100)
    labelling = labelling_of(trial, [0, 1, -1], ["A", "B"])
    probability = np.array([[0.9, 0.1, 1e-9], [0.7, 0.3, 1e-9], [0.1, 0.8, 0.1]])
    log_probs, frames = np.log(probability).astype(np.float32), np.array([[0, 20], [20, 40], [0, 20]])
    scores = LabelScores(["A", "B"], log_probs, np.array([0, 0, 1]), frames, 3)
    importance = np.zeros((3, 2, 2, 1), np.float32)  # (window, sample, neighbour, feature)
    importance[0, :, 0], importance[1, :, 0], importance[1, :, 1] = 1, 0.5, 0.5
    parts = [
        {"frames": np.array([[5, 15], [25, 35], [5, 15]]), "neighbours": np.array([[1, 2], [1, 2], [0, -1]]),
         "importance": importance}
    ]  # fmt: skip
    looked = Attention(trial, labelling, Inside("sparse", (), labelling.tracklets, scores, parts))
    assert list(looked.parts()) == parts  # all pass through
    first, second = (looked.found()["pieces"][n] for n in ("0", "1"))
    assert first["labels"] == [(0, pytest.approx(0.8)), (1, pytest.approx(0.2))]
    assert first["neighbours"] == [(1, 0.75), (2, 0.25)]  # 2 + 1 and 1 of 4
    assert second["labels"][-1][0] == -1 and second["neighbours"] == [] and "2" not in looked.found()["pieces"]


def test_attention_over_samples_ignores_those_that_are_not_there():
    trial = still([[0, 0, 0]], n_frames=100)
    labelling = labelling_of(trial, [0], ["A"])
    scores = LabelScores(["A"], np.log(np.array([[0.5, 0.5]], np.float32)), np.array([0]), np.array([[0, 21]]), 1)
    weight = np.full((1, 1, 1, 3, 3), 0.25, np.float32)
    weight[..., 1] = 0.5
    parts = [{"frames": np.array([[0, 10, -1]]), "neighbours": np.array([[-1]]), "attention": weight}]
    looked = Attention(trial, labelling, Inside("multihead", (), labelling.tracklets, scores, parts))
    assert list(looked.parts()) == parts
    # 0.25 and 0.5 of 0.75; the middle of the window is frame 10, 0.1 s after the first sample
    assert looked.found()["pieces"]["0"]["samples"] == [(-0.1, 0.3333), (0.0, 0.6667)]


# the page


class Elements(HTMLParser):
    """Which elements a browser would make, and the text of each script."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = [""]
        self.scripts: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag == "script":
            self.scripts.append("")

    def handle_data(self, data):
        if self.tags[-1] == "script":
            self.scripts[-1] += data


def hostile_page() -> tuple[str, dict]:
    trial = still([[0, 0, 0], [0, 0, 500]], labels=[HOSTILE, "b"])
    view = view_of(
        trial, labelling_of(trial, [0, 1], [HOSTILE, "x\u2028y"]), title=HOSTILE, labelled_by=HOSTILE, notes=[HOSTILE]
    )
    return report_page(view, pack_points(trial)[1]), view


def test_names_cannot_break_out_of_the_page():
    text, view = hostile_page()
    parsed = Elements()
    parsed.feed(text)
    head = ["", "html", "head", "meta", "meta", "meta", "meta", "title", "style"]
    assert parsed.tags == [*head, "body", "noscript", "script", "script", "script"]
    assert "<img" not in text
    assert json.loads(parsed.scripts[0])["labels"] == [HOSTILE, "x\u2028y"] == view["labels"]
    assert gzip.decompress(b64decode(parsed.scripts[1]))


@pytest.mark.parametrize("text", [hostile_page()[0], served_page(HOSTILE)], ids=["report", "served"])
def test_the_policy_lets_the_page_run_its_own_script_alone(text):
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', text).group(1)
    own = text[text.rindex("<script>") + len("<script>") : text.rindex("</script>")]
    style = text[text.index("<style>") + len("<style>") : text.index("</style>")]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    for rule, content in (("script-src", own), ("style-src", style)):
        assert rules[rule] == f"'sha256-{b64encode(sha256(content.encode()).digest()).decode()}'"
    assert rules.get("connect-src") == ("'self'" if 'id="view"' not in text else None)
    assert "https://" not in text.replace(own, "")


def test_the_same_trial_makes_the_same_page():
    assert hostile_page()[0] == hostile_page()[0]


def test_the_committed_page_is_what_its_sources_make():
    if shutil.which("node") is None or not (TOP / "web" / "node_modules").is_dir():
        pytest.skip("needs node and `npm ci` in web/")
    done = subprocess.run(["node", "build.mjs", "--check"], cwd=TOP / "web", capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_lock_names_exact_versions_and_no_registry_but_npm():
    lock = json.loads((TOP / "web" / "package-lock.json").read_text(encoding="utf-8"))
    package = json.loads((TOP / "web" / "package.json").read_text(encoding="utf-8"))
    for name, version in (package["dependencies"] | package["devDependencies"]).items():
        assert (
            re.fullmatch(r"\d+\.\d+\.\d+", version) and lock["packages"][f"node_modules/{name}"]["version"] == version
        )
    for about in lock["packages"].values():
        assert about.get("resolved", "https://registry.npmjs.org/").startswith("https://registry.npmjs.org/")


# files and commands


def view_in(page: Path) -> dict:
    found = re.search(r'id="view">(.*?)</script>', page.read_text(encoding="utf-8"), re.S)
    return json.loads(found.group(1))


def test_report_of_a_labelled_file_shows_its_names(tmp_path, capsys):
    page = tmp_path / "page.html"
    assert run(["report", str(SAMPLE / "walk_truth.c3d"), "-o", str(page)]) == 0
    view = view_in(page)
    assert view["labelled_by"] == "the names in walk_truth.c3d" and {p["confidence"] for p in view["pieces"]} == {1.0}
    named = {view["columns"][p["column"]]: view["labels"][p["label"]] for p in view["pieces"] if p["label"] >= 0}
    assert named and all(column == label for column, label in named.items())
    assert run(["report", str(SAMPLE / "walk_truth.c3d"), "-o", str(page)]) == 2  # it is there
    assert "exists already" in capsys.readouterr().err


def test_report_of_an_unlabelled_file_labels_it(tmp_path, capsys):
    source = tmp_path / "walk.c3d"
    shutil.copy(SAMPLE / "walk_unlabelled.c3d", source)
    assert run(["report", str(source), "--model", "sample", "--json"]) == 0
    page = tmp_path / "walk_report.html"
    assert json.loads(capsys.readouterr().out) == {"written": str(page)}
    view = view_in(page)
    assert view["labelled_by"] == "model sample" and "LASI" in view["labels"] and view["attention"] is None
    assert sorted(p.name for p in tmp_path.iterdir()) == ["walk.c3d", "walk_report.html"]  # no trial is written


def test_label_writes_its_report_with_what_decided(tmp_path):
    out, page, dump = tmp_path / "o.c3d", tmp_path / "o.html", tmp_path / "o.h5"
    source = str(SAMPLE / "walk_unlabelled.c3d")
    asked = ["label", source, "--model", "sample", "-o", str(out), "--report", str(page), "--dump-attention", str(dump)]
    assert run(asked) == 0
    view = view_in(page)
    first = view["attention"]["pieces"]["0"]
    assert dump.is_file() and first["labels"] and sum(p for _, p in first["samples"]) == pytest.approx(1, abs=0.02)
    written = io.read(out)
    assert {view["labels"][p["label"]] for p in view["pieces"] if p["label"] >= 0} <= set(written.labels)
    assert (
        dict(view["facts"])["labels found"]
        == f"{sum(x in view['labels'] for x in written.labels)} of {len(view['labels'])}"
    )


def test_reports_of_many_trials_go_into_a_folder(tmp_path):
    sources = [str(SAMPLE / "train" / f"{name}.c3d") for name in ("squat", "sit")]
    pages = tmp_path / "pages"
    pages.mkdir()
    assert run(["label", *sources, "--model", "sample", "-o", str(tmp_path), "--report", str(pages)]) == 0
    assert sorted(p.name for p in pages.iterdir()) == ["sit_report.html", "squat_report.html"]


def test_a_page_ends_in_html(tmp_path, capsys):
    source = str(SAMPLE / "walk_truth.c3d")
    assert run(["report", source, "-o", str(tmp_path / "page.pdf")]) == 2
    assert run(["label", source, "--model", "sample", "--dry-run", "--report", str(tmp_path / "page.pdf")]) == 2
    assert capsys.readouterr().err.count(".html or .htm") == 2


def test_facts_are_those_of_the_labels_that_are_kept():
    trial = still([[0, 0, 0], [0, 0, 500]])
    labelling = replace(labelling_of(trial, [0, 1], ["A", "B", "C"]), confidence=np.array([0.9, 0.4], np.float32))
    facts = dict(facts_about(trial, LabelResult.of(labelling, "hand"), 0.5))
    assert facts["labels found"] == "1 of 3" and facts["missing"] == "B, C" and facts["points labelled"] == "50.0 %"
    assert facts["mean confidence"] == "0.9000" and facts["tracklets"] == "2, 1 without a label"


def test_a_report_is_written_whole_or_not_at_all(tmp_path):
    trial = still([[0, 0, 0]])
    with pytest.raises(OutputError):
        write_report(
            tmp_path / "no" / "p.html", Path("t.c3d"), trial, LabelResult.of(labelling_of(trial, [0], ["A"]), "x"), 0.5
        )
