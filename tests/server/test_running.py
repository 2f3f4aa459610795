"""The server as a process of its own: what a test client cannot see."""

import os
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from served import Server

pytest.importorskip("uvicorn", reason="needs the extra serve")

from sitenet_sklearn.crystals.crystal_files import MAX_BYTES, MAX_SITES
from sitenet_sklearn.server.answers import MAX_DRAWN
from sitenet_sklearn.server.application import PATIENCE, PLACES
from sitenet_sklearn.server.running import ADDRESS, MOST_CONNECTIONS, SILENCE, bound_socket
from sitenet_sklearn.server.uploads import MAX_EXPANDED, MAX_FILE, MAX_FILES, MAX_UPLOAD


def head(server, length):
    """Give the beginning of an upload, by hand, as no client would go on as the tests do."""
    lines = [f"POST {server.address.path}answers?name=a.zip HTTP/1.1", f"Host: {ADDRESS}", length]
    return "\r\n".join([*lines, "", ""]).encode()


@pytest.fixture(scope="module")
def server():
    server = Server()
    yield server
    code, told = server.end()
    assert code == 130
    assert told == "open this address in a browser on this computer; Ctrl-C ends it\n"


@pytest.fixture(scope="module")
def cif(crystals):
    return crystals["CsCl"].to(fmt="cif").encode()


def test_it_answers(server, cif):
    row, end = server.rows("a.cif", cif)
    assert row["formula"] == "CsCl"
    assert 4 < row["values"]["prediction"] < 6
    assert end == {"end": True}
    assert len(server.address.path) > 30


def test_other_computers_cannot_reach_it(server):
    for name in {info[4][0] for info in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)} - {ADDRESS}:
        if not name.startswith("127."):
            with pytest.raises(OSError, match=r"refused|timed out|unreachable"):
                socket.create_connection((name, server.address.port), timeout=5)


def test_a_gigabyte_is_refused_before_it_is_sent(server, cif):
    for chunked in (False, True):
        sent = send_much(server, chunked=chunked)
        assert sent < 4 * MAX_UPLOAD
    assert len(server.rows("a.cif", cif)) == 2


def send_much(server, *, chunked, total=2**30):
    """Send a gigabyte as long as the other side takes it; return how much went out."""
    length = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {total}"
    part = b" " * 2**20
    framed = b"%x\r\n%s\r\n" % (len(part), part) if chunked else part
    sent = 0
    with socket.create_connection((ADDRESS, server.address.port), timeout=30) as connection:
        connection.sendall(
            f"POST {server.address.path}answers HTTP/1.1\r\nHost: {ADDRESS}\r\n{length}\r\n\r\n".encode()
        )
        try:
            while sent < total:
                connection.sendall(framed)
                sent += len(part)
        except OSError:
            pass
    return sent


def test_those_who_go_away_do_no_harm(server, cif, make_zip):
    content = make_zip({f"{k}.cif": cif for k in range(100)})
    for part in (b"", content[:100], content):  # in mid-upload, and in mid-prediction
        with socket.create_connection((ADDRESS, server.address.port)) as connection:
            connection.sendall(head(server, f"Content-Length: {len(content)}") + part)
            time.sleep(0.2)
    begin = time.monotonic()
    assert len(server.rows("a.cif", cif)) == 2
    assert time.monotonic() - begin < 5  # the zip that nobody waits for is left


def test_a_second_page_waits(server, cif, make_zip):
    content = make_zip({f"{k}.cif": cif for k in range(8)})
    found = {}

    def ask(name):
        found[name] = len(server.rows(name, content))

    pages = [threading.Thread(target=ask, args=(f"{name}.zip",)) for name in "abc"]
    for page in pages:
        page.start()
    for page in pages:
        page.join()
    assert found == {"a.zip": 9, "b.zip": 9, "c.zip": 9}


def test_connections_that_say_nothing_take_no_place_and_are_closed(server):
    beginnings = [b"", b"GET / HTTP", b"GET / HTTP/1.1\r\nHost: x\r\n\r\nGET"]
    silent = [socket.create_connection((ADDRESS, server.address.port), timeout=30) for _ in range(99)]
    for k, connection in enumerate(silent):
        connection.sendall(beginnings[k % 3])
    assert server.ask("GET", "about")[0] == 200
    for k, connection in enumerate(silent):
        with connection, connection.makefile("rb") as stream:
            assert (b"404 Not Found" in stream.read()) == (k % 3 == 2)  # to its end


def test_many_uploads_at_once_are_all_answered(server, cif):
    with ThreadPoolExecutor(30) as pool:
        found = list(pool.map(lambda k: server.rows(f"{k}.cif", cif), range(30)))
    assert [row["file"] for row, _ in found] == [f"{k}.cif" for k in range(30)]
    assert all("values" in row for row, _ in found)


def test_no_file_is_left(server, cif, make_zip):
    """Whatever the process has open is a library, a device or a socket."""
    folder = f"/proc/{server.process.pid}/fd"
    if not os.path.isdir(folder):  # noqa: PTH112
        pytest.skip("needs /proc")
    server.rows("a.zip", make_zip({"a.cif": cif, "b.cif": b"x"}))
    opened = [os.readlink(f"{folder}/{name}") for name in os.listdir(folder)]  # noqa: PTH115, PTH208
    assert not [name for name in opened if "cif" in name or name.endswith("(deleted)")]


@pytest.mark.parametrize("busy", ["with an upload", "with a prediction"])
def test_ctrl_c_ends_it_whatever_it_does(cif, make_zip, busy):
    server = Server()
    content = make_zip({f"{k}.cif": cif for k in range(500)})
    sent = content[:100] if busy == "with an upload" else content
    with socket.create_connection((ADDRESS, server.address.port)) as connection:
        connection.sendall(head(server, f"Content-Length: {len(content)}") + sent)
        time.sleep(0.5)
        code, told = server.end()
    assert code == 130
    assert "Traceback" not in told


def test_the_documentation_states_the_limits():
    page = (Path(__file__).parents[2] / "docs" / "serve.md").read_text(encoding="utf-8")
    text, zipped = MAX_BYTES["cif"] >> 20, f"{MAX_UPLOAD >> 20} MiB, {MAX_FILES:,} files, and {MAX_EXPANDED >> 20} MiB"
    assert {MAX_BYTES[kind] for kind in ("poscar", "json", "xyz")} == {text << 20}
    for words in (
        f"| {MAX_FILE >> 20} MiB, and {text} MiB of text when unpacked (YAML {MAX_BYTES['yaml'] >> 10} KiB) |",
        f"| {zipped} when unpacked",
        f'| {MAX_FILES:,} files; "Clear"',
        f"| {PATIENCE} seconds |",
        f"| {MOST_CONNECTIONS} connections, of which {PLACES} uploads",
        f"closed after {SILENCE} seconds |",
        f"Cells of more than {MAX_DRAWN} sites are predicted, but not drawn",
        f"cells of more than {MAX_SITES:,}\nsites",
    ):
        assert words in page


def test_a_port_can_be_chosen_and_taken_once():
    with bound_socket(0) as taken:
        port = taken.getsockname()[1]
        assert taken.getsockname()[0] == "127.0.0.1"
        assert taken.proto == socket.IPPROTO_TCP  # otherwise every answer waits 40 ms
        with pytest.raises(OSError, match=rf"port {port} cannot be taken \(.*\): choose another, or 0 for a free one"):
            bound_socket(port)
    with bound_socket(port) as again:
        assert again.getsockname()[1] == port
