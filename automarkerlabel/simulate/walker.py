"""Labelled trials of one simple figure that walks, turns, squats, reaches, sits down and stands."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from automarkerlabel.errors import TrialError
from automarkerlabel.markerset import MarkerSet
from automarkerlabel.simulate.figure import SIDES, Array, Pose, make_subject, markers, placed
from automarkerlabel.trial import Trial

_SKIN_MM = (2.0, 4.0)  # root mean square of a marker's movement against the bone
_NOISE_MM = 0.3


@dataclass(frozen=True, eq=False)
class _Clock:
    """Time `(n_frames,)` in s and where chance comes from."""

    time: Array
    rng: np.random.Generator

    @property
    def still(self) -> Array:
        return np.zeros(len(self.time))

    def about(self, value: float) -> float:
        """Within 15 % of `value`."""
        return float(value * self.rng.uniform(0.85, 1.15))

    def keys(self, draw: Callable[[int], Array], period_s: float) -> Array:
        """`(n_frames,)` smooth from each of the values drawn to the next, `period_s` apart."""
        position = self.time / period_s + self.rng.uniform(0, 1)
        values = draw(int(position[-1]) + 2)
        before = position.astype(int)
        share = position - before
        eased = share**3 * (10 - 15 * share + 6 * share**2)  # velocity and acceleration 0 at the keys
        return np.asarray(values[before] + (values[before + 1] - values[before]) * eased)

    def drift(self, deg: float, period_s: float = 1.5) -> Array:
        """Wandering about 0, within `deg`."""
        return self.keys(lambda n: self.rng.uniform(-deg, deg, n), period_s)

    def to_and_fro(self, period_s: float, least: float = 0.75) -> Array:
        """From 0 to somewhere from `least` to 1 and back, again and again."""
        return self.keys(lambda n: np.where(np.arange(n) % 2, self.rng.uniform(least, 1, n), 0.0), period_s)


def marker_set() -> MarkerSet:
    """The figure's 45 labels with their segments and places."""
    labels, segments, places = markers()
    return MarkerSet(labels, segments, local_mm=places.astype(np.float32), name="walker")


def make_trial(motion: str, subject_seed: int, seconds: float, rate_hz: float = 100.0, seed: int = 0) -> Trial:
    """A labelled trial of `motion`, one of `MOTIONS`, without gaps: mm, z up.

    `subject_seed` makes size, proportions and marker places; `seed` how it moves this time, where, and the noise.

    Raises `TrialError` for an unknown motion, seeds below 0, and a length below one frame.
    """
    if motion not in _MOTIONS:
        raise TrialError(f"motion: expected one of {', '.join(MOTIONS)}, found {motion!r}")
    if min(subject_seed, seed) < 0:
        raise TrialError(f"seeds: expected numbers of 0 or more, found {subject_seed} and {seed}")
    if not (np.isfinite(seconds) and 0 < rate_hz < np.inf and round(seconds * rate_hz) >= 1):
        raise TrialError(f"length: expected at least one frame, found {seconds} s at {rate_hz} Hz")
    subject = make_subject(subject_seed)
    rng = np.random.default_rng([subject_seed, seed, MOTIONS.index(motion)])
    time = np.arange(round(seconds * rate_hz)) / rate_hz
    pose = _MOTIONS[motion](_Clock(time, rng))
    labels, segments, _ = markers()
    frames = placed(subject, pose, rate_hz)
    points = np.empty((len(time), len(labels), 3))
    skin = _skin(time, len(labels), rng)
    for n, segment in enumerate(segments):
        origin, turn = frames[segment]
        points[:, n] = origin + np.einsum("fij,fj->fi", turn, subject.markers[n] + skin[:, n])
    points += rng.normal(0, _NOISE_MM, points.shape)
    return Trial(points.astype(np.float32), labels, rate_hz)


