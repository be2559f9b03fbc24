"""Trials whose answers can be derived by hand."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# Many small operations: one thread each is faster than two that wait for each other, here and in subprocesses.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pytest
from browser import chromium, page  # noqa: F401

from automarkerlabel.trial import Trial

# A stiff figure of eight points about 1.7 m tall that faces +x; left is +y. No two distances from one point agree.
FIGURE = {
    "HEAD": (90.0, 0.0, 1650.0),
    "LSHO": (0.0, 190.0, 1450.0),
    "RSHO": (0.0, -190.0, 1450.0),
    "LHND": (120.0, 330.0, 900.0),
    "RHND": (120.0, -330.0, 900.0),
    "SACR": (-110.0, 0.0, 1000.0),
    "LTOE": (170.0, 120.0, 40.0),
    "RTOE": (170.0, -120.0, 40.0),
}


def figure_trial(
    n_frames: int = 120, rate_hz: float = 60.0, speed_mm_s: float = 600.0, turn_deg: float = 0.0, seed: int = 0
) -> Trial:
    """The figure gliding along +x at a steady speed, hands swinging 100 mm to and fro once a second, then turned
    about the vertical as a whole; 0.2 mm of noise."""
    time = np.arange(n_frames) / rate_hz
    points = np.tile(np.array(list(FIGURE.values())), (n_frames, 1, 1))
    points[:, :, 0] += speed_mm_s * time[:, None]
    swing = 100 * np.sin(2 * np.pi * time)
    points[:, 3, 0] += swing
    points[:, 4, 0] -= swing
    points += np.random.default_rng(seed).normal(0, 0.2, points.shape)
    angle = np.deg2rad(turn_deg)
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    return Trial((points @ turn.T).astype(np.float32), list(FIGURE), rate_hz)


@pytest.fixture
def figure() -> Trial:
    return figure_trial()


@pytest.fixture
def shared_data() -> Path:
    """Real trials that live beside the checkout; tests that need them are skipped where they are missing."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("needs the real trials in ../shared/data")
    return folder


@contextmanager
def counted_calls() -> Iterator[list[int]]:
    """How many functions are called within, Python's and its libraries': many in a loop, on any machine."""
    count = [0]

    def seen(frame: object, event: str, argument: object) -> None:
        count[0] += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(seen)
    try:
        yield count
    finally:
        sys.setprofile(before)
