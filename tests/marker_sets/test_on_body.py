"""Marker sets on the body: plausible, the same on both sides, and near what real people wear."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from automarkerlabel import io
from automarkerlabel.core.heading import turned
from automarkerlabel.core.sides import find_pairs
from automarkerlabel.marker_sets import catalogue as catalogue
from automarkerlabel.marker_sets import on_body
from automarkerlabel.marker_sets.body.landmarks import LANDMARKS
from automarkerlabel.marker_sets.body.segments import INDEX, SEGMENTS, on_surface
from automarkerlabel.marker_sets.definition import Definition, MarkerLine
from automarkerlabel.marker_sets.pose_from_trial import reference_from_trial
from tests.fixtures.places import DATA

NAMES = catalogue.built_in_names()
# Sets whose sides differ on purpose: clusters, or the place of an offset marker.
UNEQUAL = {"opencap": 12, "opensim-rajagopal": 12, "cmu-41": 4, "motive-baseline-41": 0}
NEAREST_MM = 15.0


def placed(line: MarkerLine) -> list[float]:
    return on_body.places(Definition("x", (line,))).place[0].tolist()


def test_a_landmark_and_a_place_in_a_segment_are_taken_as_they_are():
    assert placed(MarkerLine("A", at="asis_r")) == list(LANDMARKS["asis_r"][1])
    assert placed(MarkerLine("A", segment="hand_r", mm=(1.0, 2.0, 3.0))) == [1, 2, 3]


def test_out_is_measured_from_the_skin_outwards():
    for side, sign in (("l", 1), ("r", -1)):
        segment = f"thigh_{side}"
        skin = on_surface(torch.tensor(INDEX[segment]), torch.tensor(0.5), torch.tensor(90.0))
        out = placed(MarkerLine("A", segment=segment, skin=(0.5, 90.0, 30.0)))
        np.testing.assert_allclose(out, skin + torch.tensor([0.0, sign * 30.0, 0.0]), atol=0.01)


@pytest.mark.parametrize("name", NAMES)
def test_no_two_markers_sit_on_one_another(name):
    for reference in catalogue.references(name):
        apart = np.linalg.norm(reference.positions[:, None] - reference.positions, axis=2)
        apart[np.diag_indices(len(apart))] = np.inf
        first, second = np.unravel_index(apart.argmin(), apart.shape)
        assert apart.min() > NEAREST_MM, (reference.source, reference.labels[first], reference.labels[second])


@pytest.mark.parametrize("name", NAMES)
def test_head_above_trunk_above_knees_above_feet(name):
    order = [("head",), ("clavicle_l", "clavicle_r"), ("pelvis",), ("shank_l", "shank_r"), ("foot_l", "foot_r")]
    definition = catalogue.find(name)
    segments = [line.body_segment for line in definition.lines]
    for reference in catalogue.references(name):
        assert reference.heading_rad == 0.0
        heights = [[z for s, z in zip(segments, reference.positions[:, 2], strict=True) if s in part] for part in order]
        heights = [np.mean(h) for h in heights if h]
        assert heights == sorted(heights, reverse=True), reference.source
        assert reference.positions[:, 2].min() > 0 and reference.positions[:, 2].max() < 2000


@pytest.mark.parametrize("name", NAMES)
def test_left_and_right_mirror_each_other(name):
    definition = catalogue.find(name)
    worn = on_body.places(definition)
    index = {x: n for n, x in enumerate(definition.labels)}
    pairs = find_pairs(definition.labels)
    assert len(pairs) >= 0.2 * len(index)
    off = []
    for left, right in pairs:
        a, b = index[left], index[right]
        segment = SEGMENTS[worn.segment[a]]
        assert SEGMENTS[worn.segment[b]] == (segment[:-1] + "r" if segment.endswith("_l") else segment), (left, right)
        off.append(float((worn.place[a] * torch.tensor([1.0, -1.0, 1.0]) - worn.place[b]).norm()))
    assert sum(d > 5 for d in off) <= UNEQUAL.get(name, 0)


@pytest.mark.parametrize("name", NAMES)
def test_left_is_left(name):
    """Facing +x, what sits on a left segment is at +y of its mirror image."""
    definition = catalogue.find(name)
    y = dict(zip(definition.labels, catalogue.references(name)[0].positions[:, 1], strict=True))
    sides = [line.body_segment[-2:] for line in definition.lines]
    for side, sign in (("_l", 1), ("_r", -1)):
        assert all(sign * y[x] > -20 for x, s in zip(definition.labels, sides, strict=True) if s == side)


def test_a_set_without_arms_needs_one_pose_only():
    assert [r.source for r in catalogue.references("plug-in-gait-lower")] == ["plug-in-gait-lower, arms hanging"]
    assert len(catalogue.references("plug-in-gait")) == len(on_body.STANDING)


def test_the_poses_of_the_arms():
    """Elbow and wrist against the shoulder, on the left of a body 1.70 m tall."""
    poses = {
        r.source.partition(", ")[2]: dict(zip(r.labels, r.positions, strict=True)) for r in catalogue.references("ior")
    }
    hanging, out, bent = poses["arms hanging"], poses["arms out"], poses["elbows bent"]
    assert hanging["L_SAE"][2] - hanging["L_RSP"][2] > 450
    assert out["L_RSP"][1] - out["L_SAE"][1] > 280
    assert out["L_SAE"][2] - out["L_RSP"][2] > 280
    assert bent["L_RSP"][0] - bent["L_HLE"][0] > 180


def test_places_for_training_are_those_of_all_sets():
    found = catalogue.built_in_places()
    assert len(found) == len(NAMES) >= 15
    assert all(p.place.shape == (len(p.segment), 3) and torch.isfinite(p.place).all() for p in found)


PEOPLE = {  # how people stand in their static trials
    "arms hanging": {"upper_arm": (12, 3, -8), "forearm": (0, -25, 0), "radius": (0, 0, -100)},
    "arms out": {"upper_arm": (45, 0, -10), "forearm": (0, -32, 0), "radius": (0, 0, -105)},
    "T-pose": {"clavicle": (8, 0, 0), "upper_arm": (75, 0, 20), "forearm": (0, -14, 0), "radius": (0, 0, -92)},
    "T-pose, palms forward": {
        "clavicle": (8, 0, 0), "upper_arm": (70, 0, 45), "forearm": (0, -20, 0), "radius": (0, 0, 5)
    },
    "arms out, elbows bent": {
        "clavicle": (6, 0, 0), "upper_arm": (76, 0, -38), "forearm": (0, -86, 0), "radius": (0, 0, -104)
    },
}  # fmt: skip
STATICS = [  # set, static trial, and how far its markers may be from the nearest of these, in mm: median, mean
    ("plug-in-gait", "pairs/pycgm_rom/Sample_Static.c3d", 45, 60),
    ("plug-in-gait", "pairs/robo/RoboStatic.c3d", 50, 62),
    ("opencap", "opencap_subject4/static1.trc", 42, 42),
    ("opensim-gait2392", "pairs/gait2392/subject01_static.trc", 57, 65),
    ("opensim-rajagopal", "pairs/rajagopal_walk/static_walk_1.trc", 45, 48),
]


@pytest.mark.skipif(not DATA.is_dir(), reason="the data for development is not here")
@pytest.mark.parametrize(("name", "file", "median", "mean"), STATICS, ids=[s[1] for s in STATICS])
def test_places_are_near_those_of_real_people(name, file, median, mean):
    real = reference_from_trial(io.read(DATA / file))
    assert set(real.labels) <= set(catalogue.find(name).labels)
    first = catalogue.references(name)[0]
    poses = on_body.standing(catalogue.places(name), PEOPLE).values()
    best = min((distances(real, replace(first, positions=pose)) for pose in poses), key=np.mean)
    assert np.median(best) < median and np.mean(best) < mean


def distances(real, template) -> np.ndarray:
    """Each marker of a real pose to the template's, after the best heading, place and size; mm."""
    of = dict(zip(template.labels, template.positions, strict=True))
    a = np.array([of[x] for x in real.labels], np.float64)
    b = turned(real.positions, -(real.heading_rad or 0.0)).astype(np.float64)
    a, b = a - a.mean(0), b - b.mean(0)
    cross, dot = (a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum(), (a[:, :2] * b[:, :2]).sum()
    a = turned(a, np.arctan2(cross, dot)).astype(np.float64)
    return np.linalg.norm(a * (a * b).sum() / (a * a).sum() - b, axis=1)