def _skin(time: Array, n_markers: int, rng: np.random.Generator) -> Array:
    """`(n_frames, n_markers, 3)`: slow wobble of each marker, in mm."""
    n_waves = 4
    hz = rng.uniform(0.4, 4, (n_waves, n_markers, 3))
    phase = rng.uniform(0, 2 * np.pi, hz.shape)
    # Each wave has a mean square of 1/2; three axes of all waves together make the marker's.
    size = rng.uniform(*_SKIN_MM, (n_markers, 1)) * np.sqrt(2 / (3 * n_waves))
    return np.asarray(size * sum(np.sin(2 * np.pi * hz[w] * time[:, None, None] + phase[w]) for w in range(n_waves)))


def _limbs(**by_side: Callable[[float], tuple[Array | float, Array | float, Array | float]]) -> dict[str, Array]:
    """Angles of limbs from (out to the side, back, turned outwards) for each side, told by its sign."""
    angles = {}
    for segment, of_side in by_side.items():
        for side, sign in SIDES.items():
            out, back, outwards = np.broadcast_arrays(*(np.asarray(a, np.float64) for a in of_side(sign)))
            angles[f"{side}_{segment}"] = np.stack([sign * out, back, sign * outwards], 1)
    return angles


def _angles(x: Array, y: Array, z: Array) -> Array:
    return np.stack([x, y, z], 1)


def _gait(clock: _Clock, stride_hz: float, swing: float, lift: float) -> dict[str, Array]:
    """Steps: `swing` scales the legs' reach to and fro, `lift` the bending of the knee in swing.

    The figures of the legs were fitted so that at 1 and 1 the pelvis goes on steadily, rises and falls by some 3 cm,
    and the swinging foot clears the floor.
    """
    phase = 2 * np.pi * stride_hz * clock.time + clock.rng.uniform(0, 2 * np.pi)
    still, reach, arms = clock.still, 19.5 * swing, clock.about(20) * swing
    tilt, yaw = 3 * np.sin(phase) * swing, -5 * np.cos(phase) * swing

    def leg(sign: float) -> Array:  # 0 when the heel of that side strikes
        return phase if sign > 0 else phase + np.pi

    def bump(sign: float, at: float, sharpness: float) -> Array:
        """1 at the share `at` of that side's stride, 0 far from it."""
        return np.asarray(np.exp(sharpness * (np.cos(leg(sign) - 2 * np.pi * at) - 1)))

    def knee(sign: float) -> Array:
        return 6 + 9 * swing * bump(sign, 0.14, 6) + 46 * lift * bump(sign, 0.68, 2.5)

    def thigh(sign: float) -> Array:
        return -(9.4 * swing + reach * np.cos(leg(sign) + 0.15) + 22 * (lift - swing) * bump(sign, 0.78, 3))

    def ankle(sign: float) -> Array:
        """What lets the heel strike first, then the whole sole stand, then the heel rise and the toes push off."""
        sole = 54 * bump(sign, 0.62, 4) - 24 * bump(sign, 0, 10) - 6 * bump(sign, 0.87, 8)
        return swing * sole - thigh(sign) - knee(sign) - 3

    return {
        "pelvis": _angles(tilt, still + 3, yaw),
        "torso": _angles(-4 * np.sin(phase) * swing, clock.drift(3), 9 * np.cos(phase) * swing + clock.drift(4)),
        "head": _angles(clock.drift(4), clock.drift(8), clock.drift(25)),
        **_limbs(
            thigh=lambda s: (2 - s * tilt, thigh(s), 5 - s * yaw),  # the legs go straight on
            shank=lambda s: (0, knee(s), 0),
            foot=lambda s: (0, ankle(s), 4),
            upper_arm=lambda s: (9, 3 + arms * np.cos(leg(s)), 0),
            forearm=lambda s: (0, -22 + 10 * np.cos(leg(s)), -12),
            hand=lambda s: (clock.drift(6), clock.drift(8), 0),
        ),
    }


def _start(clock: _Clock) -> tuple[float, Array]:
    """A heading in degrees and a place `(2,)` in mm to start from."""
    return float(clock.rng.uniform(0, 360)), clock.rng.uniform(-800, 800, 2)


def _walk(clock: _Clock) -> Pose:
    heading0, place = _start(clock)
    step_s = clock.time[1] - clock.time[0] if len(clock.time) > 1 else 0.0
    heading = heading0 + np.cumsum(clock.drift(35, 2.5)) * step_s
    return Pose(_gait(clock, clock.about(0.92), 1.0, 1.0), heading, place)


