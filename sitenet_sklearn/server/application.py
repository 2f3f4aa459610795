"""The application: who may ask, how much may be sent, and one answer after the other.

Every address begins with a token that nobody can guess, so that neither other users of the computer nor other pages in
the browser can ask. Nothing that is sent outlives its answer.
"""

import asyncio
import json
import secrets
from concurrent.futures import ThreadPoolExecutor
from importlib.resources import files

from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from .uploads import MAX_FILE, MAX_FILES, MAX_UPLOAD, too_large

HOSTS = ("127.0.0.1", "localhost")
"""Names by which the computer may call itself: a page of others that points its own name here is refused."""

PATIENCE = 60
"""Seconds that an upload may take."""

PLACES = 8
"""Uploads that are in memory at the same time; others wait unread."""

PAGE = {
    "": ("index.html", "text/html"),
    "page.css": ("page.css", "text/css"),
    "page.js": ("page.js", "text/javascript"),
    "picture.js": ("picture.js", "text/javascript"),
    "table.js": ("table.js", "text/javascript"),
}
"""What the browser gets by which address, and of which kind."""

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
"""What every response says: nothing from elsewhere is loaded or run, and the address with its token goes nowhere."""


def make_application(answers, about, token):
    """Build the application.

    Parameters
    ----------
    answers : Answers
        Of the model.
    about : dict
        What the page says about the model: `title` and `unit` of the quantity, `what` it is, and lists of sentences,
        `failures` and `unfit`.
    token : str
        How every address begins.

    Returns
    -------
    Starlette
    """
    worker = ThreadPoolExecutor(1, thread_name_prefix="prediction")  # one computation at a time, in the order asked

    async def answer(request):
        _check_origin(request)
        name = request.query_params.get("name") or "file without a name"
        try:
            content = await asyncio.wait_for(_read_body(request), PATIENCE)
        except ClientDisconnect:
            return Response(status_code=400)
        except TimeoutError as error:
            raise HTTPException(408, f"the upload took more than {PATIENCE} seconds") from error
        rows = _as_lines(answers.rows(name, content), worker)
        return StreamingResponse(rows, media_type="application/x-ndjson")

    limits = {"file": MAX_FILE, "upload": MAX_UPLOAD, "files": MAX_FILES}
    routes = [
        *(Route(f"/{path}", _send(*found)) for path, found in PAGE.items()),
        Route("/about", lambda _: JSONResponse(about | {"limits": limits})),
        Route("/answers", answer, methods=["POST"], middleware=[Middleware(_WithPlaces)]),
    ]
    guards = [
        Middleware(_WithHeaders),
        Middleware(_WithToken, token=token),
        Middleware(TrustedHostMiddleware, allowed_hosts=HOSTS, www_redirect=False),
    ]
    return Starlette(routes=routes, middleware=guards, exception_handlers={HTTPException: _explain})


def _send(name, kind):
    content = files(__package__).joinpath("page", name).read_bytes()
    return lambda _: Response(content, media_type=kind)


def _explain(_, error):
    return PlainTextResponse(error.detail, error.status_code, {"Connection": "close"})


def _check_origin(request):
    """Refuse what a page of another site sends."""
    origin = request.headers.get("origin")
    if origin is not None and origin != f"http://{request.headers['host']}":
        raise HTTPException(403, "asked from another site")


async def _read_body(request):
    """Read what is sent, and stop as soon as it is too much."""
    content = bytearray()
    async for part in request.stream():
        content += part
        if len(content) > MAX_UPLOAD:
            raise HTTPException(413, too_large(MAX_UPLOAD))
    return bytes(content)


async def _as_lines(rows, worker):
    """Yield rows as lines of JSON, and a last one that says that there are no more.

    Each row is computed in the worker, so that pages wait for each other in turn.
    """
    loop = asyncio.get_running_loop()
    row = {}
    while "end" not in row:
        row = await loop.run_in_executor(worker, next, rows, {"end": True})
        yield json.dumps(row) + "\n"


class _WithHeaders:
    """Put `HEADERS` on every response."""

    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        async def send_with_headers(message):
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        await self.app(scope, receive, send_with_headers)


class _WithToken:
    """Pass on what begins with the token, without it; anything else does not exist."""

    def __init__(self, app, token):
        self.app, self.token = app, token.encode()

    async def __call__(self, scope, receive, send):
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        given, slash, path = scope["path"].removeprefix("/").partition("/")
        if secrets.compare_digest(given.encode(), self.token) and slash:
            await self.app(scope | {"path": f"/{path}"}, receive, send)
        else:
            await PlainTextResponse("Not Found", 404, {"Connection": "close"})(scope, receive, send)


class _WithPlaces:
    """Let a request wait until there is a place, which it has until its answer is given."""

    def __init__(self, app):
        self.app, self.places = app, asyncio.Semaphore(PLACES)

    async def __call__(self, scope, receive, send):
        async with self.places:
            await self.app(scope, receive, send)
