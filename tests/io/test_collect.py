import numpy as np
import pytest

from automarkerlabel import io
from automarkerlabel.core.source import Source
from automarkerlabel.core.trial import Trial
from automarkerlabel.errors import InputError, TrialError
from automarkerlabel.io.collect import find_trials, read_labelled, split_validation
from tests.fixtures.figure import figure_trial


def source(name, subject="s"):
    return Source(name, figure_trial(2), subject)


def test_folders_lists_and_files_each_once(tmp_path):
    (tmp_path / "sub").mkdir()
    for name in ("b.C3D", "sub/a.trc", "notes.md"):
        (tmp_path / name).write_text("x")
    (tmp_path / "list.txt").write_text("# a comment\nb.C3D\n\nsub/a.trc\n")
    both = [tmp_path / "b.C3D", tmp_path / "sub" / "a.trc"]
    assert find_trials([tmp_path]) == both
    assert find_trials([tmp_path / "list.txt", tmp_path]) == both
    assert find_trials([tmp_path / "gone.c3d"]) == [tmp_path / "gone.c3d"]  # reading it says so


@pytest.mark.parametrize("make", [lambda p: (p / "x").mkdir(), lambda p: (p / "x").write_text("")])
def test_a_place_without_trials_is_said(tmp_path, make):
    place = tmp_path / "x"
    make(tmp_path)
    if place.is_file():
        place = place.rename(tmp_path / "x.txt")
    with pytest.raises(InputError, match="expected"):
        find_trials([place])


def test_a_trial_without_labels_is_named(tmp_path):
    path = tmp_path / "raw.c3d"
    io.write(path, Trial(np.zeros((3, 2, 3)) + 1, ["*0", "*1"], 100))
    with pytest.raises(TrialError, match=r"raw\.c3d.*2 columns without a name"):
        read_labelled([path])


def test_the_subject_is_the_prefix_or_else_the_folder(tmp_path):
    trial = figure_trial(5)
    (tmp_path / "anna").mkdir()
    io.write(tmp_path / "anna" / "a.c3d", trial)
    named = Trial(trial.positions, trial.labels, 60, subjects=["Nick01"] * 8)
    io.write(tmp_path / "anna" / "b.c3d", named)
    done = []
    found = read_labelled(find_trials([tmp_path]), progress=lambda n, total: done.append((n, total)))
    assert [s.subject for s in found] == ["anna", "Nick01"]
    assert done == [(1, 2), (2, 2)]


def test_whole_trials_are_held_out():
    sources = [source(f"t{n}") for n in range(10)]
    train, held_out = split_validation(sources, 0.2)
    assert len(held_out) == 2
    assert {s.path for s in train} | {s.path for s in held_out} == {s.path for s in sources}
    assert not {s.path for s in train} & {s.path for s in held_out}
    assert [s.path for s in split_validation(sources, 0.2)[1]] == [s.path for s in held_out]


def test_whole_subjects_are_held_out():
    sources = [source(f"t{n}", f"s{n % 3}") for n in range(9)]
    train, held_out = split_validation(sources, 0.3, by="subject")
    assert len({s.subject for s in held_out}) == 1
    assert not {s.subject for s in held_out} & {s.subject for s in train}


def test_nothing_is_held_out_on_request_and_one_trial_cannot_be_split():
    train, held_out = split_validation([source("a")], 0)
    assert [s.path for s in train] == ["a"]
    assert held_out == []
    with pytest.raises(InputError, match="--val-share 0"):
        split_validation([source("a")], 0.1)
    with pytest.raises(InputError, match="by trial or by subject"):
        split_validation([source("a")], 0.1, by="moon")
    with pytest.raises(InputError, match="below 1"):
        split_validation([source("a")], 1.0)
