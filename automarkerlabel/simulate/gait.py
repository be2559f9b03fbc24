"""Walking, running and crawling: joint angles over the stride."""

import numpy as np

from automarkerlabel.simulate.clock import Array, Clock
from automarkerlabel.simulate.pose_parts import assembled


def _phase(clock: Clock, stride_hz: float) -> Array:
    """Of the left side in rad."""
    return 2 * np.pi * stride_hz * clock.time + clock.rng.uniform(0, 2 * np.pi)


def _bump(phase: Array, at: float, sharpness: float) -> Array:
    """1 at the share `at` of the stride, 0 far from it."""
    return np.asarray(np.exp(sharpness * (np.cos(phase - 2 * np.pi * at) - 1)))


def stepping(clock: Clock, stride_hz: float, swing: float, lift: float) -> Array:
    """Angles `(n_frames, S, 3)` of steps: `swing` scales the legs' reach to and fro, `lift` the bending of the knee in
    swing.

    The figures of the legs were fitted so that at 1 and 1 the pelvis goes on steadily, rises and falls by some 3 cm,
    and the swinging foot clears the floor.
    """
    phase = _phase(clock, stride_hz)
    still, reach, arms = clock.still, 16.4 * swing, clock.about(20) * swing
    tilt, yaw = 3 * np.sin(phase) * swing, -5 * np.cos(phase) * swing

    def leg(sign: float) -> Array:  # 0 when the heel of that side strikes
        return phase if sign > 0 else phase + np.pi

    def knee(sign: float) -> Array:
        return 3.7 + 5.9 * swing * _bump(leg(sign), 0.147, 3.5) + 49.8 * lift * _bump(leg(sign), 0.672, 1.54)

    def thigh(sign: float) -> Array:
        at = leg(sign)
        return -(14.4 * swing + reach * np.cos(at + 0.09) + 22 * (lift - swing) * _bump(at, 0.78, 3))

    def sole(sign: float) -> Array:
        """How far the toes point down: the heel strikes first, then the sole stands, then the toes push off."""
        at = leg(sign)
        return swing * (53 * _bump(at, 0.619, 5.4) - 22.6 * _bump(at, 0.026, 8))

    return assembled(
        len(still),
        pelvis=(tilt, still + 3, yaw),
        lumbar=(-3 * np.sin(phase) * swing, clock.drift(1), 2 * np.cos(phase) * swing),
        thorax=(-1 * np.sin(phase) * swing, clock.drift(2), 7 * np.cos(phase) * swing + clock.drift(4)),
        head=(clock.drift(4), clock.drift(8), clock.drift(25)),
        thigh=lambda s: (2 - s * tilt, thigh(s), 5 - s * yaw),  # the legs go straight on
        shank=lambda s: (0, knee(s), 0),
        foot=lambda s: (0, sole(s) - thigh(s) - knee(s) - 3, 0),
        toes=lambda s: (0, -44.4 * swing * _bump(leg(s), 0.596, 5.6), 0),  # flat on the floor while they push
        upper_arm=lambda s: (9, 3 + arms * np.cos(leg(s)), -8),
        forearm=lambda s: (0, -22 + 10 * np.cos(leg(s)), 0),
        radius=lambda s: (0, 0, -75 + clock.drift(10)),
        hand=lambda s: (clock.drift(6), clock.drift(8), 0),
    )


_STANCE = 0.36  # share of a runner's stride for which a foot bears
_THIGH_MM, _SHANK_MM, _BALL_MM = (
    404.4,
    400.1,
    (125.0, -72.0),
)  # of the standard body; the ball of the foot from the ankle


def running(clock: Clock, stride_hz: float) -> tuple[Array, Array]:
    """Angles `(n_frames, S, 3)` and the hips' height above the floor `(n_frames,)` in mm: twice a stride the runner
    flies. The balls of the feet stay where they bear, and the legs' angles follow from that."""
    phase = _phase(clock, stride_hz)
    pace, arms = clock.rng.uniform(0.7, 1.05), clock.about(32)
    hip = 835 - 25 * pace * np.cos(2 * phase - 2 * np.pi * _STANCE)

    def leg(sign: float) -> Array:
        return phase if sign > 0 else phase + np.pi

    legs = {sign: _running_leg(leg(sign) / (2 * np.pi) % 1, hip, 680 * pace) for sign in (1.0, -1.0)}
    lean = 7.0
    angles = assembled(
        len(phase),
        pelvis=(0, lean, -7 * np.cos(phase)),
        lumbar=(-2 * np.sin(phase), 2 + clock.drift(1), 3 * np.cos(phase)),
        thorax=(clock.drift(1), 3 + clock.drift(2), 12 * np.cos(phase) + clock.drift(3)),
        head=(clock.drift(3), -8 + clock.drift(5), clock.drift(15)),
        thigh=lambda s: (-1, legs[s][0] - lean, 2 + 7 * s * np.cos(phase)),
        shank=lambda s: (0, legs[s][1], 0),
        foot=lambda s: (0, np.clip(legs[s][2] - legs[s][0] - legs[s][1], -26, 50), 0),
        toes=lambda s: (0, -50 * _bump(leg(s), _STANCE, 7), 0),
        upper_arm=lambda s: (12, 8 + arms * np.cos(leg(s)), -20),
        forearm=lambda s: (0, -95 + 12 * np.cos(leg(s)), 0),
        radius=lambda s: (0, 0, -70),
        hand=lambda s: (clock.drift(6), clock.drift(8), 0),
    )
    return angles, hip


