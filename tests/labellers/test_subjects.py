"""Labels of several people, with a hand-made matcher in place of the network; and the options that name them."""

from pathlib import Path

import numpy as np
import pytest

from automarkerlabel import io
from automarkerlabel.cli import run
from automarkerlabel.core.heading import turned
from automarkerlabel.core.labelling import OutputColumn
from automarkerlabel.core.source import Source
from automarkerlabel.core.trial import Trial
from automarkerlabel.errors import InputError, ModelError
from automarkerlabel.io.collect import with_prefixes
from automarkerlabel.io.names import with_full_names
from automarkerlabel.io.renaming import renamed_columns
from automarkerlabel.labellers.labeller import LabelResult
from automarkerlabel.labellers.matcher.labeller import PoseMatcher
from automarkerlabel.labellers.matcher.template_search import Template
from automarkerlabel.labellers.request import LabelRequest, labeller_for
from automarkerlabel.labellers.subjects.identify import difference_mm
from automarkerlabel.labellers.subjects.labeller import Subject, SubjectsAnswer, joint_marker_set, label_subjects
from automarkerlabel.labellers.subjects.options import (
    entry_parts,
    named_subjects,
    one_or_entries,
    one_subject,
    prefixes,
    subjects_in,
)
from automarkerlabel.marker_sets.pose_from_trial import reference_from_trial
from automarkerlabel.marker_sets.segments import segments_of
from automarkerlabel.review.report.given_labels import named_labelling
from automarkerlabel.review.report.sticks import sticks_of
from automarkerlabel.simulate.corrupt import Corruption, labelled, make_case
from automarkerlabel.workflows.label import summarise
from tests.fixtures.figure import FIGURE, figure_trial
from tests.fixtures.two_figures import NearestPoint, figure, together

SMALL = 0.8


def template(size: float = 1.0, names: tuple[str, ...] = tuple(FIGURE), keep: int = len(FIGURE)) -> Template:
    """The standing figure of this size, its first `keep` points under these names."""
    still = figure_trial(speed_mm_s=0)
    points = still.positions[:, :keep] * np.float32(size)
    return Template(f"size {size}", (reference_from_trial(Trial(points, names[:keep], still.rate_hz)),))


def answer(trial: Trial, *subjects: Subject, keep_labels: bool = False) -> SubjectsAnswer:
    return label_subjects(PoseMatcher(NearestPoint()), trial, subjects, keep_labels)


def given(found: SubjectsAnswer) -> list[str | None]:
    return [found.labelling.label_of(n) for n in range(len(found.labelling.tracklets))]


def full(names: list[tuple[int, str]], *people: str) -> list[str]:
    return [f"{people[k]}:{label}" for k, label in names]


def test_two_who_pass_each_other_are_told_by_their_references_in_either_order():
    trial, names = together(figure((0, 0), 0, 1200), figure((0, 700), 180, 1200, SMALL), cut=60)
    ann, bob = Subject("ann", template()), Subject("bob", template(SMALL))
    for subjects in ((ann, bob), (bob, ann)):
        found = answer(trial, *subjects)
        assert given(found) == full(names, "ann", "bob")
        assert found.notes == ()
        assert [s.name for s in found.subjects] == [s.name for s in subjects]
        assert all(s.n_found == s.n_labels == 8 and s.missing == () for s in found.subjects)
        assert max(s.differs_mm for s in found.subjects) < 20
    assert sum(s.share for s in found.subjects) == pytest.approx(1)


def test_without_references_of_their_own_each_body_keeps_one_name():
    trial, names = together(figure((0, 0), 0, 1200), figure((0, 700), 180, 1200), cut=60)
    shared = template()
    found = answer(trial, Subject("subject1", shared), Subject("subject2", shared))
    assert given(found) in (full(names, "subject1", "subject2"), full(names, "subject2", "subject1"))
    assert found.notes == ()
    assert [s.differs_mm for s in found.subjects] == [None, None]


def test_references_alike_are_doubted():
    trial, _ = together(figure((0, 0)), figure((0, 1200)))
    found = answer(trial, Subject("ann", template()), Subject("bob", template()))
    assert len(found.notes) == 1
    assert "hardly tell the subjects apart" in found.notes[0]


def test_people_too_close_to_be_told_apart_are_doubted():
    shared = template()
    subjects = Subject("a", shared), Subject("b", shared)
    near, far = (answer(together(figure((0, 0)), figure((0, mm)))[0], *subjects).notes for mm in (40, 1200))
    assert [n for n in near if "so close together" in n]
    assert far == ()


