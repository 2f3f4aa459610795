"""Named settings of `SupercellFeaturizer`."""

from typing import Self

from sitenet_sklearn._validation import choose_preset
from sitenet_sklearn.crystals.interaction_features import INTERACTION_FEATURES
from sitenet_sklearn.crystals.site_features import SITE_FEATURES

PRESETS = {
    "accurate": {},
    "paper": {"max_atoms": 500, "site_features": SITE_FEATURES, "interaction_features": INTERACTION_FEATURES},
}
"""Parameters that differ from the defaults, which are called "accurate"."""


class FeaturizerPresets:
    """What makes a featurizer with named settings."""

    @classmethod
    def from_preset(cls, name: str, **changes) -> Self:
        """Build a featurizer with named settings.

        "accurate" are the defaults: they describe sites by elements, environment and symmetry, and pairs with Gaussians
        of the distance, in supercells of 50 atoms. "paper" is what the paper takes, in supercells of 500 atoms (section
        2.1 of doi:10.1039/d3dd00005b).

        Parameters
        ----------
        name : {"accurate", "paper"}
            Which settings.
        **changes
            Parameters to set otherwise.

        Returns
        -------
        SupercellFeaturizer

        Raises
        ------
        ValueError
            If there is no such preset.

        Examples
        --------
        >>> from sitenet_sklearn import SupercellFeaturizer
        >>> SupercellFeaturizer.from_preset("accurate", max_atoms=100).site_features
        'all'
        """
        return cls(**choose_preset(PRESETS, name) | changes)
