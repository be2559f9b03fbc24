"""Why a trajectory got its label: answers that follow from what the model is told to say."""

import json
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from automarkerlabel.cli import run
from automarkerlabel.core.labelling import Labelling
from automarkerlabel.core.marker_set import MarkerSet
from automarkerlabel.core.settings import WindowConfig
from automarkerlabel.core.tracklets import Tracklet, split
from automarkerlabel.core.trial import Trial
from automarkerlabel.errors import InputError, OutputError
from automarkerlabel.labellers.labeller import LabelResult
from automarkerlabel.labellers.matcher.network import Network
from automarkerlabel.labellers.matcher.occlusion import leaving_out
from automarkerlabel.labellers.matcher.windows import cut_match_windows
from automarkerlabel.labellers.trajectory import TrajectoryLabeller
from automarkerlabel.models import build, config_dict
from automarkerlabel.models.checkpoints.trajectory import Checkpoint
from automarkerlabel.models.hybrid import HybridConfig
from automarkerlabel.models.inputs import INPUTS_PER_NEIGHBOUR, N_FEATURES, UNIT_SCALE, n_inputs
from automarkerlabel.models.lstm import LSTMConfig
from automarkerlabel.models.matcher import MatchOutput
from automarkerlabel.models.matcher.scores import Assignment
from automarkerlabel.review.explain.choose import chosen
from automarkerlabel.review.explain.explained import NO_LABEL
from automarkerlabel.review.explain.facts import explain
from automarkerlabel.review.explain.inspect import NOTHING_LEFT, Course, Left, LookByModel
from automarkerlabel.review.explain.picture import write
from automarkerlabel.review.explain.scene import sticks
from automarkerlabel.workflows.explain import pictures_for
from tests.fixtures.figure import FIGURE, figure_trial
from tests.fixtures.places import SAMPLES

WALK = str(SAMPLES / "walk_unlabelled.c3d")
LABELS = ("LKNE", "RKNE", "RTHI")


def trial_of_three(first_frame: int = 101) -> Trial:
    """Three columns that stand still for 60 frames, 100 mm apart along x; the third is seen from frame 30 on."""
    points = np.zeros((60, 3, 3), np.float32)
    points[:, :, 0] = [0, 100, 200]
    points[:30, 2] = np.nan
    return Trial(points, ["*0", "*1", ""], 60.0, first_frame=first_frame)


def labelling_of_three(assigned=(1, 0, -1), confidence=(0.99, 0.6, 0.8)) -> Labelling:
    tracklets = [Tracklet(0, 0, 60), Tracklet(1, 0, 60), Tracklet(2, 30, 60)]
    return Labelling(
        LABELS, tracklets, np.array(assigned), np.array(confidence, np.float32), np.array([-1, 2, 0]),
    )  # fmt: skip


class Told:
    """A look that tells what it is given: two windows of each tracklet, about frames 10 and 40."""

    mechanism, note = "told", ""

    def __init__(self, probabilities, left=NOTHING_LEFT, middle=(10, 40)):
        self.probabilities, self.found, self.middle = probabilities, left, middle
        self.asked = []

    def course(self, n):
        spans = np.array([[m - 5, m + 6] for m in self.middle], np.int64).reshape(-1, 2)
        return Course(np.log(np.array(self.probabilities, np.float32)).reshape(-1, 4), np.array(self.middle), spans)

    def left(self, n, row, label, other):
        self.asked.append((n, row, label, other))
        return self.found

    def samples(self, n):
        return None

    def importance(self, n, row):
        return None

    def pose(self, n, row):
        return None

    def heading(self, n, row, places):
        return None


SURE = ((0.1, 0.8, 0.05, 0.05), (0.02, 0.96, 0.01, 0.01))  # LKNE, RKNE, RTHI, no label: in two windows


def explained(look, n=0, labelling=None, **options):
    return explain(
        trial_of_three(), "walk.c3d", LabelResult.of(labelling or labelling_of_three(), "told"), look, n, **options
    )


def test_the_window_that_says_most_is_shown_and_frames_are_counted_as_the_file_does():
    look = Told(SURE)
    one = explained(look)
    assert (one.column, one.label, one.compared, one.second) == ("*0", "RKNE", "LKNE", NO_LABEL)
    assert (one.first_frame, one.last_frame, one.frame, one.shown) == (101, 160, 141, 1)  # 48 to 1 rather than 8 to 1
    assert look.asked == [(0, 1, 1, 0)]
    assert [(m.first_frame, m.last_frame) for m in one.moments] == [(106, 116), (136, 146)]
    assert one.moments[0].label == pytest.approx(np.log(0.8)) and one.n_for == 2
    # sqrt(8 * 48) = 19.6 times
    assert one.because[0] == "in 2 of 2 moments RKNE is likelier than LKNE, on average 20 times as likely"
    assert one.because[1] == "column *1, seen at the same time, got LKNE"


