"""The losses of every epoch, as scikit-learn's networks have them."""

from typing import Any

from sklearn.utils.validation import check_is_fitted


class LossCurve:
    """What an estimator tells of its training."""

    history_: Any

    @property
    def loss_curve_(self) -> list[float]:
        """Mean training loss of every epoch.

        A single target has it in its own unit, in eV for a band gap with ``loss="l1"``; several have it in standard
        deviations, and classes as cross entropy.
        """
        return self._losses("train_loss")

    @property
    def validation_loss_curve_(self) -> list[float]:
        """The same of the crystals that were held out; empty where none were."""
        return self._losses("valid_loss")

    def _losses(self, name):
        check_is_fitted(self)
        return [float(row[name]) for row in self.history_ if name in row]
