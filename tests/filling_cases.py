"""Trials with gaps whose truth is known."""

from dataclasses import replace

import numpy as np
from conftest import figure_trial

from automarkerlabel.trial import Trial


def turn(degrees):
    """Turns about the vertical, `(..., 3, 3)`."""
    angle = np.deg2rad(degrees)
    c, s, one, nil = np.cos(angle), np.sin(angle), np.ones_like(angle), np.zeros_like(angle)
    return np.moveaxis(np.array([[c, -s, nil], [s, c, nil], [nil, nil, one]]), (0, 1), (-2, -1))


def tumbling(n_frames=200, rate_hz=100.0):
    """Five points of one stiff body that turns 1.8 degrees a frame on its way, and one that goes its own."""
    body = np.array([[0, 0, 0], [90, 0, 10], [0, 70, 20], [30, 40, 95], [60, -50, 40]], float)
    time = np.arange(n_frames)
    points = np.einsum("fij,nj->fni", turn(1.8 * time), body)
    points += np.stack([4.0 * time, 30 * np.sin(time / 9), 900 + 0.02 * time**2], axis=1)[:, None]
    other = np.stack([time, 500 + 60 * np.cos(time / 7), 300 + 0 * time], axis=1)[:, None]
    return Trial(np.concatenate([points, other], axis=1).astype(np.float32), list("ABCDEF"), rate_hz)


def hidden(trial, *gaps):
    positions = trial.positions.copy()
    for column, start, stop in gaps:
        positions[start:stop, column] = np.nan
    return replace(trial, positions=positions, residuals=np.where(np.isnan(positions[..., 0]), np.nan, 0.5))


def gappy_trial():
    """The figure with gaps of 6, 15 and 1 frames, and two columns that begin late and end early."""
    return hidden(figure_trial(), (0, 20, 26), (3, 50, 65), (6, 0, 4), (7, 100, 120), (5, 70, 71))
