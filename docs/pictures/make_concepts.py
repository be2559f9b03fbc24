"""Draws the pictures of `docs/concepts.md` from the sample trials, as SVG beside this file.

    python docs/pictures/make_concepts.py [NAME ...]

Nothing is drawn by hand: lines, colours and figures are what the packaged models say of these trials.
"""

import sys
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from drawing import DOUBT, GREY, HUES, INK, Chart, dot, line, picture, title
from make_result import COLOURS, HERE, SAMPLE, best_frame, circle, groups, names, projected, sticks, text

from automarkerlabel import Labeller, Labelling, Trial, output_columns, read
from automarkerlabel.core.labelling import apply
from automarkerlabel.labellers.request import LabelRequest, labeller_for
from automarkerlabel.marker_sets.pose_from_trial import reference_from_trial
from automarkerlabel.models.inputs import gather, neighbour_features
from automarkerlabel.simulate.corrupt import Corruption, make_case

FOLLOWED = ("LWRB", "LKNE", "RTIB", "RHEE")  # labels whose columns are broken in the sample trial
RIVALS = ("LWRA", "RKNE", "LTIB", "LHEE")
N_GHOSTS = 2
SECONDS = (0, 1, 2, 3, 4, 5)
HALO = 'stroke="#f6f7f9" stroke-width="4" paint-order="stroke"'
BANDS = (0.0, 0.5, 0.9, 0.99, 0.999, 1.01)
SPOILT = Corruption(cuts=200, occlude=0.3, ghosts=8, swaps=0)
N_COPIES, A_ROW, SQUARE = 6, 100, 6.0


def heights(trial: Trial, column: int) -> np.ndarray:
    """`(n_frames, 2)`: seconds and height in mm of a column."""
    return np.column_stack([np.arange(trial.n_frames) / trial.rate_hz, trial.positions[:, column, 2]])


def in_frames(course: np.ndarray, start: int, stop: int) -> np.ndarray:
    """A course with NaN outside of some frames."""
    kept = course.copy()
    kept[:start], kept[stop:] = np.nan, np.nan
    return kept


def chosen_tracklets(labelling: Labelling) -> list[int]:
    """Those that got a label of `FOLLOWED`, and the longest without one, in the order of the file."""
    named = [n for n in range(len(labelling.tracklets)) if labelling.label_of(n) in FOLLOWED]
    ghosts = [n for n in range(len(labelling.tracklets)) if labelling.label_of(n) is None]
    ghosts.sort(key=lambda n: labelling.tracklets[n].start - labelling.tracklets[n].stop)
    return sorted(named + ghosts[:N_GHOSTS])


def way() -> str:
    """From columns over tracklets and evidence to labels."""
    trial, labeller = read(SAMPLE), Labeller.load("sample")
    labelling = labeller.label(trial)
    tracklets, scores = labeller.scores(trial, list(labelling.tracklets))
    chosen = chosen_tracklets(labelling)
    boxes = [(50, 66, 340, 190), (480, 66, 340, 190), (50, 346, 340, 190), (480, 346, 300, 190)]
    highest = float(np.nanmax(trial.positions[:, [tracklets[n].column for n in chosen], 2])) + 60
    charts = [Chart(*box, (0, trial.duration_s), (0, highest)) for box in boxes]
    parts: list[str] = []
    for n, (head, more) in enumerate((
        ("1. Columns", f"{len(chosen)} of the {trial.n_columns} in the file: heights over time, no names"),
        ("2. Tracklets", "unbroken pieces, and where each begins and ends"),
        ("3. Evidence", "how probable each label is for each tracklet"),
        ("4. Decision", "one label or none; pieces of one label are joined"),
    )):  # fmt: skip
        parts.append(title(charts[n].left, charts[n].top - 32, head, more))
        if n != 2:
            parts += charts[n].frame("s", "height", SECONDS)
    for k, n in enumerate(chosen):
        course = in_frames(heights(trial, tracklets[n].column), tracklets[n].start, tracklets[n].stop)
        parts += _one_tracklet(charts, course, HUES[k % len(HUES)], labelling.label_of(n), str(k + 1))
    for label in FOLLOWED:
        last = max((tracklets[n].stop, n) for n in chosen if labelling.label_of(n) == label)[1]
        x, y = charts[3].place(*heights(trial, tracklets[last].column)[tracklets[last].stop - 1])
        parts.append(text(x + 6, y + 4, label, 12, HUES[FOLLOWED.index(label)], 'font-weight="600"'))
    probable = np.exp(scores.mean())[chosen]
    wanted = [*(list(scores.labels).index(x) for x in FOLLOWED + RIVALS), len(scores.labels)]
    parts += _matrix(charts[2], probable[:, wanted], [*FOLLOWED, *RIVALS, "none"])
    return picture(860, 572, parts)


