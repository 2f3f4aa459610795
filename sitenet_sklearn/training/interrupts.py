"""Ctrl-C while a network is trained: never taken for the end of training."""

import signal
import threading
from contextlib import contextmanager


class CtrlC:
    """Whether Ctrl-C was pressed.

    Attributes
    ----------
    pressed : bool
        True from then on, also where somebody catches the KeyboardInterrupt that follows.
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
        found.pressed = True
        handler(number, frame)

    signal.signal(signal.SIGINT, note)
    try:
        yield found
    finally:
        signal.signal(signal.SIGINT, handler)
