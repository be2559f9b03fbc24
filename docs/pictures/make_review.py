"""Draws docs/pictures/review.png: `aml review` of a sample trial in which two labels were exchanged.

    python docs/pictures/make_review.py

Needs what the tests need: `pip install -e '.[test]'` and chromium.
"""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.sync_api import sync_playwright

from automarkerlabel import io
from automarkerlabel.core.trial import Trial

TOP = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP))
from tests.fixtures.browser import ARGUMENTS, executable  # noqa: E402
from tests.fixtures.review_server import Server  # noqa: E402

EXCHANGED, FROM = ("LKNE", "LTIB"), 300


def exchanged_trial(folder: Path) -> Path:
    """A labelled walk; two labels have each other's points from a frame on."""
    whole = io.read(TOP / "sample_data" / "train" / "walk1.c3d")
    points = whole.positions.copy()
    pair = [whole.labels.index(x) for x in EXCHANGED]
    points[FROM:, pair] = points[FROM:, pair[::-1]]
    io.write(folder / "walk.c3d", Trial(points, whole.labels, whole.rate_hz))
    return folder / "walk.c3d"


def main() -> None:
    with TemporaryDirectory() as folder, sync_playwright() as playwright:
        server = Server(exchanged_trial(Path(folder)))
        browser = playwright.chromium.launch(executable_path=executable(), args=ARGUMENTS)
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.goto(server.address)
        page.wait_for_selector("html[data-pictures]", state="attached")
        page.keyboard.press("n")
        page.wait_for_timeout(1000)
        page.screenshot(path=str(TOP / "docs" / "pictures" / "review.png"))
        browser.close()
        server.stop()


if __name__ == "__main__":
    main()
