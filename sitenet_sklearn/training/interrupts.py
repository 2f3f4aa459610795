"""Ctrl-C and SIGTERM while a network is trained: never taken for the end of training."""

import signal
import threading
from contextlib import contextmanager


class CtrlC:
    """Whether Ctrl-C was pressed, or SIGTERM came where that means the same.

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
    found, handlers = CtrlC(), {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    handlers = {number: handler for number, handler in handlers.items() if callable(handler)}
    if threading.current_thread() is not threading.main_thread():
        yield found
        return

    def note(number, frame):
        try:
            handlers[number](number, frame)
        except KeyboardInterrupt:
            found.pressed = True
            raise

    try:
        for number in handlers:
            signal.signal(number, note)
        yield found
    finally:
        _give_back(note, handlers)


def _give_back(note, handlers):
    """Put handlers back, unless somebody has put others there; also if Ctrl-C is pressed at this moment."""
    try:
        for number, handler in handlers.items():
            if signal.getsignal(number) is note:
                signal.signal(number, handler)
    except KeyboardInterrupt:
        _give_back(note, handlers)
        raise
