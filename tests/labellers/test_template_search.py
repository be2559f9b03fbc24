"""Which marker set a trial wears, by figures that can be derived by hand."""

import numpy as np
import pytest

from automarkerlabel.core.labelling import Labelling
from automarkerlabel.core.marker_set import MarkerSet
from automarkerlabel.core.reference import Reference
from automarkerlabel.core.tracklets import Tracklet
from automarkerlabel.core.trial import Trial
from automarkerlabel.errors import MarkerSetError
from automarkerlabel.labellers.matcher import template_search
from automarkerlabel.labellers.matcher.template_search import Candidate, Template, excerpt, fit_of, refuse_unlikely
from tests.fixtures.figure import figure_trial

LABELS = ["A", "B", "C", "D"]
POSE = Reference(MarkerSet(LABELS), np.eye(4, 3, dtype=np.float32) * 100, 0.0)


def labelling(assigned: list[int], confidence: list[float], n_frames: int = 10) -> Labelling:
    pieces = [Tracklet(c, 0, n_frames) for c in range(len(assigned))]
    second = np.full(len(assigned), -1)
    return Labelling(LABELS, pieces, np.array(assigned), np.array(confidence, np.float32), second)


def trial(n_columns: int, n_frames: int = 10) -> Trial:
    return Trial(np.zeros((n_frames, n_columns, 3), np.float32), [""] * n_columns, 10.0)


def test_all_found_and_sure_is_the_likelihood_alone():
    found = fit_of(trial(4), labelling([0, 1, 2, 3], [1, 1, 1, 1]), Template("x", (POSE,)), np.log(0.8))
    assert found.fit == pytest.approx(0.8)
    assert (found.n_found, found.n_labels) == (4, 4)
    assert str(found) == "x 0.80 (4 of 4 labels)"


def test_points_without_a_label_and_labels_without_a_point_count_alike():
    some = fit_of(trial(4), labelling([0, 1, -1, -1], [1, 1, 1, 1]), Template("x", (POSE,)), 0.0)
    assert some.fit == pytest.approx(0.25)  # half of the points, half of the labels
    few = fit_of(trial(2), labelling([0, 1], [1, 1]), Template("x", (POSE,)), 0.0)
    assert few.fit == pytest.approx(0.5)


def test_a_point_that_does_not_last_counts_less():
    pieces = [Tracklet(0, 0, 10), Tracklet(1, 0, 1)]
    found = Labelling(["A"], pieces, np.array([0, -1]), np.ones(2, np.float32), np.full(2, -1))
    points = np.zeros((10, 2, 3), np.float32)
    points[1:, 1] = np.nan
    fit = fit_of(Trial(points, ["", ""], 10.0), found, Template("x", (POSE,)), 0.0).fit
    assert fit == pytest.approx(100 / 101)


def test_optional_labels_count_where_they_are_found_alone():
    template = Template("x", (POSE,), frozenset({"C", "D"}))
    assert fit_of(trial(2), labelling([0, 1], [1, 1]), template, 0.0).fit == pytest.approx(1)
    assert fit_of(trial(3), labelling([0, 1, 2], [1, 1, 0.5]), template, 0.0).fit == pytest.approx((2.5 / 3) ** 2)


def test_nothing_found_fits_by_nothing():
    assert fit_of(trial(2), labelling([-1, -1], [1, 1]), Template("x", (POSE,)), 0.0).fit == 0


def candidates(*fits: float) -> list[Candidate]:
    return [Candidate(f"set{n}", fit, 3, 4) for n, fit in enumerate(fits)]


@pytest.mark.parametrize("fits", [(0.7, 0.69), (0.6,)])
def test_a_good_fit_is_believed(fits):
    refuse_unlikely(candidates(*fits))


@pytest.mark.parametrize("fits", [(0.55, 0.5, 0.4, 0.1), (0.5, 0.1, 0.1), ()])
def test_others_are_refused_with_the_closest_three(fits):
    with pytest.raises(MarkerSetError, match="--reference FILE") as error:
        refuse_unlikely(candidates(*fits))
    assert str(error.value).count(" of 4 labels") == min(3, len(fits))


def test_the_excerpt_is_where_most_points_are():
    points = np.full((100, 3, 3), np.nan, np.float32)
    points[:, 0] = 0
    points[40:70] = 1
    part = excerpt(Trial(points, ["", "", ""], 10.0, first_frame=5), 2.0)
    assert part.n_frames == 20
    assert 45 <= part.first_frame <= 55
    assert part.visible.all()
    assert excerpt(figure_trial(30)).n_frames == 30


def test_a_set_is_found_by_name_or_in_a_file(tmp_path):
    known = {t.name for t in template_search.known_templates()}
    assert {"plug-in-gait", "plug-in-gait-lower"} <= known
    template = template_search.template_named("plug-in-gait")
    assert len(template.poses) > 1
    assert "LASI" in template.poses[0].labels
    assert "LASI" not in template.optional
    with pytest.raises(MarkerSetError, match="expected one of"):
        template_search.template_named("nosuch")


def test_an_opensim_set_is_put_on_the_body(tmp_path):
    markers = "".join(
        f"<Marker name='{name}'><socket_parent_frame>/bodyset/{body}</socket_parent_frame>"
        f"<location>{place}</location></Marker>"
        for name, body, place in (
            ("LASI", "pelvis", "0 0 -0.12"), ("RASI", "pelvis", "0 0 0.12"), ("RKNE", "femur_r", "0 -0.4 0.05")
        )
    )  # fmt: skip
    path = tmp_path / "set.xml"
    path.write_text(f"<OpenSimDocument><MarkerSet><objects>{markers}</objects></MarkerSet></OpenSimDocument>")
    pose = template_search.template_named(str(path)).poses[0]
    left, right, knee = pose.positions
    assert left[1] - right[1] == pytest.approx(240, abs=1)  # ours: y to the left
    assert knee[2] < right[2] - 300
