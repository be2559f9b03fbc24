"""The picture of an explanation: where the point is and its neighbours are, what they did, and the course of evidence.

What speaks for the label is filled and dark, what speaks against it hollow and hatched: readable without colour.
"""

import textwrap
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from automarkerlabel.io.files import atomic
from automarkerlabel.review.explain.explained import NO_LABEL, Explained, Importance, Neighbour
from automarkerlabel.review.explain.views import AGAINST, FOR, INK, draw_views
from automarkerlabel.training.tuning.results import require_matplotlib

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLOURS = 96  # of the file: a third of the bytes
_N_NEIGHBOURS = 8  # shown
_LEAST = 0.02  # nats; neighbours that change less are not numbered
_PROBABILITIES = (1.0, 0.7, 0.5, 0.3, 0.2, 0.1, 0.05, 0.01, 1e-3, 1e-4, 1e-5, 1e-6, 1e-8)


def require() -> None:
    """Raise `InputError`, which says what to install, where matplotlib is missing."""
    require_matplotlib("-o", "pictures")


def write(one: Explained, path: Path) -> None:
    """Draw an explanation into a PNG file; whatever was there is replaced. Raises `OutputError`."""
    from PIL import Image  # which matplotlib needs, too

    drawn = BytesIO()
    draw(one).savefig(drawn, dpi=100, format="png")
    with atomic(path) as temporary:
        Image.open(drawn).convert("RGB").quantize(_COLOURS, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(
            temporary, format="PNG", optimize=True
        )


def draw(one: Explained) -> "Figure":
    """The picture."""
    from matplotlib.figure import Figure

    matched = one.scene.pose is not None
    figure = Figure(figsize=(14, 12 if matched else 8.4), facecolor="white")
    rows = (5, 5, 3.4) if matched else (5, 3.2)
    grid = figure.add_gridspec(
        len(rows), 5, height_ratios=rows, width_ratios=(1.5, 3.2, 3.2, 0.85, 3.3), left=0.065, right=0.98,
        top=0.87 if matched else 0.805, bottom=0.06, wspace=0.06, hspace=0.27 if matched else 0.26,
    )  # fmt: skip
    _title(figure, one)
    shown = _shown(one)
    draw_views(figure, grid, 0, one, shown, in_pose=False)
    _bars(figure.add_subplot(grid[0, 4]), one, shown)
    if matched:
        draw_views(figure, grid, 1, one, shown, in_pose=True)
        _candidates(figure.add_subplot(grid[1, 4]), one)
    _course(figure.add_subplot(grid[-1, :3]), one)
    last = figure.add_subplot(grid[-1, 4])
    if one.importance:
        _importance(last, one.importance)
    elif one.samples:
        _samples(last, one)
    elif not matched:
        _candidates(last, one)
    else:
        _distances(last, one, shown)
    return figure


def _title(figure: "Figure", one: Explained) -> None:
    top, step = 1.0, 0.26 / figure.get_size_inches()[1]
    head = f"{one.column}, frames {one.first_frame} to {one.last_frame}: {one.label}, confidence {one.confidence:.2f}"
    figure.text(0.02, top - 1.3 * step, head, fontsize=16, weight="bold", color=INK)
    instead = "left without a label" if one.compared == NO_LABEL else one.compared
    asked = f"Why {one.label}, and not {instead}? {'. '.join(x[0].upper() + x[1:] for x in one.because)}."
    lines = textwrap.wrap(asked, 165)
    for k, line in enumerate(lines[:2]):
        figure.text(0.02, top - (2.35 + 0.85 * k) * step, line, fontsize=11, color=INK)
    by = Path(one.by).name if one.by.startswith("model ") else one.by
    about = [f"{Path(one.trial).name}, by {by} ({one.mechanism})."]
    if one.second != one.compared:
        about.append(f"If not {one.label}, then {one.second}.")
    if one.note:
        about.append(f"Note: {one.note}.")
    figure.text(0.02, top - (2.5 + 0.85 * min(len(lines), 2)) * step, " ".join(about), fontsize=9.5, color="#555")


def _shown(one: Explained) -> list[Neighbour]:
    return [x for x in one.neighbours if abs(x.change) >= _LEAST][:_N_NEIGHBOURS]


# --- what they did -------------------------------------------------------------------------------------------------


def _bars(place: "Axes", one: Explained, shown: list[Neighbour]) -> None:
    """What each neighbour does for the label."""
    place.set_title(f"without this point, {one.label}\nis less far ahead of {one.compared} by", fontsize=10, color=INK)
    if not shown:
        place.text(0.5, 0.5, "no neighbour changes anything" if one.neighbours else "not known of this model",
                   ha="center", va="center", fontsize=10, transform=place.transAxes)  # fmt: skip
        place.set_axis_off()
        return
    for k, x in enumerate(shown):
        speaks_for = x.change >= 0
        colour = FOR if speaks_for else AGAINST
        place.barh(
            k, x.change, 0.62, facecolor=colour if speaks_for else "white", edgecolor=colour, linewidth=1.2,
            hatch="" if speaks_for else "////",
        )  # fmt: skip
        if x.mean_change is not None:
            place.plot(x.mean_change, k, "d", ms=7, mfc="white", mec=INK, mew=1.2, zorder=4)
    place.set_yticks(
        range(len(shown)), [f"{k + 1}  {x.name}\n{_about(x, one)}" for k, x in enumerate(shown)], fontsize=8.5
    )
    place.set_ylim(max(len(shown), 4) - 0.4, -0.6)
    place.axvline(0, color=INK, lw=0.8)
    means = "   ◇ mean over the trajectory" if shown[0].mean_change is not None else ""
    place.set_xlabel(f"nats (1: 2.7 times, 2.3: 10 times){means}", fontsize=8.5)
    place.tick_params(axis="x", labelsize=8)
    place.margins(x=0.12)
    for side in ("top", "right", "left"):
        place.spines[side].set_visible(False)


def _about(x: Neighbour, one: Explained) -> str:
    return "hidden" if x.distance_mm is None else f"{x.distance_mm:.0f} mm"


def _candidates(place: "Axes", one: Explained) -> None:
    """How likely the likeliest labels are."""
    rows = one.candidates
    matched = one.scene.pose is not None
    place.set_title(
        "how it fits points of the reference" if matched else "how likely labels are", fontsize=10, color=INK
    )
    for k, c in enumerate(rows):
        own = c.label == one.label
        colour = FOR if own else AGAINST if c.label == one.compared else "#777777"
        place.barh(k - 0.17, c.mean, 0.3, facecolor=colour if own else "white", edgecolor=colour, linewidth=1.2,
                   hatch="" if own else "////")  # fmt: skip
        place.plot(c.moment, k + 0.2, ">", ms=7, mfc=colour if own else "white", mec=colour, zorder=4,
                   clip_on=False)  # fmt: skip
        place.plot([0, c.moment], [k + 0.2, k + 0.2], color=colour, lw=0.8)
        taken = f"  ({', '.join(c.taken_by[:2])})" if c.taken_by else ""
        place.text(max(c.mean, c.moment, 0.0) + 0.03, k, f"{_percent(c.mean)}{taken}", fontsize=8.5, va="center")
    place.set_yticks(range(len(rows)), [c.label for c in rows], fontsize=9.5)
    place.set_ylim(len(rows) - 0.4, -0.6)
    place.set_xlim(0, 1.45)
    place.set_xticks([0, 0.5, 1], ["0", "50 %", "100 %"], fontsize=8)
    place.set_xlabel(f"bar: by all moments; ▷: frame {one.frame}; (columns that have it)", fontsize=8.5)
    for side in ("top", "right"):
        place.spines[side].set_visible(False)


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %" if share >= 0.01 else "under 1 %"


def _importance(place: "Axes", importance: tuple[Importance, ...]) -> None:
    """What a sparse selection took: neighbours and features, in shares."""
    rows = importance[:_N_NEIGHBOURS]
    features = list(rows[0].features)
    shares = np.array([[r.features[f] for f in features] for r in rows])
    place.imshow(shares, cmap="Blues", aspect="auto", vmin=0, vmax=max(1e-6, 1.15 * float(shares.max())))
    for i, j in np.argwhere(shares >= 0.005).tolist():
        dark = shares[i, j] > 0.6 * shares.max()
        place.text(j, i, f"{100 * shares[i, j]:.0f}", ha="center", va="center", fontsize=8,
                   color="white" if dark else INK)  # fmt: skip
    place.set_xticks(range(len(features)), features, fontsize=8, rotation=25, ha="right")
    place.set_yticks(range(len(rows)), [f"{r.name} {100 * r.share:.0f}" for r in rows], fontsize=8.5)
    place.set_title("what the selection looked at, in %", fontsize=10, color=INK)


def _distances(place: "Axes", one: Explained, shown: list[Neighbour]) -> None:
    """How far distances are from those of the reference, if it is the label and if it is the compared one."""
    told = [x for x in shown if x.distance_mm is not None and x.reference_mm is not None]
    if not told:
        place.set_visible(False)
        return
    for k, x in enumerate(told):
        now, mine, other = x.distance_mm or 0.0, x.reference_mm or 0.0, x.compared_mm
        place.plot(now - mine, k, "o", ms=8, color=FOR, label=f"as {one.label}" if k == 0 else None)
        if other is not None:
            place.plot(now - other, k, "s", ms=7, mfc="white", mec=AGAINST, mew=1.5)
    place.plot([], [], "s", ms=7, mfc="white", mec=AGAINST, mew=1.5, label=f"as {one.compared}")
    place.axvline(0, color=INK, lw=0.8)
    place.set_yticks(range(len(told)), [f"{shown.index(x) + 1}  {x.name}" for x in told], fontsize=8.5)
    place.set_ylim(max(len(told), 4) - 0.4, -0.6)
    place.margins(x=0.15)
    place.grid(axis="y", lw=0.4, color="#dddddd")
    place.tick_params(axis="x", labelsize=8)
    place.set_title("distance to it, less that in the reference, mm", fontsize=10, color=INK)
    place.legend(fontsize=8.5, loc="best", framealpha=0.85)
    for side in ("top", "right", "left"):
        place.spines[side].set_visible(False)


def _samples(place: "Axes", one: Explained) -> None:
    """What the window of the frame attended to."""
    frames = [s.frame for s in one.samples]
    place.bar(range(len(frames)), [100 * s.share for s in one.samples], 0.7, color="#5f6b78")
    place.axhline(100 / len(frames), color=INK, lw=0.8, ls=":")
    place.set_xticks(range(len(frames)), [str(f) for f in frames], fontsize=8, rotation=45)
    place.tick_params(axis="y", labelsize=8)
    place.set_title("frames this window looked at, % of attention", fontsize=10, color=INK)
    for side in ("top", "right"):
        place.spines[side].set_visible(False)


# --- when ----------------------------------------------------------------------------------------------------------


def _course(place: "Axes", one: Explained) -> None:
    """The log-probabilities of both classes over time."""
    if not one.moments:
        place.set_visible(False)
        return
    when = np.array([(m.first_frame + m.last_frame) / 2 for m in one.moments])
    order = np.argsort(when)
    label, other = (np.array([getattr(m, x) for m in one.moments])[order] for x in ("label", "compared"))
    when, lowest = when[order], min(-1.0, float(min(label.min(), other.min())))
    m = one.moments[one.shown]
    place.axvspan(m.first_frame - 0.5, m.last_frame + 0.5, color="#f3e3a1", zorder=0, label="window shown")
    place.fill_between(
        when, label, other, where=(label >= other).tolist(), interpolate=True, color=FOR, alpha=0.13, lw=0
    )
    place.fill_between(
        when, label, other, where=(label <= other).tolist(), interpolate=True, facecolor="none", edgecolor=AGAINST,
        hatch="////", alpha=0.5, lw=0,
    )  # fmt: skip
    place.plot(when, label, "-o", color=FOR, ms=5, lw=2, label=one.label)
    place.plot(when, other, "--s", color=AGAINST, mfc="white", ms=5, lw=1.4, label=one.compared)
    ticks = _ticks(lowest)
    place.set_yticks([float(np.log(p)) for p in ticks], [_tick(p) for p in ticks], fontsize=8)
    room = 0.06 * -lowest
    place.set_ylim(1.08 * lowest, room)
    if one.course_samples:
        flat = [s for window in one.course_samples for s in window]
        size = [18 * s.share * len(w) for w in one.course_samples for s in w]
        place.scatter([s.frame for s in flat], [room * 0.55] * len(flat), s=size, marker="|", color=INK, linewidths=1)
    place.set_xlim(one.first_frame - 1, one.last_frame + 1)
    looked = " (ticks at the top: frames looked at, the longer the more)" if one.course_samples else ""
    place.set_xlabel(f"frame{looked}", fontsize=9)
    place.tick_params(axis="x", labelsize=8)
    place.set_title(
        "the course of evidence (probability, log scale): far apart decides", fontsize=10, color=INK, loc="left"
    )
    place.legend(fontsize=9, loc="lower right", bbox_to_anchor=(1, 1), ncols=3, frameon=False, borderpad=0)
    for side in ("top", "right"):
        place.spines[side].set_visible(False)


def _ticks(lowest: float) -> list[float]:
    """Probabilities to write beside a log scale that begins at `lowest`, not too close to one another."""
    found: list[float] = []
    for p in _PROBABILITIES:
        if np.log(p) >= 1.05 * lowest and (not found or np.log(found[-1] / p) > -0.1 * lowest):
            found.append(p)
    return found


def _tick(p: float) -> str:
    return f"{100 * p:.6f}".rstrip("0").rstrip(".") + " %"
