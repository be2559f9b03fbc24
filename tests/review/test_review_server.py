"""`aml review` as a process of its own: what it answers, whom it refuses, and what is left after a kill."""

import json
import secrets
import shutil
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from automarkerlabel import io
from automarkerlabel.cli import run
from automarkerlabel.core.trial import Trial
from automarkerlabel.review.report.points import unpack_points
from tests.fixtures.figure import figure_trial
from tests.fixtures.review_server import Server

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="sends signals")
HOSTILE = "</script><img src=x onerror=alert(1)>"


def trial_file(folder: Path) -> Path:
    """A labelled figure of 60 frames; HEAD and LTOE have each other's name from frame 31 on."""
    whole = figure_trial(60)
    points = whole.positions.copy()
    points[30:, [0, 6]] = points[30:, [6, 0]]
    io.write(folder / "walk.c3d", Trial(points, whole.labels, whole.rate_hz))
    return folder / "walk.c3d"


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[Server]:
    """One for the tests that change nothing that matters."""
    server = Server(trial_file(tmp_path_factory.mktemp("review")))
    yield server
    server.kill()


def test_the_page_the_view_and_the_points(server):
    status, page, headers = server.ask("GET", server.path)
    assert status == 200 and page.startswith(b"<!doctype html>") and b"walk.c3d" in page
    assert headers["content-type"].startswith("text/html")
    view = server.get("view")
    assert view["n_frames"] == 60 and len(view["pieces"]) == 8 and view["pieces"][0]["held"] is True
    assert view["editing"] == {"undo": 0, "redo": 0, "edits": 0, "unsaved": False, "message": ""}
    status, content, headers = server.ask("GET", f"{server.path}api/points")
    assert status == 200 and headers["content-type"] == "application/octet-stream"
    points = unpack_points(view["points"], content)
    assert np.abs(points - io.read(server.journal.with_name("walk.c3d")).positions).max() < 0.1


def test_every_answer_is_guarded(server):
    answers = [
        server.ask("GET", server.path),
        server.ask("GET", "/"),
        server.ask("POST", f"{server.path}api/edit", b"x"),
    ]
    for _, _, headers in answers:
        assert headers["cache-control"] == "no-store" and headers["x-content-type-options"] == "nosniff"
        assert (
            headers["referrer-policy"] == "no-referrer"
            and "frame-ancestors 'none'" in headers["content-security-policy"]
        )
        assert not any(name.startswith("access-control") or name == "server" for name in headers)
    page = answers[0][1].decode()
    policy = page.partition('http-equiv="Content-Security-Policy" content="')[2].partition('"')[0]
    assert "default-src 'none'" in policy and "script-src 'sha256-" in policy and "unsafe" not in policy


def paths_of_others(server: Server) -> list[str]:
    """Paths that lead nowhere."""
    token = server.path.strip("/")
    return [
        "/", "/api/view", f"/{token}", f"/{token[:-1]}/api/view", f"/{token}x/api/view",
        f"/{secrets.token_urlsafe(32)}/",
        f"/{token}/api", f"/{token}/api/view/", f"/{token}/api/undo", f"/{token}/walk.c3d", f"/{token}/../walk.c3d",
        f"/{token}/api/../../walk.c3d", f"/{token}/%2e%2e/walk.c3d", f"/{token}/api/..%2f..%2fetc/passwd",
        f"/{token}//etc/passwd", f"/{token}/page.js", "//etc/passwd", "/%00", f"/{token}/api/view%00", f"/x/{token}/",
        "/%C3%A9", f"/{token}/static/page.js",
    ]  # fmt: skip


def test_nothing_else_is_answered(server):
    for path in paths_of_others(server):
        status, content, _ = server.ask("GET", path)
        assert status in (404, 405), path
        assert len(content) < 100


def refused(server: Server, what: str = "edit", body: bytes = b"{}", **headers: str | None) -> int:
    named = {k.replace("_", "-"): v for k, v in headers.items()}
    return server.ask("POST", f"{server.path}api/{what}", body, named)[0]


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1", "localhost", "127.0.0.1:1", "127.0.0.1.evil.example", "", None, "[::1]"]
)
def test_other_hosts_are_refused(server, host):
    given = host if host is None or ":" in host else host + ":" + server.host.rpartition(":")[2] * ("evil" in host)
    status, content, _ = server.ask("GET", f"{server.path}api/view", headers={"Host": given})
    assert status in (400, 403) and b"pieces" not in content


def test_this_host_has_two_names(server):
    host = server.host.replace("127.0.0.1", "localhost")
    assert server.ask("GET", f"{server.path}api/view", headers={"Host": host})[0] == 200
    assert refused(server, "undo", Host=host, Origin=f"http://{host}") == 400  # let in; nothing to undo
    assert refused(server, "undo", Host=host, Origin=f"http://{server.host}") == 403


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", None, "http://127.0.0.1", "https://{host}", "http://{host}/"]
)
def test_other_origins_are_refused(server, origin):
    assert refused(server, "undo", Origin=origin and origin.format(host=server.host)) == 403
    if origin is not None:
        headers = {"Origin": origin.format(host=server.host)}
        assert server.ask("GET", f"{server.path}api/view", headers=headers)[0] == 403


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "", None])
def test_only_json_is_taken(server, kind):
    assert refused(server, "undo", Content_Type=kind) == 415


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "OPTIONS", "PATCH"])
def test_only_posts_change_anything(server, method):
    status = server.ask(method, f"{server.path}api/undo", headers={"Origin": f"http://{server.host}"})[0]
    assert status == 405


