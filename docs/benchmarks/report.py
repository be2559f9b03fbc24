"""How large a report is, how long it takes to make and to open, and how many pictures a second it plays.

    aml simulate -o trials --marker-set clouthier2021 --motion walk --seconds 60 --rate 240 --trials 1 --corrupt \\
        --occlude 0 --ghosts 0 --cuts 14 --swaps 0
    python docs/benchmarks/report.py trials/subject1/walk_unlabelled.c3d --marker-set clouthier2021 [--runs 3]

It labels the trial, writes its report, and opens it in a headless Chromium that draws in software, 1280 x 800 pixels;
where it draws less than 30 pictures a second, the page has them coarser while playing. The first picture is counted
from the beginning of the navigation. Prints medians of the runs.
"""

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

from automarkerlabel import read
from automarkerlabel.labellers.request import LabelRequest, labeller_for
from automarkerlabel.workflows.report import write_report

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from tests.fixtures.browser import ARGUMENTS, NEEDED, executable

PLAYED_S = 5.0


def opened(page: Path) -> tuple[float, dict[str, float]]:
    """Seconds to the first picture, and pictures a second while playing, by what is drawn."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable(), args=ARGUMENTS)
        shown = browser.new_page(viewport={"width": 1280, "height": 800})
        shown.goto(page.as_uri())
        shown.wait_for_selector("html[data-pictures]")
        first = shown.evaluate("performance.getEntriesByName('first picture')[0].startTime") / 1000
        rates = {"nothing chosen": rate(shown)}
        shown.keyboard.press("ArrowDown")
        rates["a marker chosen, with trail and traces"] = rate(shown)
        for key in ("t", "l"):
            shown.keyboard.press(key)
        rates["all trails, all names"] = rate(shown)
        browser.close()
    return first, rates


def rate(shown) -> float:  # type: ignore[no-untyped-def]
    count = "Number(document.documentElement.dataset.pictures)"
    shown.keyboard.press("Home")
    shown.wait_for_timeout(500)
    shown.keyboard.press(" ")
    before, started = shown.evaluate(f"[{count}, performance.now()]")
    shown.wait_for_timeout(1000 * PLAYED_S)
    after, ended = shown.evaluate(f"[{count}, performance.now()]")
    shown.keyboard.press(" ")
    return float((after - before) / (ended - started) * 1000)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("trial", type=Path)
    parser.add_argument("--marker-set")
    parser.add_argument("--runs", type=int, default=3)
    args = parser.parse_args()
    if executable() is None:
        sys.exit(NEEDED)
    trial = read(args.trial)
    answer = labeller_for(LabelRequest(marker_set=args.marker_set), "cpu").answer(trial)
    print(f"{trial.duration_s:.0f} s at {trial.rate_hz:g} Hz, {trial.n_columns} columns")
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "report.html"
        writing = []
        for _ in range(args.runs):
            started = time.perf_counter()
            write_report(page, args.trial, trial, answer, 0.5)
            writing.append(time.perf_counter() - started)
        print(f"size           {page.stat().st_size / 1e6:.2f} MB")
        print(f"writing        {statistics.median(writing):.2f} s")
        runs = [opened(page) for _ in range(args.runs)]
    print(f"first picture  {statistics.median(first for first, _ in runs):.2f} s")
    for what in runs[0][1]:
        print(f"playing        {statistics.median(rates[what] for _, rates in runs):.1f} pictures a second, {what}")


if __name__ == "__main__":
    main()
