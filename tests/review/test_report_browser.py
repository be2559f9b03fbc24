"""The page as its reader sees it, in a headless Chromium: pictures, pointer and keys. Needs chromium and playwright."""

import base64
import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from automarkerlabel.core.labelling import Labelling
from automarkerlabel.core.tracklets import Tracklet
from automarkerlabel.core.trial import Trial
from automarkerlabel.labellers.labeller import LabelResult
from automarkerlabel.review.report.page import served_page
from automarkerlabel.review.report.points import pack_points
from automarkerlabel.review.report.view import view_of
from automarkerlabel.workflows.report import write_report
from tests.fixtures.figure import figure_trial

HOSTILE = "</script><img src=x onerror='window.hacked=1'>"
FILE = "<img src=x onerror='window.hacked=1'>.c3d"
NAMES = ["HEAD", "LSHO", "RSHO", "LHND", "RHND", "SACR", "LTOE", HOSTILE]
READY = "html[data-pictures]"
CANVAS = ".view canvas"


def figure() -> tuple[Trial, LabelResult]:
    """The figure that glides along +x for 2 s: LHND is hidden for a while, SACR doubtful in its second half, and the
    last of its points is called by something that is no name."""
    trial = figure_trial()
    positions = trial.positions.copy()
    positions[40:60, 3] = np.nan
    trial = replace(trial, positions=positions, residuals=None, labels=[f"*{n}" for n in range(8)], first_frame=101)
    none = (np.zeros(0, np.float32), np.zeros(0, np.float32))
    courses = [none] * 8
    courses[5] = (np.array([0.0, 50.0, 90.0, 119.0], np.float32), np.array([1.0, 1.0, 0.55, 1.0], np.float32))
    labelling = Labelling(
        NAMES, [Tracklet(c, 0, 120) for c in range(8)], np.arange(8),
        np.array([0.99] * 7 + [0.95], np.float32), np.array([-1] * 5 + [6, -1, -1]), courses=courses,
    )  # fmt: skip
    return trial, LabelResult.of(labelling, "a test")


@pytest.fixture(scope="module")
def report(tmp_path_factory) -> Path:
    trial, answer = figure()
    path = tmp_path_factory.mktemp("report") / "page.html"
    decided = {"labels": [(5, 0.8), (-1, 0.2)], "neighbours": [(0, 1.0)], "samples": [(-0.1, 0.4), (0.1, 0.6)]}
    attention = {"mechanism": "sparse", "about": "About.", "left_out": "Left out.", "pieces": {"5": decided}}
    write_report(path, Path(FILE), trial, answer, 0.5, notes=[HOSTILE], attention=attention)
    return path


@pytest.fixture
def shown(page, report) -> Any:
    """The report, opened from its file."""
    page.goto(report.as_uri())
    page.wait_for_selector(READY)
    return page


@pytest.fixture(scope="module")
def picture(chromium) -> Iterator[Any]:
    """Gives the picture of a part of a page as `(height, width, 3)`, decoded by another page of the browser."""
    decoder = chromium.new_page()
    code = """async (png) => {
        const image = await createImageBitmap(await (await fetch("data:image/png;base64," + png)).blob());
        const canvas = new OffscreenCanvas(image.width, image.height);
        const pen = canvas.getContext("2d");
        pen.drawImage(image, 0, 0);
        const bytes = pen.getImageData(0, 0, image.width, image.height).data;
        let text = "";
        for (let n = 0; n < bytes.length; n += 8192) text += String.fromCharCode(...bytes.subarray(n, n + 8192));
        return [image.height, image.width, btoa(text)];
    }"""

    def taken(page: Any, what: str = ".view") -> np.ndarray:
        drawn(page)
        png = base64.b64encode(page.locator(what).first.screenshot()).decode()
        height, width, data = decoder.evaluate(code, png)
        return np.frombuffer(base64.b64decode(data), np.uint8).reshape(height, width, 4)[..., :3].astype(int)

    yield taken
    decoder.close()


def drawn(page: Any) -> None:
    """Waits until the page has drawn what it was asked for."""
    page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


def frame(page: Any) -> int:
    drawn(page)
    return int(page.get_by_label("go to frame").input_value())


def chosen(page: Any) -> str:
    drawn(page)
    return page.locator(".marker h2").inner_text() if page.locator(".marker h2").count() else ""


