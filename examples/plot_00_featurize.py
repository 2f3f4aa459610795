"""
From a crystal to sites and pairs
=================================

The network sees a crystal as the sites of its primitive cell and the distances from them to all sites of a
supercell. The supercell does not depend on the unit cell you pass in.
"""

# %%
# Take rock salt, once in its conventional cell and once in a skewed cell of five formula units.
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from pymatgen.core import Lattice, Structure

from sitenet_sklearn import SupercellFeaturizer, filter_structures
from sitenet_sklearn.datasets import load_dielectric

conventional = Structure.from_spacegroup("Fm-3m", Lattice.cubic(5.64), ["Na", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]])
skewed = conventional.get_primitive_structure() * [[2, 1, 0], [0, 1, 1], [1, 0, 2]]
[structure.lattice.parameters for structure in (conventional, skewed)]

# %%
# Both give the same record: two sites and, for each of them, one pair for every distinct neighbour and distance.
featurizer = SupercellFeaturizer(max_atoms=100)
crystals = featurizer.fit_transform([conventional, skewed])
np.abs(crystals[0].pair_distance - crystals[1].pair_distance).max()

# %%
# ``count`` is the number of neighbours that a pair stands for. The network computes each pair once and weights it by
# its count.
first_site = crystals[0].pair_site == 0
pd.DataFrame(
    {
        "neighbour": crystals[0].atomic_numbers[crystals[0].pair_neighbor[first_site]],
        "distance": crystals[0].pair_distance[first_site].round(2),
        "count": crystals[0].pair_count[first_site],
    }
)

# %%
# Look at the supercell as a pymatgen Structure. It is the one that ``max_atoms`` allows with the largest effective
# cubic edge.
supercell = featurizer.supercell(conventional).structure
len(supercell), np.round(supercell.lattice.abc, 2), np.round(supercell.lattice.angles, 1)

# %%
# Larger supercells have more pairs. Merging the ones that the network cannot tell apart saves most of them.
structures = load_dielectric().data[:100]
sizes = (25, 50, 100, 200)
figure, ax = plt.subplots(layout="constrained")
for compress, label in ((False, "every pair"), (True, "merged")):
    pairs = [SupercellFeaturizer(n, compress=compress).transform(structures).pair_sizes.mean() for n in sizes]
    ax.loglog(sizes, pairs, "o-", label=label)
ax.set(xlabel="max_atoms", ylabel="pairs of a crystal, mean of 100")
ax.set_xticks(sizes, sizes)
ax.minorticks_off()
ax.legend()

# %%
# ``filter_structures`` lists the crystals that cannot be featurized, with the reason. By default ``transform`` raises
# an error with the same list.
alloy = Structure(Lattice.cubic(2.9), [{"Fe": 0.5, "Co": 0.5}], [[0, 0, 0]])
kept, _, failures = filter_structures([conventional, alloy])
len(kept), str(failures[0])
