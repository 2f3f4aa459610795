import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

pytest.importorskip("starlette", reason="needs the extra serve")

from starlette.testclient import TestClient

from sitenet_sklearn.server import application
from sitenet_sklearn.server.application import HEADERS, PAGE, make_application
from sitenet_sklearn.server.uploads import MAX_FILE, MAX_UPLOAD

TOKEN = "unguessable"  # noqa: S105
ABOUT = {"title": "Band gap", "unit": "eV", "what": "", "failures": [], "unfit": []}
HERE = "http://127.0.0.1:8000"


class Echo:
    """Answers that say what came."""

    def rows(self, name, content):
        yield {"file": name, "formula": None, "reason": str(len(content))}


def client_of(answers):
    return TestClient(make_application(answers, ABOUT, TOKEN), base_url=HERE)


@pytest.fixture
def client():
    return client_of(Echo())


def rows_of(response):
    assert response.status_code == 200
    *rows, end = map(json.loads, response.text.splitlines())
    assert end == {"end": True}
    return rows


def post(client, content=b"x", name="a.cif", **headers):
    return client.post(f"/{TOKEN}/answers", params={"name": name}, content=content, headers=headers)


def test_the_page_is_there(client):
    for path, (_, kind) in PAGE.items():
        response = client.get(f"/{TOKEN}/{path}")
        assert response.status_code == 200
        assert response.headers["content-type"].startswith(kind)
    assert client.get(f"/{TOKEN}/about").json()["limits"] == {"file": MAX_FILE, "upload": MAX_UPLOAD, "files": 2000}


def test_every_file_of_the_page_is_sent():
    folder = application.files("sitenet_sklearn.server") / "page"
    assert {path.name for path in folder.iterdir()} == {name for name, _ in PAGE.values()}


@pytest.mark.parametrize("path", ["", "about", "page.js", "answers"])
@pytest.mark.parametrize("token", ["", "x", TOKEN[:-1], f"{TOKEN}x", TOKEN.upper(), "%00", "ü", ".."])
def test_without_the_token_there_is_nothing(client, path, token):
    for address in (f"/{token}/{path}", f"/{token}", f"/{path}?token={TOKEN}"):
        for method in ("GET", "POST", "OPTIONS", "HEAD"):
            assert client.request(method, address, content=b"").status_code == 404


@pytest.mark.parametrize("path", ["/nothing", "/../pyproject.toml", "/%2e%2e/answers.py", "//about", "/page.js/"])
def test_nothing_else_is_there(client, path):
    assert client.get(f"/{TOKEN}{path}").status_code == 404


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8000", "127.0.0.1.evil.example", "", "[::1]"])
def test_names_that_lead_here_are_refused(client, host):
    assert client.get(f"/{TOKEN}/", headers={"Host": host}).status_code == 400
    assert post(client, Host=host).status_code == 400


def test_the_computer_may_be_called_localhost(client):
    assert client.get(f"/{TOKEN}/", headers={"Host": "localhost:9000"}).status_code == 200


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "https://127.0.0.1:8000", "http://127.0.0.1:8001"])
def test_other_sites_cannot_send(client, origin):
    response = post(client, Origin=origin)
    assert response.status_code == 403
    assert "access-control-allow-origin" not in response.headers
    assert len(rows_of(post(client, Origin=HERE))) == 1


def test_a_form_of_another_site_reads_nothing(client):
    headers = {"Access-Control-Request-Method": "POST", "Origin": "http://evil.example"}
    response = client.options(f"/{TOKEN}/answers", headers=headers)
    assert response.status_code == 405
    assert not any(name.startswith("access-control") for name in response.headers)