def test_the_view_is_drawn(shown, picture):
    seen = picture(shown)
    assert len(np.unique(seen.reshape(-1, 3), axis=0)) > 100
    ground = seen[5, 5]
    assert 0.005 < (np.abs(seen - ground).sum(2) > 30).mean() < 0.5  # a figure and a floor before a ground


def test_playing_and_scrubbing_change_the_picture(shown, picture):
    first = picture(shown)
    shown.keyboard.press("End")
    assert frame(shown) == 220 and (picture(shown) != first).any()
    shown.keyboard.press("Home")
    assert frame(shown) == 101 and (picture(shown) == first).all()
    shown.keyboard.press("Space")
    for _ in range(1000):  # however long a busy machine takes to draw the next
        if frame(shown) > 101:
            break
        shown.wait_for_timeout(20)
    shown.keyboard.press("Space")
    after = frame(shown)
    assert after > 101 and shown.get_by_role("button", name="play").get_attribute("aria-pressed") == "false"
    shown.get_by_label("go to frame").fill("150")
    shown.get_by_label("go to frame").press("Enter")
    assert frame(shown) == 150


def test_a_click_on_a_marker_shows_its_name(shown, picture):
    shown.select_option("select[aria-label='colour by']", "label")
    shown.keyboard.press("s")  # no sticks
    shown.keyboard.press("1")  # along x: y to the right, z up
    seen = picture(shown)
    y, x = np.nonzero(np.ptp(seen, axis=2) > 60)  # coloured: markers and the axes' lines
    box = shown.locator(CANVAS).first.bounding_box()

    def click(n: int, right: int, down: int) -> None:
        shown.mouse.click(box["x"] + int(x[n]) + right, box["y"] + int(y[n]) + down)

    click(int(y.argmin()), 0, 3)
    assert chosen(shown) == "HEAD"
    panel = shown.locator(".marker").inner_text()
    assert "*0" in panel and "frames 101–220" in panel and "99.0 %" in panel
    feet = np.flatnonzero(y > y.max() - 40)
    click(int(feet[x[feet].argmax()]), -2, 0)
    assert chosen(shown) == "LTOE"
    shown.mouse.click(box["x"] + 5, box["y"] + 5)
    assert chosen(shown) == ""


def test_the_review_list_goes_to_place_and_time(shown):
    doubt = shown.locator(".review button")
    assert doubt.count() == 1 and "SACR" in doubt.inner_text() and "or LTOE" in doubt.inner_text()
    doubt.click()
    assert chosen(shown) == "SACR" and frame(shown) == 101 + 90  # where it is least sure
    panel = shown.locator(".marker").inner_text()
    assert "55.0 % here" in panel and "LTOE" in panel
    shown.keyboard.press("Escape")
    shown.keyboard.press("Home")
    shown.keyboard.press("n")
    assert chosen(shown) == "SACR" and frame(shown) == 191


def test_traces_and_attention_of_the_chosen_marker(shown, picture):
    shown.keyboard.press("n")
    shown.wait_for_selector(".traces .u-legend")
    drawn(shown)
    words = shown.locator(".traces").inner_text()
    assert "191" in words and "0.550" in words
    assert len(np.unique(picture(shown, ".traces").reshape(-1, 3), axis=0)) > 20
    said = shown.locator(".attention").inner_text()
    assert all(x in said for x in ("About.", "SACR", "80.0 %", "HEAD", "-0.10", "60.0 %", "Left out."))
    shown.keyboard.press("ArrowDown")
    drawn(shown)
    assert "Not dumped for this piece" in shown.locator(".attention").inner_text()


def test_a_click_in_the_timeline_chooses_and_jumps(shown, picture):
    box = shown.locator(".rows canvas").bounding_box()
    assert len(np.unique(picture(shown, ".rows").reshape(-1, 3), axis=0)) > 10
    middle = box["x"] + 104 + (box["width"] - 104) / 2 + 1
    shown.mouse.click(middle, box["y"] + 3 * 18 + 9)  # the fourth row
    assert chosen(shown) == "LHND" and frame(shown) == 161
    shown.mouse.click(middle - (box["width"] - 104) / 12, box["y"] + 3 * 18 + 9)  # 10 frames before, hidden
    drawn(shown)
    assert frame(shown) == 151 and "hidden in this frame" in shown.locator(".marker").inner_text()


