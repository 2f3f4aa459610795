"""Ctrl-C while a command starts: its imports take seconds, and an interrupted import raises anything.

The package imports this first. Where another program imports the library, nothing is done. What ends a job of a queue
or a container, SIGTERM, ends a command that has started as Ctrl-C does.
"""

import os
import signal
import sys
from pathlib import Path


def end_at_ctrl_c():
    """Let Ctrl-C end the process with code 130, unless it is ignored or handled already."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _end)


def raise_at_ctrl_c():
    """Let Ctrl-C raise KeyboardInterrupt again."""
    if signal.getsignal(signal.SIGINT) is _end:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def raise_at_sigterm():
    """Let SIGTERM raise KeyboardInterrupt too, once, unless it is ignored or handled already."""
    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _raise)


def was_terminated():
    """Whether SIGTERM came after `raise_at_sigterm`."""
    return signal.getsignal(signal.SIGTERM) is _nothing


def _raise(*_):
    signal.signal(signal.SIGTERM, _nothing)  # whoever sends it twice shall not disturb the end
    raise KeyboardInterrupt


def _nothing(*_):
    pass


def is_command():
    """Whether the process is `sitenet` or `python -m sitenet_sklearn`."""
    called = Path(sys.argv[0]).name  # Python says -m as long as it looks for the module
    return called in {"sitenet", "sitenet.exe"} or (called == "-m" and __package__ in sys.orig_argv)


def _end(*_):
    os._exit(130)


if is_command():
    end_at_ctrl_c()