def test_every_response_says_what_is_allowed(client):
    responses = [client.get(f"/{TOKEN}/"), client.get("/x"), client.get(f"/{TOKEN}/x"), post(client)]
    responses += [post(client, Origin="null"), client.get("/", headers={"Host": "evil.example"})]
    for response in responses:
        assert {name: response.headers[name] for name in HEADERS} == HEADERS
    assert HEADERS["X-Content-Type-Options"] == "nosniff"
    assert HEADERS["Referrer-Policy"] == "no-referrer"
    assert HEADERS["Cache-Control"] == "no-store"
    assert "default-src 'none'" in HEADERS["Content-Security-Policy"]
    assert "unsafe" not in HEADERS["Content-Security-Policy"]


def test_the_page_needs_nothing_from_elsewhere():
    folder = application.files("sitenet_sklearn.server") / "page"
    for name, _ in PAGE.values():
        text = (folder / name).read_text(encoding="utf-8")
        addresses = [word for word in text.split('"') if "://" in word]
        assert all(word == "http://www.w3.org/2000/svg" for word in addresses), addresses
        assert "innerHTML" not in text
        assert "insertAdjacentHTML" not in text
        assert " style=" not in text


def test_names_come_as_they_are(client):
    for name in ("<img src=x onerror=alert(1)>.cif", "=1+1.cif", "Größe &?#%.cif", "\"'.cif"):
        (row,) = rows_of(post(client, name=name))
        assert row["file"] == name
    (row,) = rows_of(client.post(f"/{TOKEN}/answers", content=b"x"))
    assert row["file"] == "file without a name"


def test_large_uploads_are_refused_while_they_are_read(client):
    response = client.post(f"/{TOKEN}/answers", content=b" " * (MAX_UPLOAD + 1))
    assert response.status_code == 413
    assert "larger than 32 MiB" in response.text
    (row,) = rows_of(post(client, b" " * MAX_UPLOAD))
    assert row["reason"] == str(MAX_UPLOAD)
    parts = (b" " * 2**20 for _ in range(MAX_UPLOAD // 2**20 + 1))  # without saying how much it will be
    assert client.post(f"/{TOKEN}/answers", content=parts).status_code == 413


def test_uploads_that_take_too_long_end(monkeypatch):
    async def never(_):
        await application.asyncio.sleep(60)

    monkeypatch.setattr(application, "PATIENCE", 0.01)
    monkeypatch.setattr(application, "_read_body", never)
    response = post(client_of(Echo()))
    assert response.status_code == 408
    assert "more than 0.01 seconds" in response.text


def test_one_computation_at_a_time():
    class Slow:
        busy, most = 0, 0
        lock = threading.Lock()

        def rows(self, name, _):
            for _ in range(3):
                with self.lock:
                    Slow.busy += 1
                    Slow.most = max(Slow.most, Slow.busy)
                time.sleep(0.01)
                with self.lock:
                    Slow.busy -= 1
                yield {"file": name, "reason": ""}

    with client_of(Slow()) as client, ThreadPoolExecutor(6) as pool:
        found = list(pool.map(lambda name: rows_of(post(client, name=name)), "abcdef"))
    assert [[row["file"] for row in rows] for rows in found] == [[name] * 3 for name in "abcdef"]
    assert Slow.most == 1


def test_few_uploads_are_in_memory_at_a_time(monkeypatch):
    class Counting:
        held, most = 0, 0

    async def read(request):
        Counting.held += 1
        Counting.most = max(Counting.most, Counting.held)
        await application.asyncio.sleep(0.05)
        return await request.body()

    class Releasing:
        def rows(self, name, _):
            yield {"file": name, "reason": ""}
            Counting.held -= 1

    monkeypatch.setattr(application, "_read_body", read)
    with client_of(Releasing()) as client, ThreadPoolExecutor(30) as pool:
        found = list(pool.map(lambda k: rows_of(post(client, name=str(k))), range(30)))
    assert [row["file"] for (row,) in found] == [str(k) for k in range(30)]
    assert Counting.most <= application.PLACES


def test_answers_are_those_of_the_model(answers, crystals):
    text = crystals["NaCl"].to(fmt="cif").encode()
    (row,) = rows_of(post(client_of(answers), text))
    (expected,) = answers.rows("a.cif", text)
    assert row == json.loads(json.dumps(expected))
