"""Crystals that many tests use, and the folder of data beside the repository."""

from pathlib import Path

from pymatgen.core import Lattice, Structure

SHARED = Path(__file__).resolve().parents[2] / "shared"


def gallery():
    """Small named crystals that between them have every difficulty."""
    hexagonal = Lattice.hexagonal(2.46, 6.71)
    return {
        "NaCl": Structure.from_spacegroup("Fm-3m", Lattice.cubic(5.69), ["Na", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]]),
        "CsCl": Structure(Lattice.cubic(4.12), ["Cs", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]]),
        "Po": Structure(Lattice.cubic(3.35), ["Po"], [[0, 0, 0]]),
        "graphite": Structure(
            hexagonal, ["C"] * 4, [[0, 0, 0.25], [0, 0, 0.75], [1 / 3, 2 / 3, 0.25], [2 / 3, 1 / 3, 0.75]]
        ),
        "HfH3": Structure.from_spacegroup(
            "Fm-3m", Lattice.cubic(4.7), ["Hf", "H", "H"], [[0, 0, 0], [0.25, 0.25, 0.25], [0.5, 0.5, 0.5]]
        ),
        "triclinic": Structure(
            Lattice.from_parameters(4.1, 5.3, 7.9, 81, 97, 103),
            ["Cu", "O", "O", "V"],
            [[0, 0, 0], [0.31, 0.2, 0.13], [0.72, 0.48, 0.61], [0.44, 0.83, 0.37]],
        ),
        "layer in vacuum": Structure(
            Lattice.hexagonal(3.18, 40.0), ["Mo", "S", "S"], [[0, 0, 0.5], [1 / 3, 2 / 3, 0.54], [1 / 3, 2 / 3, 0.46]]
        ),
    }
