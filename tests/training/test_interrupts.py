"""Ctrl-C is never taken for the end of training, wherever it arrives."""

import contextlib
import os
import signal
import threading
import time

import numpy as np
import pytest
from skorch.callbacks import Callback

from sitenet_sklearn import SiteNetClassifier, SiteNetRegressor
from sitenet_sklearn.training.interrupts import watched_ctrl_c

QUICK = {"max_epochs": 6, "random_state": 0, "site_dim": 6, "attention_hidden_layers": (8,), "batch_size": 60}


@pytest.fixture(autouse=True)
def python_handles_ctrl_c():
    """Shells let what they start in the background ignore Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


class CtrlCIn(Callback):
    """Sends the signal of Ctrl-C from one of its methods, in some epoch or at the first call."""

    def __init__(self, method, epoch=3):
        self.method, self.epoch, self.sent = method, epoch, False
        setattr(self, method, self.send)

    def send(self, net, *args, **kwargs):  # noqa: ARG002
        if not self.sent and (len(net.history) == self.epoch or self.method.startswith("on_train")):
            self.sent = True
            os.kill(os.getpid(), signal.SIGINT)


METHODS = ["train_begin", "epoch_begin", "batch_begin", "grad_computed", "batch_end", "epoch_end", "train_end"]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("options", [{}, {"early_stopping": True}])
def test_a_signal_from_any_callback_is_an_interruption(featurized, band_gaps, tmp_path, method, options):
    sender = CtrlCIn(f"on_{method}")
    model = SiteNetRegressor(**QUICK | options, checkpoint_dir=tmp_path, callbacks=[sender])
    with pytest.raises(KeyboardInterrupt):
        model.fit(featurized, band_gaps)
    assert sender.sent
    assert len(list(tmp_path.glob("*.ckpt"))) == (method != "train_begin")
    model.set_params(callbacks=None).fit(featurized, band_gaps)
    whole = SiteNetRegressor(**QUICK | options).fit(featurized, band_gaps)
    np.testing.assert_array_equal(model.predict(featurized), whole.predict(featurized))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("method", METHODS[1:5])
def test_a_signal_in_the_first_epoch_is_an_interruption(featurized, band_gaps, method):
    model = SiteNetRegressor(**QUICK, early_stopping=True, callbacks=[CtrlCIn(f"on_{method}", epoch=1)])
    with pytest.raises(KeyboardInterrupt, match=r"training was interrupted after [01] epochs"):
        model.fit(featurized, band_gaps)


@pytest.mark.parametrize("method", METHODS)
def test_partial_fit_is_interrupted_too(featurized, band_gaps, method):
    model = SiteNetClassifier(**QUICK).partial_fit(featurized, band_gaps > 2).partial_fit(featurized, band_gaps > 2)
    model.set_params(callbacks=[CtrlCIn(f"on_{method}")])
    with pytest.raises(KeyboardInterrupt):
        model.partial_fit(featurized, band_gaps > 2)


class StopsItself(Callback):
    """Ends training as skorch's callbacks do, without a signal."""

    def on_epoch_end(self, net, **kwargs):  # noqa: ARG002
        if len(net.history) == 2:
            raise KeyboardInterrupt


def test_a_callback_that_stops_training_is_no_interruption(featurized, band_gaps, tmp_path):
    model = SiteNetRegressor(**QUICK, checkpoint_dir=tmp_path, callbacks=[StopsItself()]).fit(featurized, band_gaps)
    assert len(model.history_) == 2
    assert not list(tmp_path.iterdir())


def interrupt_at_random(model, X, y, rng, longest):
    """Train with a signal at a random moment, and tell whether training was interrupted, and the signal sent."""
    sent, running = [], [True]

    def press(number, frame):
        sent.append(number)
        if running:
            signal.default_int_handler(number, frame)

    before = signal.signal(signal.SIGINT, press)
    timer = threading.Timer(rng.uniform(0, longest), os.kill, (os.getpid(), signal.SIGINT))
    try:
        timer.start()
        model.fit(X, y)
        running.clear()
        interrupted = False
    except KeyboardInterrupt:
        running.clear()
        interrupted = True
    timer.cancel()
    timer.join()
    time.sleep(0.001)
    signal.signal(signal.SIGINT, before)
    return interrupted, bool(sent)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # Python itself leaves a file open