def test_people_in_different_marker_sets():
    other = tuple(f"{x}X" for x in FIGURE)
    trial, names = together(figure((0, 0)), figure((0, 1200))[:, :6])
    found = answer(trial, Subject("bob", template(names=other, keep=6)), Subject("ann", template()))
    assert given(found) == [f"ann:{x}" if k == 0 else f"bob:{x}X" for k, x in names]
    assert [s.n_labels for s in found.subjects] == [6, 8]


def test_three_people():
    trial, names = together(figure((0, 0)), figure((0, 1200), 90, 0, 0.8), figure((1200, 300), 200, 0, 1.2))
    found = answer(trial, *(Subject(x, template(size)) for x, size in (("cy", 1.2), ("ann", 1.0), ("bob", 0.8))))
    assert given(found) == full(names, "ann", "bob", "cy")


def test_one_person_gets_his_prefix():
    trial, names = together(figure((0, 0)))
    assert given(answer(trial, Subject("ann", template()))) == full(names, "ann")


def test_somebody_who_is_not_there():
    trial = Trial(np.ones((60, 1, 3), np.float32), [""], 60.0)
    shared = template()
    found = answer(trial, Subject("ann", shared), Subject("bob", shared))
    assert given(found) == [None]
    assert [s.n_found for s in found.subjects] == [0, 0]


def test_markers_of_two_people_that_a_column_exchanges_are_put_right():
    trial, names = together(figure((0, 0)), figure((0, 1200), 0, 0, SMALL))
    a, b = names.index((0, "LHND")), names.index((1, "RHND"))
    points = trial.positions.copy()
    points[60:, [a, b]] = points[60:, [b, a]]
    found = answer(
        Trial(points, trial.labels, trial.rate_hz), Subject("ann", template()), Subject("bob", template(SMALL))
    )
    of_a = [found.labelling.label_of(n) for n, t in enumerate(found.labelling.tracklets) if t.column == a]
    assert of_a == ["ann:LHND", "bob:RHND"]
    assert {(c.column, c.frame) for c in found.labelling.cuts} == {(a, 60), (b, 60)}


def test_labels_with_prefixes_are_held():
    trial, names = together(figure((0, 0)), figure((0, 1200), 0, 0, SMALL))
    a, b = names.index((0, "LTOE")), names.index((0, "RTOE"))
    labels, prefix = [""] * 16, [""] * 16
    labels[a], prefix[a] = "RTOE", "ann"
    held = Trial(trial.positions, labels, trial.rate_hz, subjects=prefix)
    found = answer(held, Subject("ann", template()), Subject("bob", template(SMALL)), keep_labels=True)
    assert given(found)[a] == "ann:RTOE"
    assert given(found)[b] != "ann:RTOE"


def test_names_and_sides_of_all_subjects():
    worn = joint_marker_set([Subject("ann", template()), Subject("bob", template())])
    assert worn.labels[:2] == ("ann:HEAD", "ann:LSHO")
    assert ("bob:LSHO", "bob:RSHO") in worn.pairs
    trial = Trial(np.zeros((2, 3, 3)), ["LTOE", "*1", "C7"], 100.0, subjects=["ann", "ann", ""])
    assert with_full_names(trial).labels == ("ann:LTOE", "*1", "C7")


def test_a_picture_tells_people_apart(both):
    """Names that both have keep their prefixes, and no line joins two people."""
    trial = io.read(both)
    labelling, notes = named_labelling(trial)
    assert labelling.labels == tuple(f"{x}:{label}" for x in ("ann", "bob") for label in FIGURE)
    assert notes == ()
    sticks = sticks_of(trial, labelling, [None] * 16)
    assert len(sticks) == 14
    assert all((a < 8) == (b < 8) for a, b in sticks)
    alone = Trial(trial.positions[:, :8], trial.labels[:8], 60.0, subjects=["ann"] * 8)
    assert named_labelling(alone)[0].labels == tuple(FIGURE)
    assert segments_of(["ann:LASI", "ann:RASI", "ann:C7"]) == segments_of(["LASI", "RASI", "C7"]) != [None] * 3


@pytest.mark.parametrize("names", [(), ("ann", "ann"), ("a:b",), ("",), (" ann",)])
def test_names_that_cannot_be_prefixes(names):
    trial, _ = together(figure((0, 0)))
    with pytest.raises(InputError, match="distinct names without a colon"):
        answer(trial, *(Subject(n, template()) for n in names))


