"""Geometry: where supercells are chosen, and what they look like from every site.

NumPy, spglib, moyo and pymatgen's lattices; no torch. A crystal passes through the files in this order:

- `primitive`: the primitive cell of a crystal, and the rotations that map it onto itself;
- `lattice`: reduced bases, short vectors and shortest distances of any lattice;
- `sublattice`: all supercells up to a size, and the most cubic or most compact of them;
- `supercell`: the best one, ties broken by the crystal itself, and the periodic distances in it;
- `environment`: how the neighbours of a site in the infinite crystal are spread over distances and directions;
- `site_symmetry`: the symmetry of a crystal and of its sites;
- `compression`: sites and neighbours that a Site-Net cannot tell apart, merged and counted.
"""
