"""Ctrl-C while a network is trained: never taken for the end of training."""

import signal
import threading
from contextlib import contextmanager


class CtrlC:
    """Whether Ctrl-C was pressed.

    Attributes
    ----------
    pressed : bool
        True from then on, also where somebody catches the KeyboardInterrupt that follows; a handler of the user's that
        raises none interrupts nothing.
    """

    def __init__(self):
        self.pressed = False


@contextmanager
def watched_ctrl_c():
    """Notice Ctrl-C inside a with block, and then do what would have been done without it.

    skorch and its callbacks use KeyboardInterrupt to end training early, and swallow it. So the exception alone does
    not tell whether the user wants to stop; the signal does. Outside the main thread, where no signal arrives, nothing
    is watched.

    Yields
    ------
    CtrlC
    """
    found, handler = CtrlC(), signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(handler):
        yield found
        return

    def note(number, frame):
        try:
            handler(number, frame)
        except KeyboardInterrupt:
            found.pressed = True
            raise

    signal.signal(signal.SIGINT, note)
    try:
        yield found
    finally:
        _give_back(note, handler)


def _give_back(note, handler):
    """Put a handler back, unless somebody has put another one there; also if Ctrl-C is pressed at this moment."""
    try:
        if signal.getsignal(signal.SIGINT) is note:
            signal.signal(signal.SIGINT, handler)
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, handler)
        raise