def _one_tracklet(charts: list[Chart], course: np.ndarray, hue: str, label: str | None, number: str) -> list[str]:
    """A tracklet in the first, second and fourth chart."""
    seen = course[~np.isnan(course[:, 1])]
    first, last = charts[1].place(*seen[0]), charts[1].place(*seen[-1])
    decided = HUES[FOLLOWED.index(label)] if label else GREY
    return [
        line(charts[0].place(*course.T), GREY, 1.4),
        line(charts[1].place(*course.T), hue),
        *(dot(*end, hue) for end in (first, last)),
        text(first[0] + 3, first[1] - 6, number, 11, hue, HALO),
        line(charts[3].place(*course.T), decided, more='stroke-dasharray="3 3"' if label is None else ""),
    ]


def _matrix(box: Chart, probable: np.ndarray, columns: list[str]) -> list[str]:
    """Squares, the darker the more probable; a row a tracklet."""
    high, wide = box.height / len(probable), box.width / len(columns)
    parts = [
        text(box.left + wide * (n + 0.5), box.top + box.height + 15, x, 10, "#555", 'text-anchor="middle"')
        for n, x in enumerate(columns)
    ]
    for row, shares in enumerate(probable):
        hue, top = HUES[row % len(HUES)], box.top + high * row
        parts.append(text(box.left - 6, top + high * 0.75, str(row + 1), 11, hue, 'text-anchor="end"'))
        for n, share in enumerate(shares):
            place = f'x="{box.left + wide * n:.1f}" y="{top:.1f}" width="{wide - 2:.1f}" height="{high - 2:.1f}"'
            parts.append(f'<rect {place} fill="#f1f2f5"/><rect {place} fill="{hue}" fill-opacity="{share:.3f}"/>')
    return parts


def body(flat: np.ndarray, left: float, top: float, width: float, height: float) -> np.ndarray:
    """Places `(n, 2)` on the picture of flat points in mm, in the middle of a box."""
    low, high = np.nanmin(flat, 0), np.nanmax(flat, 0)
    scale = float(min(width / (high - low)[0], height / (high - low)[1]))
    return (flat - (low + high) / 2) * scale + [left + width / 2, top + height / 2]


def facing(at: dict[str, np.ndarray]) -> np.ndarray:
    """The direction `(2,)` in which the pelvis looks, from its front markers."""
    across = (at["LASI"] - at["RASI"])[:2]
    return np.array([across[1], -across[0]])


def seen_at(trial: Trial, frame: int) -> dict[str, np.ndarray]:
    """Places of the points of a frame by their columns' names."""
    return {x: trial.positions[frame, n] for n, x in enumerate(trial.labels) if trial.visible[frame, n]}


def window() -> str:
    """What the network sees of one trajectory: its neighbours in eight moments."""
    trial, labeller = read(SAMPLE), Labeller.load("sample")
    labelling = labeller.label(trial)
    frame = best_frame(apply(trial, output_columns(trial, labelling)))
    wanted = next(
        n for n, t in enumerate(labelling.tracklets) if labelling.label_of(n) == "RKNE" and t.start <= frame < t.stop
    )
    windows = labeller.cut(trial, list(labelling.tracklets))
    mine = np.flatnonzero((windows.tracklet == wanted) & windows.mask.all(1))
    one = mine[np.abs(windows.frames[mine].mean(1) - frame).argmin()]
    picked = replace(windows, **{k: v[[one]] for k, v in vars(windows).items()})
    n_neighbours = labeller.windows.n_neighbours
    points = gather(trial.positions, picked)[0]  # (sample, column, 3)
    neighbours = neighbour_features(points[None], picked.column, labeller.windows.rate_hz, n_neighbours)[1][0]
    parts = _window_body(trial, labelling, points, int(picked.column[0]), neighbours, picked.frames[0])
    head = f"all points, and lines to the {int((neighbours >= 0).sum())} nearest of one of them"
    parts.append(title(30, 36, "One trajectory among its neighbours", head))
    seconds = np.arange(trial.n_frames) / trial.rate_hz
    course = heights(trial, int(picked.column[0]))
    low, high = np.nanmin(course[:, 1]) - 30, np.nanmax(course[:, 1]) + 30
    chart = Chart(500, 80, 320, 200, (0, trial.duration_s), (low, high))
    first, last = seconds[picked.frames[0][[0, -1]]]
    (x1, y1), (x2, y2) = chart.place(first, chart.y[1]), chart.place(last, chart.y[0])
    parts += chart.frame("s", "height", SECONDS)
    parts.append(f'<rect x="{x1:.1f}" y="{y1:.1f}" width="{x2 - x1:.1f}" height="{y2 - y1:.1f}" fill="#fde9cf"/>')
    parts.append(line(chart.place(*course.T), HUES[0]))
    parts += [dot(*chart.place(*course[k]), DOUBT) for k in picked.frames[0]]
    length = (
        f"{len(picked.frames[0])} samples at {labeller.windows.rate_hz:g} Hz, {last - first:.2f} s from first to last"
    )
    parts.append(title(500, 36, "The same window over time", length))
    # A line each, since SVG wraps no text.
    about = (
        "Of each neighbour in each sample the network",
        "gets the direction, the distance, how fast both",
        "change, and whether it is seen. Where in the",
        "room it is, and which way the body faces,",
        "make no difference.",
    )
    parts += [text(500, 336 + 19 * k, words, 13, "#555") for k, words in enumerate(about)]
    return picture(860, 460, parts)


