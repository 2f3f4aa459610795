"""
From a crystal to sites and pairs
=================================

What the network sees of a crystal: the sites of its primitive cell, and the distances from them to all sites of a
supercell. The supercell does not depend on the cell that the crystal is given in.
"""

# %%
# Rock salt, once as its conventional cell and once as a skewed cell of five formula units.
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
# Both have the same record: two sites and, for each of them, one entry for every distance.
featurizer = SupercellFeaturizer(max_atoms=100)
crystals = featurizer.fit_transform([conventional, skewed])
np.abs(crystals[0].pair_distance - crystals[1].pair_distance).max()

# %%
# ``count`` says how many neighbours an entry stands for: the network works on the entries, and counts them.
first_site = crystals[0].pair_site == 0
pd.DataFrame(
    {
        "neighbour": crystals[0].atomic_numbers[crystals[0].pair_neighbor[first_site]],
        "distance": crystals[0].pair_distance[first_site].round(2),
        "count": crystals[0].pair_count[first_site],
    }
)

# %%
# The supercell as a pymatgen Structure, for a look. It is the largest nearly cubic one that ``max_atoms`` allows.
supercell = featurizer.supercell(conventional).structure
len(supercell), np.round(supercell.lattice.abc, 2), np.round(supercell.lattice.angles, 1)

# %%
# Larger supercells cost more pairs. Merging those that the network cannot tell apart saves most of them.
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
# What cannot be featurized is listed with the reason. By default ``transform`` raises an error that says the same.
alloy = Structure(Lattice.cubic(2.9), [{"Fe": 0.5, "Co": 0.5}], [[0, 0, 0]])
kept, _, failures = filter_structures([conventional, alloy])
len(kept), str(failures[0])