def test_a_frame_that_is_asked_for_is_shown_with_the_window_about_it():
    look = Told(SURE)
    assert explained(look, frame=115).frame == 115
    assert look.asked == [(0, 0, 1, 0)]
    with pytest.raises(InputError, match="101 to 160, found 161"):
        explained(look, frame=161)


def test_what_is_compared():
    assert explained(Told(SURE), against="RTHI").compared == "RTHI"
    assert explained(Told(SURE), against=NO_LABEL).compared == NO_LABEL
    for wrong in ("RKNE", "NOSE"):
        with pytest.raises(InputError, match=r"against.*LKNE, RTHI, no label"):
            explained(Told(SURE), against=wrong)
    # no label is the likeliest other class, but a sure label is compared with another label
    assert explained(Told(((0.02, 0.9, 0.01, 0.07),) * 2)).compared == "LKNE"
    # in doubt: with the second choice
    assert explained(Told(((0.9, 0.05, 0.02, 0.03),) * 2), n=1).compared == "RTHI"
    # what its own windows say comes first
    one = explained(Told(((0.2, 0.3, 0.1, 0.4),) * 2))
    assert one.compared == NO_LABEL and "all trajectories together" in one.because[-1] and one.n_for == 0


def test_a_trajectory_without_a_label_and_one_without_a_window():
    one = explained(Told(((0.3, 0.1, 0.1, 0.5),) * 2), n=2)
    assert (one.column, one.label, one.compared) == ("column 3", NO_LABEL, "LKNE")
    nothing = explained(Told((), middle=()), n=2)
    assert nothing.moments == () and nothing.candidates == () and nothing.frame == 131
    assert nothing.because[0].startswith("no window speaks of it")


def test_neighbours_come_in_the_order_of_what_they_do_with_their_names():
    left = Left(np.array([1, 2]), np.array([0.5, -2.0]), np.array([0.4, 0.1]))
    one = explained(Told(SURE, left))
    assert [(x.name, x.number, x.change, x.mean_change) for x in one.neighbours] == [
        ("column 3", 3, -2.0, 0.1),
        ("LKNE", 2, 0.5, 0.4),
    ]
    assert one.neighbours[1].distance_mm == pytest.approx(100.0)
    early = explained(Told(SURE, left), frame=110)
    assert early.neighbours[0].distance_mm is None  # hidden then


def test_candidates_hold_the_label_and_the_compared_one_and_say_who_has_them():
    names = [(c.label, c.taken_by) for c in explained(Told(SURE), against=NO_LABEL).candidates]
    assert names[0] == ("RKNE", ()) and names[1] == ("LKNE", ("*1",)) and {n for n, _ in names} == {*LABELS, NO_LABEL}


def test_facts_are_plain_and_without_places():
    plain = explained(Told(SURE, Left(np.array([1]), np.array([0.5]), None))).to_dict()
    assert json.loads(json.dumps(plain)) == plain
    assert "scene" not in plain and plain["neighbours"][0]["mean_change"] is None


def test_sticks_follow_who_stays_near():
    """Shoulder, elbow, hand and hip: in the last moment the hand is at the hip, before it was at the elbow."""
    before = [(0, 0, 1400), (0, 0, 1100), (0, 0, 1300), (0, 0, 900)]
    last = [(0, 0, 1400), (0, 0, 1100), (0, 0, 910), (0, 0, 900)]
    places = np.array([before, last], np.float32)
    assert {frozenset(s) for s in sticks(places)} == {frozenset(s) for s in ((0, 1), (1, 2), (1, 3))}
    places[1, 1] = np.nan  # what is not seen now has no stick
    assert all(1 not in s for s in sticks(places)) and len(sticks(places)) == 2
    assert sticks(np.full((2, 3, 3), np.nan, np.float32)) == []