def _turn(clock: _Clock) -> Pose:
    heading0, place = _start(clock)
    heading = heading0 + clock.keys(lambda n: np.cumsum(clock.rng.uniform(-150, 150, n)), 2.0)
    return Pose(_gait(clock, clock.about(0.9), 0.15, 0.75), heading, place)


def _standing(clock: _Clock, down: Array, lean: Array, bend_deg: float, **arms: Array) -> Pose:
    """Both feet flat on the floor: knees bent by `down` times `bend_deg`, trunk forward by `lean` in degrees.

    `arms` may give `raised` and `out` `(2, n_frames)`, left then right, `elbow` and `twist` (of the trunk), in degrees.
    """
    heading0, place = _start(clock)
    still = clock.still
    knee = 4 + bend_deg * down
    shin = (0.27 if bend_deg > 95 else 0.05) * knee  # how far the shin leans forward
    pelvis = 0.6 * lean + clock.drift(1)
    raised, out = arms.get("raised", np.stack([still, still])), arms.get("out", np.stack([still, still]))
    elbow, twist = arms.get("elbow", still), arms.get("twist", still)
    apart = clock.rng.uniform(3, 8)

    def arm(sign: float, values: Array) -> Array:
        return np.asarray(values[0 if sign > 0 else 1])

    angles = {
        "pelvis": _angles(clock.drift(1), pelvis, 0.25 * twist + clock.drift(1)),
        "torso": _angles(clock.drift(2), 0.4 * lean + clock.drift(2), 0.75 * twist + clock.drift(2)),
        "head": _angles(clock.drift(3), -0.5 * lean + clock.drift(6), clock.drift(20)),
        **_limbs(
            # From the pelvis forward, the thigh; from there back, the shin; from there the foot, level again.
            thigh=lambda s: (apart, shin - knee - pelvis, 6),
            shank=lambda s: (0, knee, 0),
            foot=lambda s: (-apart, -shin, 4),
            upper_arm=lambda s: (10 + arm(s, out) + clock.drift(3), 2 - arm(s, raised) + clock.drift(3), 0),
            forearm=lambda s: (0, -14 - elbow + clock.drift(4), -10),
            hand=lambda s: (clock.drift(6), clock.drift(8), 0),
        ),
    }
    return Pose(angles, heading0 + clock.drift(1), place)


def _squat(clock: _Clock) -> Pose:
    down = clock.to_and_fro(clock.about(1.3))
    raised = np.stack([clock.about(110) * down] * 2)
    return _standing(clock, down, clock.about(38) * down, clock.about(112), raised=raised)


def _sit(clock: _Clock) -> Pose:
    down = clock.to_and_fro(clock.about(1.6), least=0.95)
    between = 4 * down * (1 - down)  # leaning forward on the way
    raised = np.stack([clock.about(28) * down] * 2)
    return _standing(clock, down, clock.about(38) * between, 86, raised=raised, elbow=clock.about(52) * down)


def _reach(clock: _Clock) -> Pose:
    def arm(least: float, most: float) -> Array:
        return clock.keys(lambda n: np.where(clock.rng.random(n) < 0.35, 0, clock.rng.uniform(least, most, n)), 1.1)

    raised, out = np.stack([arm(30, 140), arm(30, 140)]), np.stack([arm(0, 60), arm(0, 60)])
    lean = clock.keys(lambda n: clock.rng.uniform(-3, 35, n), 1.6)
    return _standing(clock, 0 * lean, lean, 100, raised=raised, out=out, elbow=arm(0, 60), twist=clock.drift(35))


def _stand(clock: _Clock) -> Pose:
    out = np.full((2, len(clock.time)), clock.about(22))
    return _standing(clock, clock.still, clock.still, 100, out=out)


_MOTIONS: dict[str, Callable[[_Clock], Pose]] = {
    "walk": _walk, "turn": _turn, "squat": _squat, "reach": _reach, "sit": _sit, "stand": _stand,
}  # fmt: skip
MOTIONS: tuple[str, ...] = tuple(_MOTIONS)
