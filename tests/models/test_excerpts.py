from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from automarkerlabel.core.marker_set import MarkerSet
from automarkerlabel.core.source import Source
from automarkerlabel.core.trial import Trial
from automarkerlabel.errors import ModelError
from automarkerlabel.models.checkpoints import excerpts as module
from automarkerlabel.models.checkpoints import trajectory as store
from automarkerlabel.models.checkpoints.excerpts import excerpts, pack, unpack


def walking(n_frames: int, rate_hz: float = 120.0) -> Trial:
    """Two markers and a computed point on a line, 1 mm a frame; the second is hidden in the first frame."""
    points = np.zeros((n_frames, 3, 3), np.float32)
    points[:, :, 0] = np.arange(n_frames)[:, None] + 20_000
    points[:, 1, 2] = 900
    points[0, 1] = np.nan
    return Trial(points, ["A", "B", "HJC"], rate_hz, computed=frozenset({2}))


def test_excerpts_are_short_slow_and_spread_over_the_trial():
    kept = excerpts([Source(Path("walk.c3d"), walking(2400), "Nick")])
    assert [k.trial.positions.shape for k in kept] == [(60, 2, 3)] * module.EACH
    assert {k.trial.rate_hz for k in kept} == {30.0}
    assert kept[0].path.name == "walk.c3d" and kept[0].subject == "Nick" and list(kept[0].trial.labels) == ["A", "B"]
    assert np.isnan(kept[0].trial.positions[0, 1]).all()
    np.testing.assert_allclose(np.diff(kept[0].trial.positions[:, 0, 0]), 4)  # every fourth frame
    assert all(abs(float(np.nanmean(k.trial.positions[..., 0]))) < 0.01 for k in kept)  # in the middle of the room
    assert kept[1].trial.positions[1, 1, 2] == 900  # heights stay


def test_a_brief_trial_is_kept_whole_once():
    assert [k.trial.n_frames for k in excerpts([Source(Path("a"), walking(40, 20.0), "")])] == [40]


def test_no_more_than_fits_and_the_first_of_each_trial_first(monkeypatch):
    monkeypatch.setattr(module, "MOST_BYTES", 3 * 60 * 2 * 3 * 2)
    kept = excerpts([Source(Path(name), walking(2400), "") for name in ("a", "b")])
    assert [k.path.name for k in kept] == ["a", "b", "a"]


def test_stored_and_read_again_to_half_a_millimetre(tmp_path):
    kept = excerpts([Source(Path("a.c3d"), walking(300), "S")])
    model = store.Checkpoint("hybrid", {}, {}, MarkerSet(["A", "B"]), [1.0], {"w": pack(kept)[0]["kept/0"].float()})
    store.save(replace(model, kept=kept), tmp_path / "m.ckpt")
    read = store.load(tmp_path / "m.ckpt")
    assert set(read.tensors) == {"w"} and len(read.kept) == len(kept)
    for a, b in zip(kept, read.kept, strict=True):
        np.testing.assert_allclose(b.trial.positions, a.trial.positions, atol=0.2501)
        assert (b.path, b.subject, b.trial.rate_hz, b.trial.labels) == (a.path, a.subject, 30.0, a.trial.labels)


def test_damaged_excerpts_are_refused():
    tensors, facts = pack(excerpts([Source(Path("a"), walking(300), "")]))
    with pytest.raises(ModelError, match="damaged"):
        unpack({}, facts)
    with pytest.raises(ModelError, match="damaged"):
        unpack(tensors, [{"labels": ["A"], "rate_hz": 30.0, "source": "", "subject": ""}])
