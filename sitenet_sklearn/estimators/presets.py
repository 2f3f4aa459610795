"""Named settings of the estimators."""

from difflib import get_close_matches
from typing import Self

_PAPER = {
    "optimizer": "adamw",
    "lr": 0.0008125971481941902,
    "weight_decay": 0.0001,
    "batch_size": 1200,
    "dropout": 0.0,
    "train_oversized": False,
    "early_stopping": True,
    "validation_fraction": 0.05,
}
PRESETS = {"paper": _PAPER, "paper_cutoff": _PAPER | {"cutoff": 5.0}}
"""Parameters that differ from the defaults, or could; the architecture of the defaults is the paper's already."""


class FromPreset:
    """Estimators that can be built by the name of their settings."""

    @classmethod
    def from_preset(cls, name: str, **changes) -> Self:
        """Build an estimator with named settings.

        "paper" is the published model and training: Table 1, section 2.3 of doi:10.1039/d3dd00005b (5 % of the crystals
        held out, batches of 1200 sites). "paper_cutoff" is the same with attention cut off at 5 angstrom (Table 2).

        Parameters
        ----------
        name : {"paper", "paper_cutoff"}
            Which settings.
        **changes
            Parameters to set otherwise.

        Returns
        -------
        estimator
            Not fitted.

        Raises
        ------
        ValueError
            If there is no such preset.

        Examples
        --------
        >>> from sitenet_sklearn import SiteNetRegressor
        >>> SiteNetRegressor.from_preset("paper_cutoff", max_epochs=100).cutoff
        5.0
        """
        if name not in PRESETS:
            similar = get_close_matches(str(name), PRESETS, n=1, cutoff=0) or PRESETS
            raise ValueError(f"unknown preset {name!r}; did you mean {' or '.join(map(repr, similar))}?")
        return cls(**PRESETS[name] | changes)