def test_names_of_a_file_stay_text(shown):
    assert shown.title() == FILE == shown.locator("h1").inner_text()
    shown.keyboard.press("ArrowUp")  # the last label
    shown.keyboard.press("l")
    assert chosen(shown) == HOSTILE
    shown.get_by_role("tab", name="facts").click()
    assert HOSTILE in shown.get_by_role("tabpanel", name="facts").inner_text()
    assert shown.evaluate("window.hacked") is None and shown.locator("img").count() == 0


def test_no_request_leaves_the_page(shown, report):
    for key in ("n", "c", "c", "t", "l", "d", "Space"):
        shown.keyboard.press(key)
    shown.wait_for_timeout(300)
    assert shown.asked == [report.as_uri()]
    assert [x for x in shown.complaints if "Content Security" in x] == []
    refused = shown.evaluate("fetch('https://example.org').then(() => 'sent', () => 'refused')")
    assert refused == "refused"


def test_all_controls_are_reached_by_keyboard_and_have_names(shown):
    # As a screen reader would call them: by their own words, their label, or what encloses them.
    name = """(e) => (e.getAttribute("aria-label") || e.closest("label")?.textContent || e.textContent || "").trim()"""
    reached = []
    for _ in range(40):
        shown.keyboard.press("Tab")
        focus = shown.evaluate(f"(() => {{ const e = document.activeElement; return [e.tagName, ({name})(e)]; }})()")
        if focus[0] == "BODY":
            break
        reached.append(focus)
    assert [tag for tag, called in reached if not called] == []
    words = " ".join(called for _, called in reached)
    for wanted in ("dark / light", "keys", "colour by", "trails", "sticks", "3-D view", "play", "speed", "frame",
                   "to review", "SACR", "Timeline", "zoom in"):  # fmt: skip
        assert wanted in words, wanted
    assert shown.evaluate("document.querySelectorAll('button, input, select, [tabindex]').length") >= len(reached)


def test_the_keys_are_listed_and_do_what_they_say(shown, picture):
    shown.keyboard.press("?")
    listed = shown.get_by_role("dialog").inner_text()
    assert "next to review" in listed and "play or pause" in listed and "Correct" not in listed
    shown.keyboard.press("Escape")
    assert not shown.get_by_role("dialog").is_visible()
    shown.keyboard.press("ArrowDown")
    assert chosen(shown) == "HEAD" and "HEAD" in shown.locator("[aria-live]").inner_text()
    for key, expected in (("ArrowRight", 102), ("Shift+ArrowRight", 108), ("PageUp", 102), ("ArrowLeft", 101)):
        shown.keyboard.press(key)
        assert frame(shown) == expected
    shown.keyboard.press("]")
    assert frame(shown) == 220  # the end of its piece
    before = picture(shown)
    shown.keyboard.press("6")
    assert (picture(shown) != before).any()
    shown.keyboard.press("c")
    assert shown.locator("select[aria-label='colour by']").input_value() == "segment"
    shown.keyboard.press(".")
    assert shown.locator("select[aria-label='speed']").input_value() == "2×"


def contrast(page: Any, one: str, other: str) -> float:
    """Of two of the style sheet's colours, as WCAG 2 defines it."""
    light = []
    for name in (one, other):
        text = page.evaluate(f"getComputedStyle(document.documentElement).getPropertyValue('--{name}')").strip()
        parts = np.array([int(text[k : k + 2], 16) for k in (1, 3, 5)]) / 255
        linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
        light.append(float(linear @ [0.2126, 0.7152, 0.0722]) + 0.05)
    return max(light) / min(light)


def test_dark_and_light(page, report, picture):
    page.emulate_media(color_scheme="dark")
    page.goto(report.as_uri())
    page.wait_for_selector(READY)
    for expected in ("dark", "light"):
        assert (picture(page)[5, 5].mean() < 60) == (expected == "dark")
        assert contrast(page, "ink", "panel") > 7 and contrast(page, "ink-soft", "panel") > 4.5
        assert contrast(page, "alarm", "panel") > 4.5 and contrast(page, "none", "view") > 3
        page.keyboard.press("d")
    page.keyboard.press("d")
    page.emulate_media(color_scheme="light")  # as the system has it, from now on
    assert picture(page)[5, 5].mean() > 200


