"""Bits of SVG that the pictures of concepts are made of."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from make_result import text

GREY, INK, DOUBT = "#8a8f98", "#333", "#c2410c"
HUES = ("#2463b0", "#c77700", "#1f7a5c", "#c2417a", "#7b4fb5", "#b5651d", "#4a5568", "#0e7490")


def picture(width: int, height: int, parts: Sequence[str]) -> str:
    """A whole SVG on a white ground, which serves dark pages, too."""
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif">'
    ground = f'<rect width="{width}" height="{height}" rx="10" fill="white"/>'
    return "\n".join([head, ground, *parts, "</svg>"]) + "\n"


def title(x: float, y: float, words: str, more: str = "") -> str:
    """A heading with what it means behind it."""
    return text(x, y, words, 15, INK, 'font-weight="600"') + text(x, y + 18, more, 12, "#777")


def line(points: np.ndarray, colour: str, width: float = 1.8, more: str = "") -> str:
    """A broken line through points `(n, 2)`; it is interrupted where one is NaN."""
    drawn, pen = [], "M"
    for x, y in points:
        if np.isnan(x) or np.isnan(y):
            pen = "M"
            continue
        drawn.append(f"{pen}{x:.1f} {y:.1f}")
        pen = "L"
    style = f'fill="none" stroke="{colour}" stroke-width="{width}" stroke-linejoin="round"'
    return f'<path d="{"".join(drawn)}" {style} {more}/>'


def dot(x: float, y: float, colour: str, radius: float = 3.0) -> str:
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius}" fill="{colour}"/>'


@dataclass
class Chart:
    """A frame at `(left, top)`, `width` by `height`, for values of `x` and `y` (lowest, highest)."""

    left: float
    top: float
    width: float
    height: float
    x: tuple[float, float]
    y: tuple[float, float]

    def place(self, x: np.ndarray | float, y: np.ndarray | float) -> np.ndarray:
        """Where values are on the picture, `(n, 2)` or `(2,)`."""
        across = self.left + self.width * (np.asarray(x, float) - self.x[0]) / (self.x[1] - self.x[0])
        down = self.top + self.height * (self.y[1] - np.asarray(y, float)) / (self.y[1] - self.y[0])
        return np.stack(np.broadcast_arrays(across, down), -1)

    def frame(self, across: str, up: str, seconds: Sequence[float] = ()) -> list[str]:
        """Ground, names of the axes and marks at `seconds`."""
        box = f'x="{self.left}" y="{self.top}" width="{self.width}" height="{self.height}"'
        bottom = self.top + self.height
        marks = [text(self.place(s, 0)[0], bottom + 15, f"{s:g}", 11, "#777", 'text-anchor="middle"') for s in seconds]
        turned = f'text-anchor="middle" transform="rotate(-90 {self.left - 8:.1f} {self.top + self.height / 2:.1f})"'
        names = [
            text(self.left + self.width, bottom + 15, across, 11, "#777", 'text-anchor="end"'),
            text(self.left - 8, self.top + self.height / 2, up, 11, "#777", turned),
        ]
        return [f'<rect {box} fill="#f6f7f9"/>', *marks, *names]