def test_lengths_differ_by_as_much_as_one_body_is_larger():
    pose = np.array([[0, 0, 0], [100, 0, 0], [0, 200, 0]], np.float32)  # sides of 100, 200, 223.6 mm
    places = np.stack([pose * 1.1, np.full_like(pose, np.nan)]).astype(np.float64)
    assert difference_mm(places, pose) == pytest.approx((10 + 20 + 22.36) / 3, abs=0.01)
    places[:, 2] = np.nan  # two sides are not known: 100 mm each
    assert difference_mm(places, pose) == pytest.approx((10 + 100 + 100) / 3)


def test_entries_of_the_command_line(tmp_path):
    assert entry_parts("ann = static 1.c3d") == ("ann", "static 1.c3d")
    for broken in ("ann", "=static.c3d", "ann="):
        with pytest.raises(InputError, match="expected NAME=FILE"):
            entry_parts(broken)
    path = tmp_path / "ann.c3d"
    assert one_or_entries([path], []) == (path, ())
    assert one_or_entries([], [f"a={path}", "b=plug-in-gait"]) == (None, (f"a={path}", "b=plug-in-gait"))
    assert one_or_entries([path, tmp_path / "bob.c3d"], []) == (None, (f"ann={path}", f"bob={tmp_path / 'bob.c3d'}"))
    with pytest.raises(InputError, match=r"^reference: expected"):
        one_or_entries([path, path], [f"a={path}"])


@pytest.fixture
def both(tmp_path) -> Path:
    """A labelled trial of two people: ann, and bob, who is smaller."""
    points = np.concatenate([figure((0, 0)), figure((0, 1200), 0, 0, SMALL)], axis=1)
    trial = Trial(points, list(FIGURE) * 2, 60.0, subjects=["ann"] * 8 + ["bob"] * 8)
    io.write(tmp_path / "both.c3d", trial)
    return tmp_path / "both.c3d"


def test_a_reference_that_shows_several_people(both):
    trial = io.read(both)
    assert prefixes(trial) == ("ann", "bob")
    alone = one_subject(trial, "bob")
    assert alone.labels == tuple(FIGURE)
    np.testing.assert_allclose(alone.positions, trial.positions[:, 8:])
    found = subjects_in(both)
    assert [(s.name, s.template.name) for s in found] == [
        ("ann", "reference both.c3d, ann"),
        ("bob", "reference both.c3d, bob"),
    ]
    (bob,) = named_subjects([f"bob={both}"])
    height = np.ptp(bob.template.poses[0].positions[:, 2])
    assert height == pytest.approx(SMALL * 1610, abs=5)
    with pytest.raises(InputError, match="cy among several, found ann, bob"):
        named_subjects([f"cy={both}"])


def test_ways_to_say_who_is_there(both, tmp_path, monkeypatch):
    monkeypatch.setattr(PoseMatcher, "load", lambda *_: PoseMatcher(NearestPoint()))
    io.write(tmp_path / "one.c3d", figure_trial(speed_mm_s=0))
    assert subjects_in(tmp_path / "one.c3d") == ()

    def names(**wanted: object) -> list[tuple[str, str]]:
        return [(s.name, s.template.name) for s in labeller_for(LabelRequest(**wanted), "cpu").subjects]

    assert names(n_subjects=2, reference=both) == [(x, f"reference both.c3d, {x}") for x in ("ann", "bob")]
    assert names(n_subjects=2, reference=tmp_path / "one.c3d") == [
        ("subject1", "reference one.c3d"),
        ("subject2", "reference one.c3d"),
    ]
    assert names(subjects=("a=plug-in-gait", f"ann={both}")) == [
        ("a", "marker set plug-in-gait"),
        ("ann", "reference both.c3d"),
    ]
    assert LabelRequest(subjects=(f"ann={both}",)).inputs == [both]
    for wanted in (
        {"n_subjects": 3, "reference": both},
        {"n_subjects": 0},
        {"n_subjects": 2, "subjects": (f"ann={both}",)},
        {"reference": both, "subjects": (f"ann={both}",)},
    ):
        with pytest.raises(InputError, match=r"^(n_subjects|reference): expected"):
            labeller_for(LabelRequest(**wanted), "cpu")
    with pytest.raises(ModelError, match="expected the matcher"):
        labeller_for(LabelRequest("sample", n_subjects=2), "cpu")


