"""Which way round a body is: by the hand of its labels where the network cannot tell."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from automarkerlabel.core import tracklets as pieces
from automarkerlabel.core.heading import turned
from automarkerlabel.core.trial import Trial
from automarkerlabel.labellers.matcher.heading_search import Followed, search_headings
from automarkerlabel.labellers.matcher.labeller import PoseMatcher
from automarkerlabel.labellers.matcher.network import Network
from automarkerlabel.labellers.matcher.turned import doubted, facing
from automarkerlabel.labellers.matcher.windows import cut_match_windows
from automarkerlabel.marker_sets.pose_from_trial import reference_from_trial
from automarkerlabel.models.matcher import MatchOutput
from automarkerlabel.models.matcher.scores import Assignment
from tests.fixtures.figure import FIGURE, figure_trial

FAR = -1e4


class NearestAcrossAndUp:
    """Scores by how far to the side and how high points are, blind for front and back: it cannot tell which way a body
    faces, and takes left for right if it is turned by half."""

    def __call__(self, query, dt_s, reference, n_recycles=None):
        now = query[:, 2]
        a = now - now.nanmedian(1, keepdim=True).values
        b = reference - reference.nanmedian(1, keepdim=True).values
        square = ((a[:, :, None, 1:] - b[:, None, :, 1:]) ** 2).sum(-1) / 60.0**2
        similar = torch.where(square.isnan(), FAR, -square / 2)
        rows = torch.nn.functional.pad(similar, (0, 1), value=-4.5).log_softmax(2)
        columns = torch.nn.functional.pad(similar, (0, 0, 0, 1), value=-4.5).log_softmax(1)
        answer = Assignment(rows, columns)
        return MatchOutput(answer, answer, None)


def searched(heading_deg: float, trial: Trial):
    windows = cut_match_windows(trial, pieces.split(trial))
    network = Network(NearestAcrossAndUp(), torch.device("cpu"))
    search = search_headings(network, windows, Followed.of(windows), reference_from_trial(trial))
    return network, windows, replace(search, heading=np.full(len(windows), np.deg2rad(heading_deg)))


@pytest.mark.parametrize("heading_deg", [0.0, 180.0])
def test_the_hand_of_the_body_tells_which_way_it_faces(heading_deg):
    network, windows, search = searched(heading_deg, figure_trial(speed_mm_s=0))
    found, doubt = facing(network, windows, search, None)
    assert np.allclose(np.cos(found.heading), 1)
    # All fours of labels have the hand of the reference, or all the other one: no doubt that is worth a word.
    assert 0 < doubt < 0.05


def test_where_both_ways_give_the_same_labels_nothing_is_in_doubt():
    trial = figure_trial(speed_mm_s=0)
    middle = [n for n, (x, y, z) in enumerate(FIGURE.values()) if y == 0]
    points = np.concatenate([trial.positions[:, middle], trial.positions[:, middle] - [0, 0, 700]], axis=1)
    flat = Trial(points.astype(np.float32), ["A", "B", "C", "D"], trial.rate_hz)
    assert facing(*searched(0, flat), None)[1] == 0


def test_a_labelling_is_right_whichever_way_the_search_took_and_as_sure_as_the_whole():
    static, trial = figure_trial(speed_mm_s=0, seed=1), figure_trial(speed_mm_s=0)
    around = replace(trial, positions=turned(trial.positions, np.pi), labels=tuple(f"*{n}" for n in range(8)))
    labeller = PoseMatcher(NearestAcrossAndUp())
    labelling, _ = labeller.label(around, reference_from_trial(static))
    assert [labelling.label_of(n) for n in range(8)] == list(FIGURE)
    half = doubted(labelling, 0.5)
    assert np.allclose(half.confidence, labelling.confidence / 2)
    assert all(np.allclose(a[1], b[1] / 2) for a, b in zip(half.courses, labelling.courses, strict=True))
