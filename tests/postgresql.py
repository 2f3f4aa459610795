"""A PostgreSQL server for a test, where its programs are installed."""

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path


def programs():
    """Folder of initdb and pg_ctl, or None."""
    found = shutil.which("initdb")
    folders = [Path(found).resolve().parent] if found else sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    return folders[-1] if folders else None


def account():
    """Account to run the server as, which refuses to be root; None for the present one, "" where there is none."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return next((name for name in ("postgres", "nobody") if name in names), "")


@contextlib.contextmanager
def server():
    """Run a server in a folder of its own; yields the URL of its database."""
    user, folder = account(), Path(tempfile.mkdtemp(prefix="pg"))
    if user is not None:
        shutil.chown(folder, user)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]

    def call(program, *arguments):
        command = [str(programs() / program), "-D", str(folder / "data"), *arguments]
        subprocess.run(command, user=user, cwd=folder, check=True, stdout=subprocess.DEVNULL)

    try:
        call("initdb", "-U", "tester", "-A", "trust", "--no-sync")
        call("pg_ctl", "-w", "-l", str(folder / "log"), "-o", f"-p {port} -k {folder} -F", "start")
        try:
            yield f"postgresql+psycopg2://tester@127.0.0.1:{port}/postgres"
        finally:
            call("pg_ctl", "-w", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
