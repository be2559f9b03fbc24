"""Draws one frame of the sample trial before and after labelling, as `result.svg` beside this file.

    python docs/pictures/make_result.py [--model FILE|NAME] [--out FILE.svg]

Nothing in the picture is drawn by hand: places come from the trial, names and colours from what the model says.
"""

import argparse
from collections.abc import Sequence
from html import escape
from pathlib import Path

import numpy as np

from automarkerlabel import Labeller, Trial, output_columns, read
from automarkerlabel.core.labelling import apply
from automarkerlabel.core.marker_set import is_unlabelled
from automarkerlabel.simulate.dataset import worn_set

HERE = Path(__file__).resolve().parent
SAMPLE = HERE.parents[1] / "sample_data" / "walk_unlabelled.c3d"
WIDTH, HEIGHT, TOP = 860, 560, 64
PANEL = 400  # width of each of the two
TURN_DEG, TILT_DEG = 28.0, 10.0  # from where the figure is seen: from its front left, a little from above

COLOURS = {
    "head": "#7b4fb5", "torso": "#4a5568", "pelvis": "#b5651d",
    "left arm": "#1f7a5c", "right arm": "#c2417a", "left leg": "#2463b0", "right leg": "#c77700",
}  # fmt: skip
LIMBS = {"clavicle": "arm", "upper_arm": "arm", "forearm": "arm", "radius": "arm", "hand": "arm", "thigh": "leg",
         "shank": "leg", "foot": "leg", "toes": "leg"}  # fmt: skip
TRUNK = {"head": "head", "thorax": "torso", "lumbar": "torso", "pelvis": "pelvis"}
NAMED = ("RFHD", "LBHD", "C7", "CLAV", "LSHO", "RSHO", "LELB", "RELB", "LFIN", "RFIN", "LASI", "RASI", "LKNE", "RKNE",
         "LANK", "RANK", "LTOE", "RTOE")  # fmt: skip
MIDDLE_STICKS = ("LFHD-RFHD", "RFHD-RBHD", "RBHD-LBHD", "LBHD-LFHD", "C7-T10", "CLAV-STRN", "CLAV-C7", "LASI-RASI",
                 "RASI-RPSI", "RPSI-LPSI", "LPSI-LASI", "STRN-T10")  # fmt: skip
SIDE_STICKS = ("SHO-ELB", "ELB-WRA", "ELB-WRB", "WRA-WRB", "WRA-FIN", "WRB-FIN", "ASI-KNE", "PSI-KNE", "KNE-ANK",
               "ANK-HEE", "ANK-TOE", "TOE-HEE")  # fmt: skip


def groups() -> dict[str, str]:
    """The part of the body, a key of `COLOURS`, of each label."""
    found = {}
    known = worn_set("plug-in-gait").marker_set
    for label, segment in zip(known.labels, known.segments, strict=True):
        limb, _, side = segment.rpartition("_")
        found[label] = f"{'left' if side == 'l' else 'right'} {LIMBS[limb]}" if limb in LIMBS else TRUNK[segment]
    return found


def best_frame(trial: Trial) -> int:
    """The frame with the longest step among those that show the most names and a point without one."""
    named = np.array([not is_unlabelled(x) for x in trial.labels])
    shown = trial.visible[:, named].sum(1) * (trial.visible[:, ~named].sum(1) > 0)
    left, right = (trial.positions[:, trial.labels.index(x)] for x in ("LANK", "RANK"))
    step = np.nan_to_num(np.linalg.norm(left - right, axis=1))
    return int(np.argmax(np.where(shown == shown.max(), step, -1)))


def projected(points: np.ndarray, facing: np.ndarray) -> np.ndarray:
    """Places `(n, 2)` on the picture, x to the right and y down, in mm, of points `(n, 3)` of a person that faces
    the direction `(2,)`."""
    angle = np.arctan2(facing[1], facing[0])
    c, s = np.cos(-angle), np.sin(-angle)
    x, y = c * points[:, 0] - s * points[:, 1], s * points[:, 0] + c * points[:, 1]
    turn, tilt = np.deg2rad(TURN_DEG), np.deg2rad(TILT_DEG)
    across = y * np.cos(turn) - x * np.sin(turn)
    depth = x * np.cos(turn) + y * np.sin(turn)
    return np.column_stack([across, depth * np.sin(tilt) - points[:, 2] * np.cos(tilt)])