def test_trials_are_compared_with_prefixes():
    trial = Trial(np.zeros((2, 2, 3)), ["LTOE", "LTOE"], 100.0, subjects=["ann", "bob"])
    (source,) = with_prefixes([Source(Path("x.c3d"), trial, "ann")])
    assert make_case(source.trial).labels == ("ann:LTOE", "bob:LTOE")


def test_a_rename_map_leaves_prefixes_alone():
    columns = [OutputColumn(x, ((0, 0, 1),)) for x in ("ann:LTOE", "bob:LTOE", "bob:HEAD", "*0")]
    found = renamed_columns(columns, {"LTOE": "LTO", "bob:HEAD": "bob:TOP"})
    assert [c.label for c in found] == ["ann:LTO", "bob:LTO", "bob:TOP", "*0"]


def test_notes_of_one_who_labels_two():
    trial, _ = together(figure((0, 0)), figure((0, 1500)))
    labelling, match = PoseMatcher(NearestPoint()).label(trial, template().poses)
    notes = summarise(Path("x.c3d"), None, trial, LabelResult.of(labelling, "ref", match=match)).notes
    assert [n for n in notes if "--subjects 2" in n and "8 and 8 points" in n]
    found = answer(trial, Subject("a", template()), Subject("b", template()))
    told = LabelResult.of(found.labelling, "ref", match=found.match, subjects=found.subjects)
    assert not [n for n in summarise(Path("x.c3d"), None, trial, told).notes if "--subjects" in n]


@pytest.mark.parametrize(
    "options",
    [["--subject", "ann"], ["--subjects", "0"], ["--subject", "a=plug-in-gait", "--subjects", "2"]],
)
def test_options_that_say_nothing(options, tmp_path, capsys):
    io.write(tmp_path / "x.c3d", figure_trial())
    assert run(["label", str(tmp_path / "x.c3d"), *options]) == 2
    assert "--subject" in capsys.readouterr().err


def test_two_real_people_in_one_file(shared_data, tmp_path, capsys):
    """An OpenCap subject and himself at nine tenths of the size, walking past each other 0.6 m apart."""
    folder = shared_data / "opencap_subject4"
    walks = [io.read(folder / name, exclude="_HJC") for name in ("walking4.trc", "walking1.trc")]
    static = io.read(folder / "static1.trc", exclude="_HJC")
    people = []
    for k, (walk, turn, size) in enumerate(zip(walks, (0.0, np.pi), (1.0, 0.9), strict=True)):
        points = walk.positions[:70, walk.marker_columns] * np.float32(size)
        middle = np.nanmedian(points[35], axis=0)
        path = np.nanmedian(points[-1], axis=0) - np.nanmedian(points[0], axis=0)
        points = turned(points - middle * np.float32((1, 1, 0)), turn - np.arctan2(path[1], path[0]))
        people.append(points + np.float32((0, 600 * k, 0)))
        own = static.positions[:, static.marker_columns] * np.float32(size)
        labels = [static.labels[c] for c in static.marker_columns]
        io.write(tmp_path / f"{'ab'[k]}_static.c3d", Trial(own, labels, static.rate_hz))
    labels = [f"{'ab'[k]}:{w.labels[c]}" for k, w in enumerate(walks) for c in w.marker_columns]
    truth = Trial(np.concatenate(people, axis=1), labels, 100.0)
    case = make_case(truth, Corruption(cuts=60, ghosts=4, swaps=0, seed=3))
    io.write(tmp_path / "walk.c3d", case.trial)
    io.write(tmp_path / "truth.c3d", labelled(case))
    command = ["label", "walk.c3d", "--subject", "b=b_static.c3d", "--subject", "a=a_static.c3d", "-o", "out.c3d"]
    assert run([x if not x.endswith("c3d") else _at(tmp_path, x) for x in command] + ["--json"]) == 0
    out, true = (with_full_names(io.read(tmp_path / x)) for x in ("out.c3d", "truth.c3d"))
    right = total = 0
    for label in (x for x in true.labels if ":" in x):
        points = true.positions[:, true.labels.index(label)]
        seen = ~np.isnan(points[:, 0])
        total += seen.sum()
        if label in out.labels:
            right += (out.positions[:, out.labels.index(label)][seen] == points[seen]).all(1).sum()
    assert right / total > 0.98


def _at(folder: Path, name: str) -> str:
    prefix, sign, file = name.rpartition("=")
    return f"{prefix}{sign}{folder / file}"