def _running_leg(share: Array, hip_mm: Array, way_mm: float) -> tuple[Array, Array, Array]:
    """A leg's angles in degrees at a share of the stride: thigh and sole against the vertical and the floor, knee.
    In stance the ball of the foot goes back under the hip by `way_mm`."""
    in_stance = share < _STANCE
    u = np.where(in_stance, share / _STANCE, (share - _STANCE) / (1 - _STANCE))
    slope = way_mm * (1 - _STANCE) / _STANCE  # so that the ball starts and ends its way ahead as fast as the floor
    start, end = -0.47 * way_mm, 0.53 * way_mm
    ahead = (
        start * (1 + 2 * u) * (1 - u) ** 2 + end * u * u * (3 - 2 * u) - slope * (u * (1 - u) ** 2 - u * u * (1 - u))
    )
    x = np.where(in_stance, end - way_mm * u, ahead)
    z = np.where(in_stance, 0, 900 * u * (1 - u) ** 2)
    sole = 48 * _bump(2 * np.pi * share, _STANCE + 0.02, 5) + 62 * _bump(2 * np.pi * share, 0.58, 4)
    turn = np.deg2rad(sole)
    ankle_x = x - (_BALL_MM[0] * np.cos(turn) + _BALL_MM[1] * np.sin(turn))
    ankle_z = z - (_BALL_MM[1] * np.cos(turn) - _BALL_MM[0] * np.sin(turn))
    down = hip_mm - ankle_z
    reach = np.clip(np.hypot(ankle_x, down), 330, 0.995 * (_THIGH_MM + _SHANK_MM))
    knee = np.arccos((reach**2 - _THIGH_MM**2 - _SHANK_MM**2) / (2 * _THIGH_MM * _SHANK_MM))
    thigh = -np.arctan2(ankle_x, down) - np.arcsin(_SHANK_MM * np.sin(knee) / reach)
    return np.rad2deg(thigh), np.rad2deg(knee), sole


def crawling(clock: Clock, stride_hz: float) -> Array:
    """Angles `(n_frames, S, 3)` on hands and knees, one hand and the other knee going on together."""
    phase, still = _phase(clock, stride_hz), clock.still
    reach = clock.about(16)

    def hand(sign: float) -> Array:  # 0 when the hand of that side is farthest ahead
        return phase if sign > 0 else phase + np.pi

    def forward(at: Array) -> Array:
        """From 1 ahead to -1 behind while it bears, and up and back while it does not."""
        return np.asarray(np.cos(at))

    def up(at: Array) -> Array:  # 1 half way ahead again
        return _bump(at, 0.75, 3)

    return assembled(
        len(phase),
        # The side of the knee that goes on is raised, and above the hand that does.
        pelvis=(clock.drift(2), still + 71, 7 * np.sin(phase)),
        lumbar=(clock.drift(3), 4 + clock.drift(3), -4 * np.sin(phase)),
        thorax=(clock.drift(3), 2 + clock.drift(3), -5 * np.sin(phase) + clock.drift(3)),
        head=(clock.drift(5), -32 + clock.drift(10), clock.drift(25)),
        thigh=lambda s: (3, -73 - reach * forward(hand(-s)) - 7 * up(hand(-s)), 0),
        shank=lambda s: (0, 102 + reach * forward(hand(-s)) + 2 * up(hand(-s)), 0),
        foot=lambda s: (0, 50, 0),
        upper_arm=lambda s: (5, -80 - reach * forward(hand(s)) - 12 * up(hand(s)), 0),
        forearm=lambda s: (0, -6 - 45 * up(hand(s)), 0),
        radius=lambda s: (0, 0, -140),
        hand=lambda s: (0, 62 - 30 * up(hand(s)), 0),
    )
