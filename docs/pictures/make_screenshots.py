"""Takes pictures of `aml report` in a headless Chromium, as PNG files beside this file.

    python docs/pictures/make_screenshots.py [--out FOLDER]

The trial is one that `aml simulate` makes: a simulated person walks, a tenth of the points is hidden, columns swap.
"""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1]))
from tests.fixtures.browser import ARGUMENTS, NEEDED, executable  # noqa: E402

SIMULATED = ["--marker-set", "plug-in-gait", "--motion", "walk", "--seconds", "6", "--trials", "1", "--corrupt",
             "--occlude", "0.1", "--ghosts", "2", "--hidden-markers", "2"]  # fmt: skip


def aml(*arguments: str, folder: Path) -> None:
    subprocess.run([sys.executable, "-m", "automarkerlabel", *arguments], cwd=folder, check=True)


def take(browser: Any, address: str, path: Path, keys: Sequence[str], dark: bool = False) -> None:
    """Open a page, press keys, and take its picture."""
    page = browser.new_page(viewport={"width": 1280, "height": 800}, color_scheme="dark" if dark else "light")
    page.goto(address)
    page.wait_for_selector("html[data-pictures]")
    for key in keys:
        page.keyboard.press(key)
        page.wait_for_timeout(100)
    page.wait_for_timeout(500)
    page.screenshot(path=path)
    page.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=HERE)
    out = parser.parse_args().out
    if executable() is None:
        sys.exit(NEEDED)
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        folder = Path(name)
        aml("simulate", "-o", "trials", *SIMULATED, folder=folder)
        trial = folder / "trials" / "subject1" / "walk_unlabelled.c3d"
        aml("report", str(trial), "--marker-set", "plug-in-gait", "-o", "report.html", folder=folder)
        browser = playwright.chromium.launch(executable_path=executable(), args=ARGUMENTS)
        address = (folder / "report.html").as_uri()
        take(browser, address, out / "report.png", ["n"])
        take(browser, address, out / "report_dark.png", ["n", "l", "c"], dark=True)
        browser.close()


if __name__ == "__main__":
    main()
