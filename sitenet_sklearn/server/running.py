"""Running: a port of this computer, and the server on it until Ctrl-C."""

import os
import secrets
import socket

import uvicorn

from .answers import Answers
from .application import make_application

ADDRESS = "127.0.0.1"
"""Where is listened: other computers cannot reach it."""

MOST_CONNECTIONS = 16
"""At the same time; with the largest upload this bounds the memory."""


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
    settings = {"lifespan": "off", "ws": "none", "http": "h11", "log_config": None, "access_log": False}
    settings |= {"server_header": False, "proxy_headers": False, "limit_concurrency": MOST_CONNECTIONS}
    ready(f"http://{ADDRESS}:{taken.getsockname()[1]}/{token}/")
    _Server(uvicorn.Config(application, **settings)).run(sockets=[taken])


class _Server(uvicorn.Server):
    def handle_exit(self, sig, frame):  # noqa: ARG002
        """End at once: nothing is kept, so nothing has to be finished, were it a prediction that takes seconds."""
        os._exit(128 + sig)