def test_without_3d_the_rest_works(page, report):
    page.add_init_script(
        "const own = HTMLCanvasElement.prototype.getContext;"
        "HTMLCanvasElement.prototype.getContext = function (kind, ...more) {"
        " return kind.startsWith('webgl') ? null : own.call(this, kind, ...more); };"
    )
    page.goto(report.as_uri())
    page.wait_for_selector("html[data-frame]")
    assert "WebGL is switched off" in page.locator(".view").inner_text()
    page.keyboard.press("n")
    drawn(page)
    assert chosen(page) == "SACR" and frame(page) == 191


@pytest.mark.parametrize("n_frames, n_columns", [(1, 8), (3, 1)])
def test_short_and_sparse_trials_are_shown(page, tmp_path, n_frames, n_columns):
    trial, _ = figure()
    trial = Trial(trial.positions[:n_frames, :n_columns], trial.labels[:n_columns], 60.0)
    pieces = [Tracklet(c, 0, n_frames) for c in range(n_columns)]
    free = np.full(n_columns, -1, np.int64)
    labelling = Labelling(["A"], pieces, free, np.ones(n_columns, np.float32), free)
    write_report(tmp_path / "p.html", Path("t.c3d"), trial, LabelResult.of(labelling, "nobody"), 0.5)
    page.goto((tmp_path / "p.html").as_uri())
    page.wait_for_selector(READY)
    for key in ("ArrowDown", "ArrowDown", "Space", "c", "c", "l", "+", "-"):
        page.keyboard.press(key)
    page.wait_for_timeout(200)
    assert "no label" in page.locator(".marker").inner_text()


def test_computed_points_are_shown_on_request(page, tmp_path, picture):
    trial, answer = figure()
    labelling = replace(
        answer, tracklets=answer.tracklets[1:], assigned=np.arange(1, 8),
        confidence=answer.confidence[1:], second=answer.second[1:], courses=(),
    )  # fmt: skip
    trial = replace(trial, computed=frozenset({0}))  # the head
    write_report(tmp_path / "p.html", Path("t.c3d"), trial, replace(answer, labelling=labelling), 0.5)
    page.goto((tmp_path / "p.html").as_uri())
    page.wait_for_selector(READY)
    without = picture(page)
    assert "computed (not shown)" in page.locator(".legend").inner_text()
    page.get_by_label("computed").check()
    assert (picture(page) != without).any() and "not shown" not in page.locator(".legend").inner_text()


def test_a_page_of_another_version_says_so(page, report, tmp_path):
    text = report.read_text(encoding="utf-8").replace('{"version":1,', '{"version":99,', 1)
    (tmp_path / "p.html").write_text(text, encoding="utf-8")
    page.goto((tmp_path / "p.html").as_uri())
    assert "expected a view of version 1, found 99" in page.get_by_role("alert").inner_text()


# editing, against a server that only remembers what it was asked


