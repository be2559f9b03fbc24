"""A real `aml review` in a process of its own, and requests to it, for the tests."""

import http.client
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit


class Server:
    """`aml review TRIAL --no-browser --json ...` once it answers; `said` what it told beside its address."""

    def __init__(self, trial: Path, *options: str) -> None:
        command = [sys.executable, "-m", "automarkerlabel", "review", str(trial), "--no-browser", "--json", *options]
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8",
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )  # fmt: skip
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if "address" not in line:
            raise AssertionError(f"no address, but {line!r} and {self.end()}")
        first = json.loads(line)
        self.address, self.journal = str(first["address"]), Path(first["journal"])
        parts = urlsplit(self.address)
        self.host, self.path = parts.netloc, parts.path

    def ask(
        self, method: str, path: str, body: bytes | None = None, headers: dict[str, str | None] | None = None
    ) -> tuple[int, bytes, dict[str, str]]:
        """Status, content and headers of the answer to a request as of the page, but for some headers."""
        sent: dict[str, str | None] = {"Host": self.host}
        if method == "POST":
            sent |= {"Origin": f"http://{self.host}", "Content-Type": "application/json"}
        sent |= headers or {}
        connection = http.client.HTTPConnection(self.host, timeout=60)
        try:
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            for name, value in sent.items():
                if value is not None:
                    connection.putheader(name, value)
            if body is not None:
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            answer = connection.getresponse()
            return answer.status, answer.read(), {k.lower(): v for k, v in answer.getheaders()}
        finally:
            connection.close()

    def get(self, what: str) -> Any:
        """The JSON of `api/what`."""
        status, content, _ = self.ask("GET", f"{self.path}api/{what}")
        assert status == 200, content
        return json.loads(content)

    def post(self, what: str, expect: int = 200, **values: Any) -> Any:
        """The JSON that `api/what` answers to some values."""
        status, content, _ = self.ask("POST", f"{self.path}api/{what}", json.dumps(values).encode())
        assert status == expect, content
        return json.loads(content)

    def stop(self) -> tuple[int, str]:
        """Ctrl-C; the exit code and what was said on stderr."""
        import signal

        self.process.send_signal(signal.SIGINT)
        said = self.end()
        return self.process.returncode, said

    def kill(self) -> None:
        """As a power cut would."""
        self.process.kill()
        self.end()

    def end(self) -> str:
        """What was said on stderr, once the process is gone."""
        try:
            return self.process.communicate(timeout=60)[1]
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