@pytest.mark.parametrize("times", [25, pytest.param(500, marks=pytest.mark.slow)])
def test_ctrl_c_at_random_moments_never_passes_for_success(featurized, band_gaps, tmp_path, rng, times):
    X, y = featurized[:20], band_gaps[:20]
    options = QUICK | {"max_epochs": 4, "early_stopping": True, "checkpoint_dir": tmp_path}
    whole = SiteNetRegressor(**options).fit(X, y)
    begin = time.perf_counter()
    SiteNetRegressor(**options).fit(X, y)
    longest = 1.2 * (time.perf_counter() - begin)
    interruptions = 0
    for _ in range(times):
        model = SiteNetRegressor(**options)
        interrupted, sent = interrupt_at_random(model, X, y, rng, longest)
        interruptions += interrupted
        if not interrupted:  # the signal came after the end, or not at all
            assert len(model.history_) == 4
            np.testing.assert_array_equal(model.predict(X), whole.predict(X))
            assert not list(tmp_path.iterdir())
        else:
            assert sent
    assert interruptions > times / 4


@pytest.mark.parametrize("ctrl_c", [signal.default_int_handler, signal.SIG_IGN])
def test_sigterm_that_means_the_same_is_an_interruption_too(featurized, band_gaps, tmp_path, ctrl_c):
    class Terminated(Callback):
        def on_batch_end(self, net, **kwargs):  # noqa: ARG002
            if len(net.history) == 3:
                os.kill(os.getpid(), signal.SIGTERM)

    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    signal.signal(signal.SIGINT, ctrl_c)
    try:
        with pytest.raises(KeyboardInterrupt):
            SiteNetRegressor(**QUICK, checkpoint_dir=tmp_path, callbacks=[Terminated()]).fit(featurized, band_gaps)
        assert signal.getsignal(signal.SIGTERM) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGTERM, before)
    assert len(list(tmp_path.glob("*.ckpt"))) == 1


def test_ctrl_c_is_left_to_whom_it_belonged():
    before = signal.getsignal(signal.SIGINT)
    with watched_ctrl_c() as found:
        assert not found.pressed
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
        assert found.pressed
    assert signal.getsignal(signal.SIGINT) is before


def test_training_in_a_thread_watches_no_signals(featurized, band_gaps):
    model = SiteNetRegressor(**QUICK | {"max_epochs": 1})
    thread = threading.Thread(target=model.fit, args=(featurized, band_gaps))
    thread.start()
    thread.join()
    assert len(model.history_) == 1


def test_a_handler_of_the_user_decides(featurized, band_gaps):
    pressed = []
    signal.signal(signal.SIGINT, lambda *_: pressed.append(1))
    model = SiteNetRegressor(**QUICK, callbacks=[CtrlCIn("on_epoch_end")]).fit(featurized, band_gaps)
    assert len(model.history_) == 6
    assert pressed == [1]


class Swallows(Callback):
    """Catches what it should not."""

    def on_epoch_end(self, net, **kwargs):  # noqa: ARG002
        with contextlib.suppress(KeyboardInterrupt):
            if len(net.history) == 2:
                os.kill(os.getpid(), signal.SIGINT)


def test_an_interrupt_that_somebody_caught_ends_training_at_the_next_batch(featurized, band_gaps):
    model = SiteNetRegressor(**QUICK, callbacks=[Swallows()])
    with pytest.raises(KeyboardInterrupt):
        model.fit(featurized, band_gaps)
    assert len(model.history_) <= 3


def test_a_handler_that_a_callback_puts_there_stays(featurized, band_gaps):
    def other(*_):
        """Do nothing."""

    class Installs(Callback):
        def on_epoch_end(self, net, **kwargs):  # noqa: ARG002
            signal.signal(signal.SIGINT, other)

    SiteNetRegressor(**QUICK, callbacks=[Installs()]).fit(featurized, band_gaps)
    assert signal.getsignal(signal.SIGINT) is other


def test_history_is_there_after_ctrl_c_in_the_first_partial_fit(featurized, band_gaps):
    model = SiteNetRegressor(**QUICK, callbacks=[CtrlCIn("on_batch_end", epoch=1)])
    with pytest.raises(KeyboardInterrupt):
        model.partial_fit(featurized, band_gaps)
    assert len(model.history_) <= 1
