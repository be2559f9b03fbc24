"""Where the explained point and its neighbours are: the whole figure, and close views from the front and the side."""

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from automarkerlabel.review.explain.explained import Explained, Neighbour

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FOR, AGAINST, INK, PALE = "#1b4f8f", "#b4530a", "#222222", "#9aa3ad"
_REACH_MM = 420.0  # neighbours farther away stand at the edge of the close views
_MARGIN_MM, _LEAST_MM = 90.0, 500.0  # about the near ones, and the least width and height
_FRONT, _SIDE = (1, 2), (0, 2)  # axes of a body that faces +x; from the front its left is to the right

Box = tuple[float, float, float, float]  # from x to x, from y to y


def draw_views(figure: "Figure", grid: Any, row: int, one: Explained, shown: list[Neighbour], in_pose: bool) -> None:
    """The whole figure, and close views from the front and the side; of the frame or of the reference."""
    scene = one.scene
    index = {x: n for n, x in enumerate(scene.names)}
    labels = scene.pose if in_pose and scene.pose is not None else scene.labels
    own = labels[index[one.label]] if in_pose and one.label in index else None if in_pose else scene.own
    spots = [_spot(one, x, in_pose) for x in shown]
    rivals = labels[index[one.compared]][None] if one.compared in index else np.zeros((0, 3), np.float32)
    what = "reference pose" if in_pose else f"frame {one.frame}"
    sides = ("from the front", "from its right") if scene.faces else ("from one side", "from another side")
    near = _near(own, [*spots, *rivals] if in_pose else spots)
    for n, (axes, title) in enumerate(
        ((_FRONT, what), (_FRONT, f"{what}, {sides[0]}"), (_SIDE, f"{what}, {sides[1]}"))
    ):
        place = figure.add_subplot(grid[row, n])
        place.set_title(title, fontsize=10, color=INK)
        place.set_xticks([])
        place.set_yticks([])
        _figure(place, labels, scene.sticks, scene.others if not in_pose else scene.others[:0], axes, small=n == 0)
        box = _box(near, axes, _ratio(figure, grid, row))
        if n == 0:
            _whole(place, box, shown, spots)
            _mark(place, own, axes, 7)
            continue
        for k, (x, spot) in enumerate(zip(shown, spots, strict=True)):
            _neighbour(place, k + 1, x, spot, own, axes, _size(x, shown), box)
        if one.compared in index:
            _rival(place, rivals[0], axes, one.compared, box)
        _mark(place, own, axes, 15, one.label)
        _zoom(place, box)


def _ratio(figure: "Figure", grid: Any, row: int) -> float:
    """Width over height of a close view."""
    box = grid[row, 1].get_position(figure)
    width, height = figure.get_size_inches()
    return float(box.width * width / (box.height * height))


def _near(own: Any, spots: list[Any]) -> npt.NDArray[np.float32]:
    """The points `(n, 3)` that a close view is to hold."""
    there = [x for x in (own, *spots) if x is not None and np.isfinite(x).all()]
    return np.array([x for x in there if own is None or np.linalg.norm(x - own) <= _REACH_MM]).reshape(-1, 3)


def _spot(one: Explained, x: Neighbour, in_pose: bool) -> npt.NDArray[np.float32] | None:
    scene = one.scene
    if not in_pose:
        return np.asarray(scene.columns[x.number - 1], np.float32)
    index = {name: n for n, name in enumerate(scene.names)}
    return None if x.name not in index or scene.pose is None else scene.pose[index[x.name]]


def _figure(place: "Axes", labels: Any, sticks: Any, others: Any, axes: tuple[int, int], small: bool) -> None:
    a, b = axes
    for i, j in sticks:
        if np.isfinite(labels[[i, j], 0]).all():
            place.plot(labels[[i, j], a], labels[[i, j], b], color=PALE, lw=0.8 if small else 1.6, zorder=1)
    there = labels[np.isfinite(labels[:, 0])]
    place.plot(there[:, a], there[:, b], "o", color=PALE, ms=2 if small else 4.5, zorder=2)
    if len(others):
        place.plot(others[:, a], others[:, b], "x", color=PALE, ms=3 if small else 6, zorder=2)
    place.set_aspect("equal")


