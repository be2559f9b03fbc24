"""The public functions: one line to a labelled trial, whatever it is labelled by."""

import numpy as np
import pytest

import automarkerlabel as aml
from automarkerlabel.errors import InputError, ModelError
from tests.fixtures.places import SAMPLES

WALK, STATIC = SAMPLES / "walk_unlabelled.c3d", SAMPLES / "static.c3d"


@pytest.fixture(scope="module")
def trial():
    return aml.read(WALK)


@pytest.fixture(scope="module")
def labeller():
    return aml.load_labeller(reference=STATIC)


def test_every_point_is_in_the_labelled_trial_where_it_was(trial, labeller):
    labelled = labeller.label(trial).trial()
    for frame in (0, trial.n_frames // 2, trial.n_frames - 1):
        before, after = (x.positions[frame][x.visible[frame]] for x in (trial, labelled))
        np.testing.assert_array_equal(np.sort(before, axis=0), np.sort(after, axis=0))


def test_the_written_copy_is_the_labelled_trial(trial, labeller, tmp_path):
    result = labeller.label(trial)
    aml.write_labelled(WALK, tmp_path / "a.c3d", result, min_confidence=0.5)
    aml.write_labelled(WALK, tmp_path / "b.c3d", trial, aml.output_columns(trial, result.above(0.5)))
    assert (tmp_path / "a.c3d").read_bytes() == (tmp_path / "b.c3d").read_bytes()
    knee = aml.read(tmp_path / "a.c3d").points("LKNE")
    np.testing.assert_array_equal(knee, result.above(0.5).trial().points("LKNE"))


def test_a_file_is_labelled_as_a_trial_is(trial, labeller, tmp_path):
    summary = aml.label_file(WALK, tmp_path / "a.c3d", labeller=labeller)
    sure = labeller.label(trial).above(0.5)
    assert (summary.found, summary.missing) == (sure.found, sure.missing)
    assert summary.mean_confidence == sure.mean_confidence(trial)
    again = aml.label_file(WALK, tmp_path / "b.c3d", reference=STATIC)
    assert (again.found, again.by) == (summary.found, summary.by)


def test_a_path_is_as_good_as_a_trial(trial):
    by_path, by_trial = aml.label(WALK, model="sample"), aml.label(trial, model="sample")
    assert by_path.by == "model sample"
    np.testing.assert_array_equal(by_path.assigned, by_trial.assigned)
    np.testing.assert_array_equal(by_path.confidence, by_trial.confidence)


@pytest.mark.parametrize("model", ["matcher", "sample"])
def test_the_models_of_the_package_load_by_name(model, trial):
    assert "LKNE" in aml.Labeller.load(model).label(trial).found


@pytest.mark.parametrize(
    ("how", "error", "named"),
    [
        ({"reference": STATIC, "heading_deg": 45.0}, InputError, "heading_deg"),
        ({"model": "sample", "heading_deg": 0.0}, InputError, "heading_deg"),
        ({"model": "sample", "reference": STATIC}, ModelError, "reference"),
        ({"model": "sample", "subjects": 2}, ModelError, "subjects"),
        ({"model": "no such model"}, ModelError, "no such model"),
        ({"reference_frame": 3}, InputError, "reference"),
        ({"reference": STATIC, "training_values": "values.pickle"}, ModelError, "training"),
    ],
)
def test_a_parameter_without_use_is_an_error(how, error, named, trial):
    with pytest.raises(error, match=named) as told:
        aml.label(trial, **how)
    assert "\n" not in str(told.value)


def test_what_does_not_belong_together_is_an_error(trial, labeller, tmp_path):
    result = labeller.label(trial)
    with pytest.raises(InputError, match="columns"):
        aml.write_labelled(WALK, tmp_path / "a.c3d", trial)
    with pytest.raises(InputError, match="labelled"):
        aml.write_labelled(WALK, tmp_path / "a.c3d", result, aml.output_columns(trial, result))
    with pytest.raises(InputError, match="reference"):
        aml.label_file(WALK, tmp_path / "a.c3d", labeller=labeller, reference=STATIC)
    assert not (tmp_path / "a.c3d").exists()