def text(x: float, y: float, words: str, size: int = 12, colour: str = "#333", more: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{colour}" {more}>{escape(words)}</text>'


def circle(place: np.ndarray, colour: str, hollow: bool = False) -> str:
    fill = f'fill="white" stroke="{colour}" stroke-width="1.5"' if hollow else f'fill="{colour}"'
    return f'<circle cx="{place[0]:.1f}" cy="{place[1]:.1f}" r="4.2" {fill}/>'


def sticks(places: dict[str, np.ndarray], parts: dict[str, str]) -> list[str]:
    """Lines between markers that are there, in the colour of the first one's part of the body."""
    pairs = [*MIDDLE_STICKS, *(f"{side}{a}-{side}{b}" for side in "LR" for a, b in (s.split("-") for s in SIDE_STICKS))]
    lines = []
    for a, b in (pair.split("-") for pair in pairs):
        if a in places and b in places:
            (x1, y1), (x2, y2) = places[a], places[b]
            lines.append(
                f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{COLOURS[parts[b]]}"'
                ' stroke-width="2.5" stroke-opacity="0.45" stroke-linecap="round"/>'
            )
    return lines


def names(
    places: Sequence[tuple[str, np.ndarray, str]], every_point: np.ndarray, size: int, middle: float
) -> list[str]:
    """Names beside their points, outwards from `middle` where there is room, each `(name, place, colour)`; one that
    would lie over a point or another name is left out."""
    written, boxes = [], [(x - 4, y - 4, x + 4, y + 4) for x, y in every_point]
    for name, (x, y), colour in places:
        width, outwards = 0.66 * size * len(name), x >= middle
        for to_the_right in (outwards, not outwards):
            left = x + 7 if to_the_right else x - 7 - width
            box = (left, y - size / 2, left + width, y + size / 2)
            if not any(box[0] < b[2] and b[0] < box[2] and box[1] < b[3] and b[1] < box[3] for b in boxes):
                boxes.append(box)
                anchor = 'text-anchor="start"' if to_the_right else 'text-anchor="end"'
                written.append(text(x + (7 if to_the_right else -7), y + size / 3, name, size, colour, anchor))
                break
    return written


def drawing(before: Trial, after: Trial, frame: int) -> str:
    """The whole picture as SVG."""
    at = {label: after.positions[frame, n] for n, label in enumerate(after.labels) if after.visible[frame, n]}
    across = (at["LASI"] - at["RASI"])[:2]
    facing = np.array([across[1], -across[0]])  # a quarter turn clockwise from right-to-left is forward
    seen = before.visible[frame]
    flat = projected(before.positions[frame, seen], facing)
    lowest, highest = flat.min(0), flat.max(0)
    scale = min((PANEL - 110) / (highest - lowest)[0], (HEIGHT - TOP - 90) / (highest - lowest)[1])
    offset = np.array([PANEL / 2, TOP + 22]) - scale * np.array([(lowest + highest)[0] / 2, lowest[1]])
    parts = groups()

    plain = flat * scale + offset
    columns = [before.labels[c] for c in np.flatnonzero(seen)]
    left = [circle(place, "#8a8f98") for place in plain]
    numbered = list(zip(columns, plain, ["#8a8f98"] * len(columns), strict=True))
    left += names(numbered, plain, 10, float(np.median(plain[:, 0])))

    shift = np.array([WIDTH - PANEL, 0])
    flat = projected(np.array(list(at.values())), facing) * scale + offset + shift
    places = dict(zip(at, flat, strict=True))
    right = sticks(places, parts)
    right += [
        circle(p, "#8a8f98", hollow=True) if is_unlabelled(x) else circle(p, COLOURS[parts[x]])
        for x, p in places.items()
    ]
    wanted = [(label, places[label], COLOURS[parts[label]]) for label in NAMED if label in places]
    right += names(wanted, flat, 12, float(np.median(flat[:, 0])))

    n_named = sum(not is_unlabelled(x) for x in at)
    legend, x = [], 40.0
    for part, colour in [*COLOURS.items(), ("no label", "#8a8f98")]:
        legend.append(circle(np.array([x, HEIGHT - 22]), colour, hollow=part == "no label"))
        legend.append(text(x + 9, HEIGHT - 18, part))
        x += 98
    centred = 'text-anchor="middle" font-weight="600"'
    titles = [
        text(PANEL / 2, 32, f"before: {int(seen.sum())} points, no names", 16, "#333", centred),
        text(
            WIDTH - PANEL / 2, 32, f"after: {n_named} named, {len(at) - n_named} without a label", 16, "#333", centred
        ),
        text(WIDTH / 2, 52, f"{SAMPLE.name}, frame {before.first_frame + frame}", 11, "#777", 'text-anchor="middle"'),
    ]
    rule = f'<line x1="{WIDTH / 2}" y1="70" x2="{WIDTH / 2}" y2="{HEIGHT - 50}" stroke="#ddd"/>'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif">'
    ground = f'<rect width="{WIDTH}" height="{HEIGHT}" rx="10" fill="white"/>'
    return "\n".join([head, ground, rule, *left, *right, *titles, *legend, "</svg>"]) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="sample")
    parser.add_argument("--out", type=Path, default=HERE / "result.svg")
    args = parser.parse_args()
    before = read(SAMPLE)
    labelling = Labeller.load(args.model).label(before).above(0.5)
    after = apply(before, output_columns(before, labelling))
    args.out.write_text(drawing(before, after, best_frame(after)), encoding="utf-8")


if __name__ == "__main__":
    main()