@pytest.mark.parametrize("body", [b"{", b"[]", b"1", b"\xff", b'{"op":' + b"[" * 5000, b'"rename"'])
def test_bodies_that_are_no_objects_are_refused(server, body):
    status, content, _ = server.ask("POST", f"{server.path}api/edit", body)
    assert status == 400 and "expected" in json.loads(content)["error"]


def test_large_bodies_are_refused_before_they_are_read(server):
    assert refused(server, body=b" " * 70_000) == 413
    head = f"POST {server.path}api/edit HTTP/1.1\r\nHost: {server.host}\r\nOrigin: http://{server.host}\r\n"
    head += "Content-Type: application/json\r\nContent-Length: 99999999999\r\n\r\n"
    host, _, port = server.host.partition(":")
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        connection.sendall(head.encode() + b" " * 70_000)  # and no more of what was promised
        assert b" 413 " in connection.recv(1000)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"op": "rename", "column": 0, "frame": 0, "label": "A\n"}, "lost"),
        ({"op": "rename", "column": 0, "frame": 0, "label": "A\u0007B"}, "control character"),
        ({"op": "accept", "column": 99, "frame": 0}, "pick a marker"),
        ({"op": "nonsense"}, "rename, clear, accept"),
        ({}, "rename, clear, accept"),
    ],
)
def test_edits_that_cannot_be_are_told_in_one_line(server, values, words):
    if words == "lost":  # blanks at the ends do no harm
        assert server.post("edit", **values)["labels"][-1] == "A"
        server.post("undo")
        return
    error = server.post("edit", 400, **values)["error"]
    assert words in error and "\n" not in error


def test_a_whole_review_with_a_kill_in_the_middle(tmp_path):
    trial = trial_file(tmp_path)
    server = Server(trial)
    view = server.post("edit", op="swap", column=0, column2=6, frame=30)
    assert view["editing"]["edits"] == 1 and view["editing"]["unsaved"] is True and "points" in view
    server.post("edit", op="rename", column=3, frame=0, label=HOSTILE)
    server.post("edit", op="accept", column=4, frame=0)
    last = server.post("undo")
    server.kill()
    with (tmp_path / "walk.c3d.review.jsonl").open("ab") as journal:
        journal.write(b'{"op":"clear","column":0,"fr')  # what the kill cut off

    server = Server(trial, "--port", "0")
    view = server.get("view")
    assert {k: v for k, v in view.items() if k != "editing"} == {k: v for k, v in last.items() if k != "editing"}
    assert (view["editing"]["undo"], view["editing"]["redo"]) == (2, 1)
    assert HOSTILE in view["labels"]
    done = server.post("save")
    assert done["view"]["editing"]["unsaved"] is False
    assert Path(done["written"]) == tmp_path / "walk_reviewed.c3d"
    code, said = server.stop()
    assert code == 0 and "going on from" in said and "nothing is unsaved" in said

    whole, reviewed = figure_trial(60), io.read(done["written"])
    names = [HOSTILE if x == "LHND" else x for x in whole.labels]
    assert sorted(reviewed.labels) == sorted(names)
    order = [reviewed.labels.index(x) for x in names]
    np.testing.assert_array_equal(reviewed.positions[:, order], whole.positions)
    told = json.loads(Path(done["corrections"]).read_text())
    assert {n["label"] for n in told["named"]} == {"HEAD", "LTOE", HOSTILE}


def test_ctrl_c_says_what_is_unsaved(tmp_path):
    server = Server(trial_file(tmp_path))
    server.post("edit", op="clear", column=0, frame=0)
    other = subprocess_of(server)
    code, said = server.stop()
    assert code == 0 and "not yet in walk_reviewed.c3d" in said
    assert other == 2
    assert not (tmp_path / "walk_reviewed.c3d").exists()


def subprocess_of(server: Server) -> int:
    """The exit code of a second review of the same trial."""
    return run(["review", str(server.journal.with_name("walk.c3d")), "--no-browser"])


def test_usage_errors_are_one_line(tmp_path, capsys, monkeypatch):
    trial = trial_file(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert run(["review", str(trial), "--no-browser", "--port", str(taken.getsockname()[1])]) == 2
    assert "--port: expected a port that is free" in capsys.readouterr().err
    assert run(["review", str(tmp_path / "none.c3d"), "--no-browser"]) == 2
    assert run(["review", str(trial), "--no-browser", "-o", str(trial)]) == 2
    assert run(["review", str(trial), "--no-browser", "--min-confidence", "2"]) == 2
    shutil.copy(trial, tmp_path / "other.c3d")
    capsys.readouterr()
    monkeypatch.setattr("automarkerlabel.cli.review.find_spec", lambda name: None)
    assert run(["review", str(trial)]) == 2
    assert "automarkerlabel[review]" in capsys.readouterr().err
