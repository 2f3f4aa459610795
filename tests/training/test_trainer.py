import numpy as np
import pytest
import torch
from skorch.callbacks import Callback

from sitenet_sklearn import SiteNetRegressor
from sitenet_sklearn.network.batch import collate
from sitenet_sklearn.network.sitenet import SiteNet
from sitenet_sklearn.training.losses import WeightedLoss
from sitenet_sklearn.training.trainer import SiteNetTrainer


def test_loss_never_broadcasts(featurized):
    trainer = SiteNetTrainer(SiteNet(), criterion=WeightedLoss("l1", torch.ones(1))).initialize()
    with pytest.raises(ValueError, match=r"predictions have shape \(40,\), targets \(40, 1\)"):
        trainer.validation_step(((collate(featurized), torch.ones(40)), torch.zeros(40, 1)))


def test_a_loss_that_is_not_finite_stops_training_with_an_explanation(featurized, band_gaps):
    with pytest.raises(FloatingPointError, match=r"loss became (nan|inf) in epoch \d+: try a lower lr \(now 1e\+30\)"):
        SiteNetRegressor(max_epochs=20, lr=1e30, normalization="none", random_state=0).fit(featurized, band_gaps)


class Stop(Callback):
    def __init__(self, error):
        self.error = error

    def on_epoch_end(self, net, **kwargs):  # noqa: ARG002
        if len(net.history) == 2:
            raise self.error


class Interrupt(torch.nn.Module):
    """Stands for Ctrl-C inside a training step."""

    def forward(self, batch):  # noqa: ARG002
        raise KeyboardInterrupt


def test_a_callback_may_stop_training(featurized, band_gaps):
    model = SiteNetRegressor(max_epochs=5, callbacks=[Stop(KeyboardInterrupt())], random_state=0)
    model.fit(featurized, band_gaps)
    assert len(model.history_) == 2
    assert np.isfinite(model.predict(featurized)).all()


def test_ctrl_c_is_not_swallowed(featurized, band_gaps, monkeypatch):
    monkeypatch.setattr(SiteNet, "forward", Interrupt.forward)
    with pytest.raises(KeyboardInterrupt, match="training was interrupted after 1 epochs"):
        SiteNetRegressor(max_epochs=5, random_state=0).fit(featurized, band_gaps)


class GradientsOfSteps(Callback):
    """Gradients as the optimizer sees them, by step."""

    def __init__(self, found):
        self.found = found

    def on_grad_computed(self, net, named_parameters, **kwargs):  # noqa: ARG002
        self.found.append([parameter.grad.clone() for _, parameter in named_parameters])


def test_accumulated_gradients_are_those_of_all_their_crystals_together(featurized, band_gaps):
    steps = {}
    for accumulation, batch_size in ((1, 10**6), (4, featurized.primitive_sizes.sum() // 4 + 5)):
        steps[accumulation] = []
        model = SiteNetRegressor(
            max_epochs=1,
            batch_size=int(batch_size),
            gradient_accumulation=accumulation,
            dropout=0.0,
            callbacks=[GradientsOfSteps(steps[accumulation])],
            random_state=0,
        )
        model.fit(featurized, band_gaps)
        assert len(model.history_[-1]["batches"]) == accumulation
    assert len(steps[1]) == len(steps[4]) == 1
    torch.testing.assert_close(steps[1], steps[4], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("accumulation", [3, 100])
def test_gradients_left_over_at_the_end_of_an_epoch_make_a_step(featurized, band_gaps, accumulation):
    found = []
    model = SiteNetRegressor(
        max_epochs=3,
        batch_size=40,
        gradient_accumulation=accumulation,
        callbacks=[GradientsOfSteps(found)],
        random_state=0,
    )
    model.fit(featurized, band_gaps)
    expected = sum(-(-len(epoch["batches"]) // accumulation) for epoch in model.history_)
    assert len(found) == expected
    assert model.net_.n_added_ == 0
    if accumulation == 100:
        assert model.history_[-1, "train_loss"] != model.history_[0, "train_loss"]
