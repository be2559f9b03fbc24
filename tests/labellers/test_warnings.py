"""What a labelling is doubted for."""

import numpy as np

from automarkerlabel.core.labelling import Labelling
from automarkerlabel.core.tracklets import Tracklet
from automarkerlabel.core.trial import Trial
from automarkerlabel.labellers.figures import Candidate, MatchFacts
from automarkerlabel.labellers.labeller import LabelResult
from automarkerlabel.labellers.warnings import doubts_about

TRIAL = Trial(np.zeros((10, 10, 3), np.float32), [""] * 10, 10.0)
MATCH = MatchFacts(10, 10, 1.0, -0.1, 0.0, 5, 1)


def answer(assigned: list[int], confidence: float = 0.99, match: MatchFacts | None = MATCH, **more) -> LabelResult:
    pieces = [Tracklet(c, 0, 10) for c in range(10)]
    labelling = Labelling(
        [f"L{n}" for n in range(10)], pieces, np.array(assigned), np.full(10, confidence, np.float32), np.full(10, -1)
    )
    return LabelResult.of(labelling, "reference static.c3d", match=match, **more)


def test_nothing_is_doubted_where_all_is_well():
    assert doubts_about(answer(list(range(10))), TRIAL) == ()


def test_labels_not_found_are_named_unless_optional():
    nine = [*range(9), -1]
    assert doubts_about(answer(nine), TRIAL) == ("not found: L9",)
    assert doubts_about(answer(nine, optional=frozenset({"L9"})), TRIAL) == ()


def test_many_points_without_a_label():
    said = doubts_about(answer([*range(7), -1, -1, -1]), TRIAL)
    assert said[0] == "not found: L7, L8, L9"
    assert said[1].startswith("30 % of the points got no label")


def test_low_confidence_and_another_set_that_fits():
    fits = (Candidate("a", 0.9, 9, 10), Candidate("b", 0.89, 9, 10))
    said = doubts_about(answer(list(range(10)), 0.7, candidates=fits), TRIAL)
    assert said == (
        "the labels are unsure (mean confidence 0.70); look at them before use",
        "another marker set fits nearly as well: b 0.89 (9 of 10 labels)",
    )


def test_a_set_that_fits_moderately_is_doubted():
    fits = (Candidate("a", 0.7, 9, 10),)
    said = doubts_about(answer(list(range(10)), candidates=fits), TRIAL)
    assert said == ("the marker set fits by 0.70 only; is it the one that the trial wears?",)


def test_a_trial_that_has_names_other_than_the_references():
    """Two columns carry each other's name; the name of a third is none of the reference's."""
    names = ["L1", "L0", "X", *(f"L{n}" for n in range(3, 10))]
    trial = Trial(np.zeros((10, 10, 3), np.float32), names, 10.0)
    (said,) = doubts_about(answer(list(range(10))), trial)
    assert said.startswith(
        "the names of the reference do not fit the trial: L1 (labelled L0), L0 (labelled L1); one of"
    )
    (unsure,) = doubts_about(answer(list(range(10)), 0.89), trial)
    assert unsure.startswith("the labels are unsure")


def test_no_label_at_all():
    assert "no label is sure enough" in doubts_about(answer([-1] * 10), TRIAL)[0]


def test_a_model_of_another_set_is_suspected():
    assert "does the trial wear the model's marker set" in doubts_about(answer([0] + [-1] * 9, match=None), TRIAL)[0]
