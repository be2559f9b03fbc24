"""Procedural motions of the body: what it does over seconds, drawn anew with every seed, within the joints' limits.

Angles are those of `poses`: degrees about x, about y and about the own long axis, as on the left for both sides.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from automarkerlabel.errors import TrialError
from automarkerlabel.marker_sets.body.segments import INDEX, N_SEGMENTS, rotations, standard_bodies
from automarkerlabel.simulate.clock import Array, Clock
from automarkerlabel.simulate.gait import crawling, running, stepping
from automarkerlabel.simulate.ground import depth, settled
from automarkerlabel.simulate.motion import Motion
from automarkerlabel.simulate.pose_parts import assembled
from automarkerlabel.simulate.poses import about_z, limited, posture

_GRAVITY_MM_S2 = 9810.0
_STRETCH_MM = 230.0  # by which a jumper's legs lengthen, about


@dataclass(frozen=True, eq=False)
class Moves:
    """Angles `(n_frames, S, 3)` in degrees, the heading `(n_frames,)` in degrees, and how high above the floor the
    lowest point is `(n_frames,)` in mm."""

    angles: Array
    heading: Array
    lift: Array


def make_motion(name: str, seconds: float, rate_hz: float = 100.0, seed: int | Sequence[int] = 0) -> Motion:
    """A motion of the standard body: `name` is one of `ACTIONS`; the same seed gives the same.

    Raises `TrialError` for an unknown name, seeds below 0, and a length below one frame.
    """
    seeds = [seed] if isinstance(seed, int) else list(seed)
    if name not in _ACTIONS:
        raise TrialError(f"motion: expected one of {', '.join(ACTIONS)}, found {name!r}")
    if min(seeds) < 0:
        raise TrialError(f"seed: expected a number of 0 or more, found {min(seeds)}")
    if not (np.isfinite(seconds) and 0 < rate_hz < np.inf and 1 <= round(seconds * rate_hz) <= 10_000_000):
        raise TrialError(f"length: expected at least one frame, found {seconds} s at {rate_hz} Hz")
    clock = Clock(np.arange(round(seconds * rate_hz)) / rate_hz, np.random.default_rng([*seeds, ACTIONS.index(name)]))
    moves = _ACTIONS[name](clock)
    turns = rotations(limited(torch.from_numpy(moves.angles).float()))
    turns[:, 0] = about_z(torch.deg2rad(torch.from_numpy(moves.heading).float())) @ turns[:, 0]
    root = settled(standard_bodies(), turns, rate_hz, moves.lift)
    return Motion(turns.numpy(), root, rate_hz)


def _heading(clock: Clock) -> Array:
    return float(clock.rng.uniform(0, 360)) + clock.drift(1.5)


# --- going ---------------------------------------------------------------------------------------------------------


def _walk(clock: Clock) -> Moves:
    return Moves(stepping(clock, clock.about(0.92), 1.0, 1.0), _curved(clock, 35), clock.still)


def _turn(clock: Clock) -> Moves:
    heading = clock.keys(lambda n: np.cumsum(clock.rng.uniform(-150, 150, n)), 2.0)
    return Moves(stepping(clock, clock.about(0.9), 0.15, 0.75), _heading(clock) + heading, clock.still)


def _run(clock: Clock) -> Moves:
    angles, hip = running(clock, clock.about(1.35))
    hanging = depth(standard_bodies(), rotations(limited(torch.from_numpy(angles).float())))
    # The hips' height and the pelvis' differ by some constant: at the lowest the runner stands.
    clearance = hip - hanging
    return Moves(angles, _curved(clock, 30), np.maximum(clearance - np.percentile(clearance, 20), 0))


def _crawl(clock: Clock) -> Moves:
    return Moves(crawling(clock, clock.about(0.7)), _curved(clock, 15), clock.still)


def _curved(clock: Clock, deg_a_second: float) -> Array:
    """A heading that bends to and fro."""
    step_s = clock.time[1] - clock.time[0] if len(clock.time) > 1 else 0.0
    return float(clock.rng.uniform(0, 360)) + np.cumsum(clock.drift(deg_a_second, 2.5)) * step_s


# --- on both feet --------------------------------------------------------------------------------------------------


def _standing(clock: Clock, down: Array, lean: Array, bend_deg: float, **arms: Array) -> Moves:
    """Both feet flat on the floor: knees bent by `down` times `bend_deg`, trunk forward by `lean` in degrees.

    `arms` may give `raised` and `out` `(2, n_frames)`, left then right, `elbow` and `twist` (of the trunk), in degrees.
    """
    still = clock.still
    knee = 4 + bend_deg * down
    shin = (0.27 if bend_deg > 95 else 0.05) * knee  # how far the shin leans forward
    pelvis = 0.6 * lean + clock.drift(1)
    raised, out = arms.get("raised", np.stack([still, still])), arms.get("out", np.stack([still, still]))
    elbow, twist = arms.get("elbow", still), arms.get("twist", still)
    apart = clock.rng.uniform(3, 8)
    side = {1.0: 0, -1.0: 1}
    angles = assembled(
        len(still),
        pelvis=(clock.drift(1), pelvis, 0.25 * twist + clock.drift(1)),
        lumbar=(clock.drift(1), 0.15 * lean + clock.drift(1), 0.15 * twist),
        thorax=(clock.drift(1), 0.25 * lean + clock.drift(1), 0.6 * twist + clock.drift(2)),
        head=(clock.drift(3), -0.5 * lean + clock.drift(6), clock.drift(20)),
        # From the pelvis forward, the thigh; from there back, the shin; from there the foot, level again.
        thigh=lambda s: (apart, shin - knee - pelvis, 6),
        shank=lambda s: (0, knee, 0),
        foot=lambda s: (-apart, -shin, 0),
        clavicle=lambda s: (0.12 * raised[side[s]] + clock.drift(2), 0, 0),
        upper_arm=lambda s: (10 + out[side[s]] + clock.drift(3), 2 - raised[side[s]] + clock.drift(3), -10),
        forearm=lambda s: (0, -14 - elbow + clock.drift(4), 0),
        radius=lambda s: (0, 0, -75 + clock.drift(15)),
        hand=lambda s: (clock.drift(6), clock.drift(8), 0),
    )
    return Moves(angles, _heading(clock), still)


def _squat(clock: Clock) -> Moves:
    down = clock.to_and_fro(clock.about(1.3))
    raised = np.stack([clock.about(95) * down] * 2)
    return _standing(clock, down, clock.about(38) * down, clock.about(96), raised=raised)


def _sit(clock: Clock) -> Moves:
    down = clock.to_and_fro(clock.about(1.6), least=0.95)
    between = 4 * down * (1 - down)  # leaning forward on the way
    raised = np.stack([clock.about(28) * down] * 2)
    return _standing(clock, down, clock.about(38) * between, 86, raised=raised, elbow=clock.about(52) * down)


def _reach(clock: Clock) -> Moves:
    def arm(least: float, most: float) -> Array:
        return clock.keys(lambda n: np.where(clock.rng.random(n) < 0.35, 0, clock.rng.uniform(least, most, n)), 1.1)

    raised, out = np.stack([arm(30, 140), arm(30, 140)]), np.stack([arm(0, 60), arm(0, 60)])
    lean = clock.keys(lambda n: clock.rng.uniform(-3, 35, n), 1.6)
    return _standing(clock, 0 * lean, lean, 100, raised=raised, out=out, elbow=arm(0, 60), twist=clock.drift(35))


def _stand(clock: Clock) -> Moves:
    out = np.full((2, len(clock.time)), clock.about(22))
    return _standing(clock, clock.still, clock.still, 100, out=out)


# --- from posture to posture ---------------------------------------------------------------------------------------


def _postures(clock: Clock, order: Sequence[str], change_s: float, spread: float = 0.35) -> Moves:
    """From each posture of `order` to the next, round and round; held for a while, and never the same twice."""
    names: list[str] = []
    times: list[float] = []
    at = -clock.rng.uniform(0, change_s)
    while at < clock.end + change_s or len(names) < 2:
        names += [order[(len(names) // 2) % len(order)]] * 2
        hold = clock.about(0.5 * change_s)
        times += [at, at + hold]
        at += hold + clock.about(change_s)
    offset = np.repeat(clock.rng.normal(0, spread, (len(names) // 2, N_SEGMENTS, 3)), 2, axis=0)
    # What the holding adds keeps still from looking frozen.
    offset[1::2] += clock.rng.normal(0, 0.1, offset[1::2].shape)
    keys = np.stack([posture(n, torch.from_numpy(o)).numpy() for n, o in zip(names, offset, strict=True)])
    angles = clock.between(np.array(times), keys.astype(np.float64))
    return Moves(angles, _heading(clock), clock.still)


def _between(*order: str, change_s: float = 1.2) -> Callable[[Clock], Moves]:
    return lambda clock: _postures(clock, order, change_s * clock.about(1.0))


# From standing down and up again, each posture next to one that leads to it.
_WAYS_DOWN: tuple[tuple[str, ...], ...] = (
    ("half_kneel", "kneel", "on_heels", "kneel", "half_kneel"),
    ("kneel", "all_fours", "plank", "all_fours", "kneel"),
    ("sit", "long_sit", "supine", "side", "prone", "all_fours", "kneel"),
    ("squat", "crouch"), ("lunge",), ("sit",), ("arms_out", "t_pose"), ("reach_up", "bend"),
    ("hands_up", "on_hips", "arms_crossed"), ("knee_up", "reach_ahead"),
)  # fmt: skip


def _any_postures(clock: Clock) -> Moves:
    """A walk among postures that lead from one to the other, up and down again."""
    order: list[str] = []
    while len(order) < clock.end + 2:
        order += ["stand", *_WAYS_DOWN[int(clock.rng.integers(len(_WAYS_DOWN)))]]
    return _postures(clock, order, clock.about(0.9), 0.45)


def _range_of_motion(clock: Clock) -> Moves:
    """Joint after joint through its range, then circles of the arms."""
    stand = posture("stand").numpy().astype(np.float64)
    keys, times, at = [stand], [0.0], 0.0
    names = list(_EXERCISES)
    while at < clock.end:
        goal = stand.copy()
        for segment, peak in _EXERCISES[names[int(clock.rng.integers(len(names)))]].items():
            for row in [INDEX[s] for s in (segment, f"{segment}_l", f"{segment}_r") if s in INDEX]:
                goal[row] = np.array(peak) * clock.rng.uniform(0.7, 1.0)
        for key in (goal, stand):
            at += clock.about(0.8)
            keys.append(key)
            times.append(at)
    angles = clock.between(np.array(times), np.stack(keys))
    circling = clock.to_and_fro(4.0, least=0.6)
    phase = 2 * np.pi * np.cumsum(np.full(len(clock.time), 0.8)) * (clock.time[1] if len(clock.time) > 1 else 0.0)
    for side in ("upper_arm_l", "upper_arm_r"):
        angles[:, INDEX[side], 0] += circling * (45 + 40 * np.sin(phase))
        angles[:, INDEX[side], 1] += circling * 40 * np.cos(phase)
    return Moves(angles, _heading(clock), clock.still)


_EXERCISES: dict[str, dict[str, tuple[float, float, float]]] = {
    "bend aside": {"lumbar": (18, 0, 0), "thorax": (18, 0, 0)},
    "bend to the other side": {"lumbar": (-18, 0, 0), "thorax": (-18, 0, 0)},
    "twist": {"thorax": (0, 0, 34), "lumbar": (0, 0, 9), "head": (0, 0, 40)},
    "twist back": {"thorax": (0, 0, -34), "lumbar": (0, 0, -9), "head": (0, 0, -40)},
    "bow": {"pelvis": (0, 35, 0), "lumbar": (0, 40, 0), "thorax": (0, 25, 0), "thigh": (0, -35, 0)},
    "look round": {"head": (0, -20, 70)},
    "nod": {"head": (0, 45, 0)},
    "shrug": {"clavicle": (28, 0, 10)},
    "arms up": {"upper_arm": (20, -160, 0), "clavicle": (25, 0, 0)},
    "arms out": {"upper_arm": (110, 0, 0), "clavicle": (20, 0, 0)},
    "arms back": {"upper_arm": (10, 45, 0)},
    "elbows": {"forearm": (0, -140, 0), "radius": (0, 0, 0)},
    "turn the arms": {"upper_arm": (10, 0, 60), "forearm": (0, -90, 0), "radius": (0, 0, -150)},
    "wrists": {"forearm": (0, -80, 0), "hand": (15, 60, 0)},
    "left leg up": {"thigh_l": (0, -95, 0), "shank_l": (0, 100, 0)},
    "right leg up": {"thigh_r": (0, -95, 0), "shank_r": (0, 100, 0)},
    "left leg out": {"thigh_l": (42, 0, 0)},
    "right leg out": {"thigh_r": (42, 0, 0)},
    "left heel to the seat": {"shank_l": (0, 125, 0), "foot_l": (0, 35, 0)},
    "right heel to the seat": {"shank_r": (0, 125, 0), "foot_r": (0, 35, 0)},
    "on the toes": {"foot": (0, 32, 0), "toes": (0, -32, 0)},
}


def _jump(clock: Clock) -> Moves:
    """Down, up into the air, landing, standing; again and again.

    Half way through stretching the legs the body has the speed of take-off, and the feet leave the floor; half way
    through bending them they are back.
    """
    stand, squat, flying = (posture(name).numpy().astype(np.float64) for name in ("stand", "squat", "jump"))
    dip, stretched = 0.45 * stand + 0.55 * squat, 0.8 * stand + 0.2 * flying
    keys, times, at = [stand], [0.0], 0.0
    flights = []
    while at < clock.end:
        height = clock.rng.uniform(80, 400)
        speed = np.sqrt(2 * _GRAVITY_MM_S2 * height)
        air_s, stretch_s = 2 * speed / _GRAVITY_MM_S2, 1.875 * _STRETCH_MM / speed
        start = at + 1.0 + stretch_s / 2
        steps = (
            (stand, 0.5),
            (dip, 0.5),
            (stretched, stretch_s),
            (stretched, max(air_s - stretch_s, 0.02)),
            (dip, stretch_s),
            (stand, clock.about(0.8)),
        )
        for key, duration in steps:
            at += duration
            keys.append(key)
            times.append(at)
        flights.append((start, max(air_s, stretch_s + 0.02), height))
    angles = clock.between(np.array(times), np.stack(keys))
    hanging = depth(standard_bodies(), rotations(limited(torch.from_numpy(angles).float())))
    lift = clock.still
    for start, air_s, height in flights:
        share = (clock.time - start) / air_s
        path = np.interp(clock.time, [start, start + air_s], np.interp([start, start + air_s], clock.time, hanging))
        path = path + 4 * height * share * (1 - share)
        lift = np.where((share > 0) & (share < 1), np.maximum(path - hanging, 0), lift)
    return Moves(angles, _heading(clock), lift)


def _static(clock: Clock) -> Moves:
    """As for a static trial: still, the arms a little out."""
    angles = 0.6 * posture("stand").numpy() + 0.4 * posture("arms_out").numpy()
    offset = clock.rng.normal(0, 1.5, angles.shape) * (np.abs(angles) > 1)
    return Moves(
        np.repeat((angles + offset)[None].astype(np.float64), len(clock.time), 0), _heading(clock), clock.still
    )


STATIC = "static"
_ACTIONS: dict[str, Callable[[Clock], Moves]] = {
    "walk": _walk, "turn": _turn, "squat": _squat, "reach": _reach, "sit": _sit, "stand": _stand,
    "run": _run, "jump": _jump, "crawl": _crawl, "range_of_motion": _range_of_motion,
    "lunge": _between("stand", "lunge"),
    "kneel": _between("stand", "half_kneel", "kneel", "on_heels", "kneel", "half_kneel"),
    "crouch": _between("stand", "squat", "crouch", "squat"),
    "prone": _between("prone", "plank", "prone", "all_fours", change_s=1.6),
    "supine": _between("supine", "long_sit", "supine", "side", change_s=1.6),
    "postures": _any_postures, STATIC: _static,
}  # fmt: skip
ACTIONS: tuple[str, ...] = tuple(_ACTIONS)
