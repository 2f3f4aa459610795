"""
Learn two functionals together
==============================

A few expensive values and many cheap ones describe the same crystals. One network learns both, if it is told which one
a value is: by a number of the whole crystal, which goes into ``structure.properties``.
"""

# %%
# The bundled gaps are of the PBE functional. Hybrid functionals give larger gaps: here a made-up one, 1.3 times PBE
# plus 0.5 eV, which is known for every fifth crystal only.
import numpy as np
from sklearn.pipeline import make_pipeline

from sitenet_sklearn import SiteNetRegressor, SupercellFeaturizer
from sitenet_sklearn.datasets import load_dielectric


def functional(structure):
    """Tell which functional a crystal is asked for."""
    return [structure.properties["is_hybrid"]]


def labelled(structures, *, is_hybrid):
    """Copy structures, and write into each which functional its value is of."""
    copies = [structure.copy() for structure in structures]
    for copy in copies:
        copy.properties["is_hybrid"] = is_hybrid
    return copies


structures, pbe = load_dielectric(return_X_y=True)
hybrid, test, few = 1.3 * pbe + 0.5, slice(0, 40), slice(40, 240, 5)
cheap, expensive = labelled(structures[40:240], is_hybrid=0), labelled(structures[few], is_hybrid=1)
asked = labelled(structures[test], is_hybrid=1)

# %%
# The function stands in ``site_features`` beside the usual ones.
features = ["elements", "environment", "symmetry", (functional, ["is_hybrid"])]
featurizer = SupercellFeaturizer(max_atoms=20, site_features=features)
together, alone = (make_pipeline(featurizer, SiteNetRegressor(max_epochs=20, random_state=0)) for _ in range(2))
together.fit([*cheap, *expensive], np.concatenate([pbe[40:240], hybrid[few]]))
alone.fit(expensive, hybrid[few])

# %%
# With the cheap values beside them, the few expensive ones go further.
{
    name: round(float(np.abs(model.predict(asked) - hybrid[test]).mean()), 2)  # eV
    for name, model in (("hybrid gaps alone", alone), ("both together", together))
}