def _window_body(
    trial: Trial, labelling: Labelling, points: np.ndarray, column: int, neighbours: np.ndarray, frames: np.ndarray
) -> list[str]:
    """All points with their paths through the window, the chosen one with lines to its neighbours."""
    frame, middle = int(frames[len(frames) // 2]), len(frames) // 2
    ahead = facing(seen_at(apply(trial, output_columns(trial, labelling)), frame))
    span = trial.positions[frames[0] : frames[-1] + 1]
    flat = projected(np.concatenate([span, points]).reshape(-1, 3), ahead)
    placed = body(flat, 30, 76, 400, 360)
    shaped = placed.reshape(-1, trial.n_columns, 2)
    paths, samples = shaped[: len(span)], shaped[len(span) :]
    parts = [line(paths[:, c], "#d5d9e0", 1.5) for c in range(trial.n_columns)]
    there = [c for c in neighbours if c >= 0 and not np.isnan(samples[middle, c, 0])]
    parts += [line(samples[middle, [column, c]], HUES[0], 0.9, 'stroke-opacity="0.45"') for c in there]
    parts += [circle(p, GREY) for n, p in enumerate(samples[middle]) if not np.isnan(p[0]) and n != column]
    parts.append(line(paths[:, column], HUES[0], 2.5))
    return [*parts, *(dot(*p, DOUBT, 3.2) for p in samples[:, column])]


def matching() -> str:
    """A labelled pose, a moment of an unlabelled trial, and which point is which."""
    trial, static = read(SAMPLE), SAMPLE.parent / "static.c3d"
    reference = reference_from_trial(read(static))
    labelling = labeller_for(LabelRequest(reference=static), "cpu").label(trial)
    after = apply(trial, output_columns(trial, labelling.above(0.5)))
    frame, parts_of = best_frame(after), groups()
    posed = dict(zip(reference.marker_set.labels, reference.positions, strict=True))
    now = seen_at(after, frame)
    left = body(projected(np.array(list(posed.values())), facing(posed)), 40, 84, 300, 400)
    right = body(projected(np.array(list(now.values())), facing(now)), 520, 84, 300, 400)
    at_left, at_right = dict(zip(posed, left, strict=True)), dict(zip(now, right, strict=True))
    both = [x for x in at_left if x in at_right]
    parts = [line(np.array([at_left[x], at_right[x]]), COLOURS[parts_of[x]], 1, 'stroke-opacity="0.35"') for x in both]
    parts += sticks(at_left, parts_of)
    parts += [circle(p, COLOURS[parts_of[x]]) for x, p in at_left.items()]
    written = [(x, p, COLOURS[parts_of[x]]) for x, p in at_left.items()]
    parts += names(written, left, 11, float(np.median(left[:, 0])))
    parts += [circle(p, COLOURS[parts_of[x]]) if x in both else circle(p, GREY, True) for x, p in at_right.items()]
    parts.append(title(40, 36, "Reference: one labelled pose", f"a frame of static.c3d, {len(posed)} labels"))
    found = f"{len(both)} points matched, {len(now) - len(both)} left without a label"
    parts.append(title(520, 36, "A moment of the trial", found))
    return picture(860, 510, parts)


def swap() -> str:
    """Two columns that exchange their markers, and what is made of it."""
    truth = read(SAMPLE.parent / "walk_truth.c3d")
    a, b, frame = truth.labels.index("LANK"), truth.labels.index("RANK"), 190
    positions = truth.positions.copy()
    positions[frame:, [a, b]] = positions[frame:, [b, a]]
    trial = Trial(positions, [f"*{n}" for n in range(truth.n_columns)], truth.rate_hz)
    labelling = Labeller.load("sample").label(trial)
    cut = next(c for c in labelling.cuts if c.column in (a, b))
    cut_s = cut.frame / trial.rate_hz
    top = float(np.nanmax(positions[:, [a, b], 2])) + 30
    charts = [Chart(50, y, 750, 130, (0, trial.duration_s), (0, top)) for y in (66, 280)]
    parts = [
        title(50, 34, "Two columns as the file has them", "heights of the ankles; in mid-trial they are exchanged"),
        title(50, 248, "As labelled", f"cut at {cut_s:.2f} s: {cut.why}"),
    ]  # fmt: skip
    for chart in charts:
        parts += chart.frame("s", "height", SECONDS)
    for n, (column, hue) in enumerate(((a, GREY), (b, INK))):
        parts.append(line(charts[0].place(*heights(trial, column).T), hue))
        parts.append(text(808, 90 + 20 * n, trial.labels[column], 12, hue, 'font-weight="600"'))
    for n, (label, hue) in enumerate((("LANK", HUES[0]), ("RANK", HUES[1]))):
        mine = [t for k, t in enumerate(labelling.tracklets) if labelling.label_of(k) == label]
        pieces = [in_frames(heights(trial, t.column), t.start, t.stop) for t in mine]
        parts += [line(charts[1].place(*course.T), hue) for course in pieces]
        parts.append(text(808, 304 + 20 * n, label, 12, hue, 'font-weight="600"'))
    ends = charts[1].place(cut_s, np.array([0, top]))
    parts.append(line(ends, DOUBT, 1.5, 'stroke-dasharray="4 3"'))
    return picture(860, 446, parts)


def confidences() -> tuple[np.ndarray, np.ndarray]:
    """Of all labels given to broken copies of a trial whose truth is known: confidence, and whether it was right."""
    truth, labeller = read(SAMPLE.parent / "walk_truth.c3d"), Labeller.load("sample")
    found = []
    for seed in range(N_COPIES):
        case = make_case(truth, replace(SPOILT, seed=seed))
        labelling = labeller.label(case.trial)
        for n, t in enumerate(labelling.tracklets):
            real = case.truth[t.start : t.stop, t.column][case.trial.visible[t.start : t.stop, t.column]]
            label = labelling.label_of(n)
            if label is not None:
                found.append((labelling.confidence[n], np.mean(real == case.labels.index(label)) > 0.5))
    confidence, right = np.array(found).T
    return confidence, right.astype(bool)


def confidence() -> str:
    """How often labels of some confidence are right: a square a tracklet."""
    sure, right = confidences()
    told = f"{len(sure):,} labelled pieces of {N_COPIES} badly broken copies of a sample trial; a square each"
    parts = [title(40, 36, "Confidence, and what became of it", told)]
    kinds = ("left away by default", "listed as doubtful", "", "", "")
    y = 84.0
    for low, high, kind in zip(BANDS[:-1], BANDS[1:], kinds, strict=True):
        inside = np.sort(right[(sure >= low) & (sure < high)])  # the wrong ones first
        words = f"{low:g} to {high:g}" if high <= 1 else f"above {low:g}"
        parts += [text(40, y + 8, words, 13, INK), text(40, y + 24, kind, 11, "#777")]
        for k, hue in enumerate((DOUBT, HUES[0])):
            drawn = "".join(
                f"M{170 + SQUARE * (n % A_ROW):g} {y + SQUARE * (n // A_ROW):g}h5v5h-5z"
                for n in np.flatnonzero(inside == k)
            )
            parts.append(f'<path d="{drawn}" fill="{hue}"/>')
        parts.append(text(780, y + 8, f"{inside.sum():,} of {len(inside):,}", 11, "#555", 'text-anchor="start"'))
        y += max(SQUARE * -(-len(inside) // A_ROW), 24) + 18
    parts += [
        dot(180, y + 2, HUES[0], 4),
        text(190, y + 6, "right"),
        dot(240, y + 2, DOUBT, 4),
        text(250, y + 6, "wrong"),
    ]
    return picture(860, int(y) + 26, parts)


PICTURES: dict[str, Callable[[], str]] = {
    "way": way, "window": window, "matching": matching, "swap": swap, "confidence": confidence,
}  # fmt: skip


def main() -> None:
    for name in sys.argv[1:] or PICTURES:
        (HERE / f"{name}.svg").write_text(PICTURES[name](), encoding="utf-8")


if __name__ == "__main__":
    main()
