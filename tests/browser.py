"""A headless Chromium for the tests that look at pages as their reader does.

`conftest` hands out the fixtures: `chromium`, one for each module (its event loop must not outlive it), and `page`, a
new page of it for each test.
"""

import shutil
from collections.abc import Iterator
from typing import Any

import pytest

NEEDED = "needs a browser: `pip install -e '.[test]'` and `apt-get install chromium`"
# Drawn in software, so that pictures are the same with and without a graphics card; nothing asked of any network.
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--enable-unsafe-swiftshader", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip


def executable() -> str | None:
    """The Chromium of this machine, None if there is none."""
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """Playwright's `Browser`. Skips with one line where Chromium or playwright is missing."""
    path = executable()
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        path = None
    if path is None:
        pytest.skip(NEEDED)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def page(chromium: Any) -> Iterator[Any]:
    """A new page, 1280 x 800, which fails its test on an error of its scripts.

    `page.asked` lists the addresses that it asked for, `page.complaints` what its scripts wrote to the console as
    warnings and errors.
    """
    context = chromium.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    errors: list[str] = []
    page.asked, page.complaints = [], []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("request", lambda request: page.asked.append(request.url))
    page.on("console", lambda m: page.complaints.append(m.text) if m.type in ("error", "warning") else None)
    yield page
    context.close()
    assert errors == [], errors