def test_choosing():
    trial, labelling = trial_of_three(), labelling_of_three()
    assert chosen(trial, labelling, ["*1"], [], 0) == [1]
    assert chosen(trial, labelling, ["3"], [], 0) == [2]
    assert chosen(trial, labelling, [], ["RKNE"], 0) == [0]
    assert chosen(trial, labelling, [], [], 5) == [1, 0]  # the least sure first; what has no label is not doubtful
    assert chosen(trial, labelling, ["*0", "3"], [], 0, frame=110) == [0]
    for columns, labels, named in ((["NOSE"], [], "column"), (["4"], [], "column"), ([], ["RTHI"], "LKNE, RKNE")):
        with pytest.raises(InputError, match=named):
            chosen(trial, labelling, columns, labels, 0)
    with pytest.raises(InputError, match="in frame 110"):
        chosen(trial, labelling, ["3"], [], 0, frame=110)


def test_where_pictures_go(tmp_path):
    one, other = explained(Told(SURE)), explained(Told(SURE), n=2)
    assert pictures_for([one], tmp_path / "a.png", False, []) == [tmp_path / "a.png"]
    with pytest.raises(OutputError, match="folder for 2 pictures"):
        pictures_for([one, other], tmp_path / "a.png", False, [])
    found = pictures_for([one, other], tmp_path / "new" / "folder", False, [])
    assert [p.name for p in found] == ["walk_RKNE_0_101.png", "walk_nolabel_column3_131.png"]
    with pytest.raises(OutputError, match=r"\.jpg"):
        pictures_for([one], tmp_path / "a.jpg", False, [])
    found[0].write_bytes(b"")
    with pytest.raises(OutputError, match="--overwrite"):
        pictures_for([one], tmp_path / "new" / "folder", False, [])


@pytest.mark.parametrize("probabilities", [SURE, ((0.3, 0.1, 0.1, 0.5),) * 2])
def test_every_kind_of_fact_can_be_drawn(tmp_path, probabilities):
    """With and without a reference, neighbours, moments and another label."""
    left = Left(np.array([1, 2]), np.array([0.5, -2.0]), None)
    one = explained(Told(probabilities, left), n=0)
    pose = np.array([[0, 0, 0], [90, 0, 0], [np.nan] * 3], np.float32)
    bare = explained(Told((), middle=()), n=2)
    for k, facts in enumerate((one, replace(one, scene=replace(one.scene, pose=pose)), bare)):
        write(facts, tmp_path / f"{k}.png")
        assert (tmp_path / f"{k}.png").read_bytes().startswith(b"\x89PNG")


# --- inside the models -------------------------------------------------------------------------------------------


def labeller(kind: str = "hybrid", attention: str = "multihead") -> TrajectoryLabeller:
    """A network of no training for the figure's labels."""
    windows = WindowConfig(n_neighbours=4)
    config = LSTMConfig() if kind == "lstm" else HybridConfig(attention=attention)
    torch.manual_seed(0)
    model = build(kind, config, n_inputs(windows), windows.n_samples, len(FIGURE) + 1)
    return TrajectoryLabeller(
        Checkpoint(
            kind, config_dict(config), vars(windows), MarkerSet(tuple(FIGURE)), UNIT_SCALE.tolist(), model.state_dict()
        )
    )


class SeenSlots(torch.nn.Module):
    """Class 0 gets 3 for each sample that sees the second nearest neighbour, all other classes nothing."""

    def forward(self, x, mask, with_weights=False):
        scores = torch.zeros(len(x), len(FIGURE) + 1)
        scores[:, 0] = 3 * (x[..., INPUTS_PER_NEIGHBOUR + N_FEATURES - 1] * mask).sum(1)
        return scores, []


def test_leaving_a_neighbour_out_tells_what_it_does(figure):
    made = labeller()
    made.model = SeenSlots()
    tracklets = split(figure)
    look = LookByModel(made, figure, tracklets, 0.0)
    n = [t.column for t in tracklets].index(0)  # the head: the shoulders are nearest, LSHO and RSHO as noise has it
    left = look.left(n, 0, 0, 1)
    windows = made.cut(figure, [tracklets[n]])
    assert len(left.columns) == 4 and 0 not in left.columns
    assert left.change == pytest.approx([0, 3 * windows.mask[0].sum(), 0, 0])
    assert left.mean is not None and left.mean.sum() == pytest.approx(3 * windows.mask.sum(1).mean())


def test_leaving_out_begins_with_what_the_model_says(figure):
    made, tracklets = labeller(), split(figure)
    whole = made.scores(figure, tracklets=tracklets)[1].log_probs
    log_probs, neighbours = made.leaving_out(figure, made.cut(figure, tracklets))
    assert log_probs.shape == (len(whole), 5, len(FIGURE) + 1) and neighbours.shape == (len(whole), 4)
    assert log_probs[:, 0] == pytest.approx(whole, abs=1e-5)
    assert np.abs(log_probs[:, 1:] - log_probs[:, :1]).max(2).min() > 0  # each neighbour changes something