def _neighbour(place: "Axes", number: int, x: Neighbour, spot: Any, own: Any, axes: Any, size: float, box: Box) -> None:
    """A numbered disc, or a square at the edge if it is farther away: filled if it speaks for the label, hollow if
    against it; a line to the point explained."""
    if spot is None or not np.isfinite(spot).all():
        return
    inset = 0.05 * (box[1] - box[0])
    x_mm = float(np.clip(spot[axes[0]], box[0] + inset, box[1] - inset))
    y_mm = float(np.clip(spot[axes[1]], box[2] + inset, box[3] - inset))
    inside = x_mm == spot[axes[0]] and y_mm == spot[axes[1]]
    speaks_for = x.change >= 0
    colour = FOR if speaks_for else AGAINST
    if own is not None:
        place.plot(
            [own[axes[0]], x_mm], [own[axes[1]], y_mm], color=colour, lw=0.4 + size / 9, zorder=3, alpha=0.55,
            linestyle="-" if speaks_for else (0, (4, 3)),
        )  # fmt: skip
    place.plot(
        x_mm, y_mm, "o" if inside else "s", ms=size, mfc=colour if speaks_for else "white", mec=colour, mew=1.6,
        alpha=0.9, zorder=5 - number / 99,
    )  # fmt: skip
    place.text(
        x_mm, y_mm, str(number), color="white" if speaks_for else colour, fontsize=9, weight="bold",
        ha="center", va="center", zorder=6 - number / 99, clip_on=True,
    )  # fmt: skip


def _size(x: Neighbour, shown: list[Neighbour]) -> float:
    most = max(abs(s.change) for s in shown)
    return float(12 + 13 * np.sqrt(abs(x.change) / most))


def _mark(place: "Axes", own: Any, axes: tuple[int, int], size: float, name: str = "") -> None:
    """The point explained, or the label in the reference."""
    if own is None or not np.isfinite(own).all():
        return
    a, b = axes
    place.plot(own[a], own[b], "*", ms=size, mfc="#ffd23f", mec=INK, mew=1.2, zorder=8)
    if name:
        place.annotate(
            name, (own[a], own[b]), xytext=(0, 11), textcoords="offset points", fontsize=11, weight="bold", ha="center",
            color=INK, zorder=9, bbox={"facecolor": "white", "alpha": 0.75, "edgecolor": "none", "pad": 1},
        )  # fmt: skip


def _rival(place: "Axes", spot: Any, axes: tuple[int, int], name: str, box: Box) -> None:
    """The label it is compared with, where another point has it."""
    a, b = axes
    if not (box[0] <= spot[a] <= box[1] and box[2] <= spot[b] <= box[3]):
        return
    place.plot(spot[a], spot[b], "D", ms=23, mfc="none", mec=AGAINST, mew=2, zorder=2.5)
    place.annotate(
        name, (spot[a], spot[b]), xytext=(18, -16), textcoords="offset points", fontsize=9.5, color=AGAINST, zorder=9,
        annotation_clip=True, bbox={"facecolor": "white", "alpha": 0.75, "edgecolor": "none", "pad": 1},
    )  # fmt: skip


def _box(near: npt.NDArray[np.float32], axes: tuple[int, int], ratio: float) -> Box:
    """The part that is seen from close: all `near` `(n, 3)`, with room about them, and as wide as the view is."""
    if not len(near):
        return -_LEAST_MM * ratio, _LEAST_MM * ratio, 0.0, 2 * _LEAST_MM
    low, high = near[:, axes].min(0) - _MARGIN_MM, near[:, axes].max(0) + _MARGIN_MM
    height = max(_LEAST_MM, float(high[1] - low[1]), float(high[0] - low[0]) / ratio)
    x, y = ((low + high) / 2).tolist()
    return x - height * ratio / 2, x + height * ratio / 2, y - height / 2, y + height / 2


def _whole(place: "Axes", box: Box, shown: list[Neighbour], spots: list[Any]) -> None:
    """Where the close views and the neighbours are on the body."""
    x0, x1, y0, y1 = box
    place.plot([x0, x1, x1, x0, x0], [y0, y0, y1, y1, y0], color=INK, lw=0.8, ls=":")
    for k, (x, spot) in enumerate(zip(shown, spots, strict=True)):
        if spot is not None and np.isfinite(spot).all():
            colour = FOR if x.change >= 0 else AGAINST
            place.text(spot[1], spot[2], str(k + 1), fontsize=8, weight="bold", color=colour, ha="center", va="center")


def _zoom(place: "Axes", box: Box) -> None:
    place.set_xlim(box[0], box[1])
    place.set_ylim(box[2], box[3])
    margin = 0.03 * (box[1] - box[0])
    x, y = box[0] + margin, box[2] + margin
    place.plot([x, x + 100], [y, y], color=INK, lw=2.5, solid_capstyle="butt", zorder=9)
    place.text(x, y + margin / 2, "100 mm", fontsize=8, color=INK, va="bottom", zorder=9,
               bbox={"facecolor": "white", "alpha": 0.75, "edgecolor": "none", "pad": 0.5})  # fmt: skip
