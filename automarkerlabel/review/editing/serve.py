"""Serving a review until Ctrl-C."""

import socket
import sys
import webbrowser
from collections.abc import Callable
from contextlib import suppress
from threading import Thread

import uvicorn

from automarkerlabel.errors import InputError
from automarkerlabel.review.editing.server import HOSTS, application, new_token
from automarkerlabel.review.editing.session import Session

_BACKLOG = 16


def serve(session: Session, port: int, started: Callable[[str], None], open_browser: bool) -> None:
    """Serve a review at a free port, or at `port`, until Ctrl-C; `started` hears the address once it answers.

    Raises `InputError` for a port that is taken.
    """
    with _listening(port) as listening:
        port = listening.getsockname()[1]
        token = new_token()
        address = f"http://{HOSTS[0]}:{port}/{token}/"
        config = uvicorn.Config(
            application(session, token, port), log_config=None, access_log=False, server_header=False, ws="none",
            lifespan="off",
        )  # fmt: skip
        started(address)
        if open_browser:
            Thread(target=webbrowser.open, args=(address,), daemon=True).start()  # some wait until it is closed
        with suppress(KeyboardInterrupt):  # the usual way to end it; what was done is in the journal
            uvicorn.Server(config).run([listening])


def _listening(port: int) -> socket.socket:
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        if sys.platform != "win32":  # there it would let others take the port, too
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((HOSTS[0], port))
        listening.listen(_BACKLOG)
    except (OSError, OverflowError) as error:
        listening.close()
        raise InputError(f"port: expected a port that is free, found {port} ({error}); leave it away") from error
    return listening
