"""Running: a port of this computer, and the server on it until Ctrl-C."""

import os
import secrets
import socket

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from .answers import Answers
from .application import make_application

ADDRESS = "127.0.0.1"
"""Where is listened: other computers cannot reach it."""

MOST_CONNECTIONS = 500
"""At the same time; what is sent over them is bounded in `application`."""

SILENCE = 5
"""Seconds after which a connection is closed over which nothing is asked, so that it takes no place from others."""


def bound_socket(port):
    """Take a port of this computer, before anything long begins; who asks meanwhile waits.

    Parameters
    ----------
    port : int
        Its number; 0 for a free one.

    Returns
    -------
    socket.socket

    Raises
    ------
    OSError
        If it is taken, or not allowed.
    """
    protocol = socket.IPPROTO_TCP  # by its name asyncio knows where to send small parts without delay
    found = socket.socket(socket.AF_INET, socket.SOCK_STREAM, protocol)
    try:
        if hasattr(socket, "SO_REUSEADDR") and not hasattr(socket, "SO_EXCLUSIVEADDRUSE"):  # not on Windows
            found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind((ADDRESS, port))
        found.listen()
    except OSError as error:
        found.close()
        raise OSError(f"port {port} cannot be taken ({error.strerror}): choose another, or 0 for a free one") from error
    return found


def serve(model, about, taken, ready):
    """Serve the page until Ctrl-C, which ends the process with code 130 whatever it does.

    Parameters
    ----------
    model : estimator or Pipeline
        Fitted, for crystals that are not featurized yet.
    about : dict
        As in `make_application`.
    taken : socket.socket
        From `bound_socket`.
    ready : callable
        Called with the address of the page as soon as a browser can open it.
    """
    token = secrets.token_urlsafe(24)
    application = make_application(Answers(model), about, token)
    settings = {"lifespan": "off", "ws": "none", "http": _Connection, "log_config": None, "access_log": False}
    settings |= {"server_header": False, "proxy_headers": False}
    settings |= {"limit_concurrency": MOST_CONNECTIONS, "timeout_keep_alive": SILENCE}
    ready(f"http://{ADDRESS}:{taken.getsockname()[1]}/{token}/")
    _Server(uvicorn.Config(application, **settings)).run(sockets=[taken])


class _Connection(H11Protocol):
    def connection_made(self, transport):
        """Wait for the first request: uvicorn itself waits for as long as it takes."""
        super().connection_made(transport)
        self.loop.call_later(SILENCE, self._close_if_silent)

    def _close_if_silent(self):
        if self.cycle is None:
            self.transport.close()


class _Server(uvicorn.Server):
    def handle_exit(self, sig, frame):  # noqa: ARG002
        """End at once: nothing is kept, so nothing has to be finished, were it a prediction that takes seconds."""
        os._exit(128 + sig)