class Server(ThreadingHTTPServer):
    """Hands out a view that can be edited; `posts` is what the page sent, `refuse` the error it gets instead."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        trial, answer = figure()
        packed, self.points = pack_points(trial)
        editing = {"undo": 1, "redo": 0, "edits": 1, "unsaved": True, "message": ""}
        self.view = view_of(trial, answer, title="t.c3d", labelled_by="a test", points=packed, editing=editing)
        self.posts: list[tuple[str, dict]] = []
        self.refuse: str | None = None


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        found = {
            "/token/": ("text/html", served_page("t.c3d").encode()),
            "/token/api/view": ("application/json", json.dumps(self.server.view).encode()),
            "/token/api/points": ("application/octet-stream", self.server.points),
        }
        self.answer(*found.get(self.path, ("text/plain", b"")), 200 if self.path in found else 404)

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        assert self.headers["Content-Type"] == "application/json"
        self.server.posts.append((self.path.removeprefix("/token/api/"), body))
        if self.server.refuse is not None:
            return self.answer("application/json", json.dumps({"error": self.server.refuse}).encode(), 400)
        view = {k: v for k, v in self.server.view.items() if k != "points"}
        view["editing"] = {
            "undo": 2,
            "redo": 1,
            "edits": 2,
            "unsaved": True,
            "message": f"done {body.get('op', self.path)}",
        }
        if self.path.endswith("save"):
            view = {"written": "out.c3d", "corrections": "out.json", "view": view}
        return self.answer("application/json", json.dumps(view).encode())

    def answer(self, kind: str, content: bytes, status: int = 200) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def server(page) -> Iterator[Server]:
    made = Server()
    thread = threading.Thread(target=made.serve_forever)
    thread.start()
    page.goto(f"http://127.0.0.1:{made.server_port}/token/")
    page.wait_for_selector(READY)
    yield made
    made.shutdown()
    thread.join()
    made.server_close()


def posted(page: Any, server: Server, n: int) -> list[tuple[str, dict]]:
    """What was sent, once there are `n`; the page has taken the answer."""
    for _ in range(1000):
        page.wait_for_timeout(40)
        if len(server.posts) >= n and page.locator(".editing[aria-busy]").count() == 0:
            break
    return server.posts


def said(page: Any) -> str:
    drawn(page)
    return page.get_by_role("status").inner_text()


def test_keys_send_the_edits_of_the_chosen_piece(page, server):
    page.keyboard.press("a")
    assert "Choose a marker first" in said(page) and server.posts == []
    for _ in range(4):
        page.keyboard.press("ArrowDown")  # LHND, column 3
    page.keyboard.press("ArrowRight")
    at = {"column": 3, "frame": 1}
    keys = {"a": "accept", "x": "clear", "b": "split", "j": "join", "v": "flip"}
    for n, (key, op) in enumerate(keys.items(), 1):
        page.keyboard.press(key)
        assert posted(page, server, n)[-1] == ("edit", {"op": op, **at})
        assert f"done {op}" in said(page)
    assert chosen(page) == "LHND"  # still
    page.keyboard.press("V")
    assert posted(page, server, 6)[-1] == ("edit", {"op": "flip_all", "frame": 1})
    whole = {"Control+z": "undo", "Control+y": "redo", "R": "relabel", "Control+s": "save"}
    for n, (key, to) in enumerate(whole.items(), 7):
        page.keyboard.press(key)
        assert posted(page, server, n)[-1] == (to, {})
    assert said(page).endswith("save") and "2 edits, not yet saved" in page.locator(".editing").inner_text()
    origin = f"http://127.0.0.1:{server.server_port}/token/"
    assert all(address.startswith(origin) for address in page.asked)


def test_rename_and_swap_ask_for_the_other(page, server):
    page.keyboard.press("ArrowDown")
    page.keyboard.press("r")
    page.get_by_role("dialog", name="HEAD becomes").wait_for()
    page.keyboard.type("lto")
    page.keyboard.press("Enter")
    assert posted(page, server, 1) == [("edit", {"op": "rename", "column": 0, "frame": 0, "label": "LTOE"})]
    page.keyboard.press("r")
    page.keyboard.type("EXTRA")  # no such label yet
    page.keyboard.press("Enter")
    assert posted(page, server, 2)[-1][1]["label"] == "EXTRA"
    page.keyboard.press("r")
    page.keyboard.press("Escape")
    page.keyboard.press("w")
    page.get_by_role("dialog", name="HEAD changes places with").wait_for()
    options = page.get_by_role("dialog").locator("option").all_inner_texts()
    # 90 mm forward, 190 aside and 200 down: no label is nearer than the shoulders
    assert {o[:4] for o in options[:2]} == {"LSHO", "RSHO"} and "290 mm" in options[0] and len(options) == 7
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    sent = posted(page, server, 3)[-1][1]
    assert (sent["op"], sent["column"], sent["frame"]) == ("swap", 0, 0) and sent["column2"] in range(3, 8)


def test_what_the_server_refuses_is_told(page, server):
    page.keyboard.press("ArrowDown")
    server.refuse = HOSTILE
    page.keyboard.press("a")
    posted(page, server, 1)
    assert said(page) == HOSTILE and page.locator("img").count() == 0
    server.shutdown()
    server.server_close()
    page.keyboard.press("a")
    page.get_by_text("The server does not answer").wait_for()


def test_edits_are_buttons_too(page, server):
    page.keyboard.press("ArrowDown")
    page.get_by_role("button", name="accept").click()
    assert posted(page, server, 1) == [("edit", {"op": "accept", "column": 0, "frame": 0})]
    page.keyboard.press("?")
    assert "rename: give the piece another label" in page.get_by_role("dialog").inner_text()