@pytest.mark.parametrize("attention", ["multihead", "hierarchical", "luong"])
def test_shares_of_samples(figure, attention):
    look = LookByModel(labeller(attention=attention), figure, split(figure), 0.0)
    frames, shares = look.samples(2)
    assert frames.shape == shares.shape == (len(look.course(2).middle), 8)
    assert shares.sum(1) == pytest.approx(1) and (shares >= 0).all() and not shares[frames < 0].any()


def test_what_models_without_attention_to_samples_say(figure):
    sparse = LookByModel(labeller(attention="sparse"), figure, split(figure), 0.0)
    assert sparse.samples(0) is None
    columns, shares = sparse.importance(0, 0)
    assert shares.shape == (4, N_FEATURES) and shares.sum() == pytest.approx(1, abs=1e-4) and len(columns) == 4
    lstm = LookByModel(labeller("lstm"), figure, split(figure), 0.0)
    assert lstm.samples(0) is None and lstm.importance(0, 0) is None
    assert "lstm has no attention weights" in lstm.note and len(lstm.left(0, 0, 0, 1).columns) == 4


class Counting:
    """A matcher to which every label fits as well as there are points, and that keeps what it was asked."""

    def __init__(self):
        self.asked = []

    def __call__(self, query, dt_s, reference, n_recycles=None):
        self.asked.append(query)
        there = query[:, 2].isfinite().all(-1).sum(1).float()
        rows = -there[:, None, None] * torch.ones(len(query), query.shape[2], reference.shape[1] + 1)
        columns = torch.zeros(len(query), query.shape[2] + 1, reference.shape[1])
        answer = Assignment(rows, columns)
        return MatchOutput(answer, answer, None)


def test_the_matcher_is_asked_without_each_point_in_turn():
    trial = figure_trial(speed_mm_s=0)
    windows = cut_match_windows(trial, split(trial))
    asked = Counting()
    pose = trial.positions[0].copy()
    pose[3] = np.nan
    found = leaving_out(Network(asked, torch.device("cpu")), windows, 0, 0.0, pose)
    hidden = torch.cat(asked.asked)[:, 2].isnan().any(-1).numpy()  # (1 + n_points, n_points)
    assert np.array_equal(hidden, np.vstack([np.zeros((1, 8)), np.eye(8)]))
    assert found.shape == (9, 8, 9)
    assert (found[0, :, 0] == -4).all() and (found[1:, :, 0] == -3.5).all()  # half of what both sides say
    assert np.isneginf(found[:, :, 3]).all()  # the pose does not show it


# --- the command ---------------------------------------------------------------------------------------------------


def test_a_picture_and_the_same_facts(tmp_path, capsys):
    picture = tmp_path / "why.png"
    arguments = ["explain", WALK, "--model", "sample", "--column", "*12", "-o", str(picture), "--json"]
    assert run(arguments) == 0
    (told,) = json.loads(capsys.readouterr().out)
    assert (told["label"], told["compared"], told["picture"]) == ("LKNE", "RKNE", str(picture))
    assert told["mechanism"] == "hybrid, multihead" and told["neighbours"][0]["change"] > 0
    assert sum(s["share"] for s in told["samples"]) == pytest.approx(1, abs=1e-4)
    assert picture.stat().st_size < 200_000
    assert run(arguments) == 2 and "exists already" in capsys.readouterr().err
    assert run(arguments[:6]) == 2 and "-o with a picture" in capsys.readouterr().err


def test_by_the_matcher_with_the_reference_beside(tmp_path, capsys):
    reference = str(SAMPLES / "train" / "walk1.c3d")
    assert run(["explain", WALK, "--reference", reference, "--column", "*67", "-o", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "*67, frames 281-360: LWRB" in said
    assert (tmp_path / "walk_unlabelled_LWRB_67_281.png").stat().st_size < 200_000


def test_without_matplotlib_one_line_says_what_to_install(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert run(["explain", WALK, "--model", "sample", "-o", str(tmp_path)]) == 2
    assert "automarkerlabel[pictures]" in capsys.readouterr().err
    assert run(["explain", WALK, "--model", "sample", "--column", "*12", "--json"]) == 0  # facts need none
