"""Ctrl-C while modules are imported, as sent by an import hook."""

import os
import subprocess
import sys

import pytest

HOOK = """
import os, signal, sys
class Finder:
    def find_spec(self, name, *_):
        if name == {module!r}:
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Finder())
"""
MODULES = ["sitenet_sklearn.crystals", "pandas.core.api", "sitenet_sklearn.cli.app"]


def interrupted(folder, module, *command):
    (folder / "sitecustomize.py").write_text(HOOK.format(module=module))
    path = os.pathsep.join([str(folder), *filter(None, sys.path)])
    environment = os.environ | {"PYTHONPATH": path}
    return subprocess.run([sys.executable, *command], capture_output=True, text=True, check=False, env=environment)


@pytest.mark.parametrize("module", MODULES)
@pytest.mark.parametrize("form", ["module", "script"])
def test_a_command_ends_without_a_traceback(tmp_path, module, form):
    (tmp_path / "sitenet").write_text("from sitenet_sklearn.__main__ import main\nmain()\n")
    command = ["-m", "sitenet_sklearn"] if form == "module" else [tmp_path / "sitenet"]
    done = interrupted(tmp_path, module, *command, "--version")
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


@pytest.mark.parametrize("form", ["module", "script"])
def test_other_programs_are_interrupted_as_python_does(tmp_path, form):
    (tmp_path / "other.py").write_text("try:\n import sitenet_sklearn\nexcept KeyboardInterrupt:\n print('kept')")
    command = ["-m", "other"] if form == "module" else [tmp_path / "other.py"]
    done = interrupted(tmp_path, "sitenet_sklearn.pretrained", *command, "sitenet_sklearn")
    assert (done.returncode, done.stdout) == (0, "kept\n")
