"""Rebuild the bundled data sets from the source package of matminer 0.3.5.

    pip download --no-deps --no-binary :all: matminer==0.3.5
    python tests/data/rebuild.py matminer-0.3.5.tar.gz sitenet_sklearn/data

Structures are kept to 1e-6 (angstrom, fractional), targets as they are; the files come out bit by bit the same.
"""

import ast
import gzip
import json
import sys
import tarfile
from pathlib import Path

import pandas as pd
from pymatgen.core import Structure

DIGITS = 6


def record(identifier, structure, target):
    """One line of a data file."""
    return {
        "id": identifier,
        "lattice": structure.lattice.matrix.round(DIGITS).tolist(),
        "species": [str(specie) for specie in structure.species],
        "coords": structure.frac_coords.round(DIGITS).tolist(),
        "target": target,
    }


def dielectric(archive):
    """Band gaps in eV of Petousis et al. (2017)."""
    table = read(archive, "dielectric_constant.csv")
    for row in table.itertuples():
        yield record(row.material_id, Structure.from_str(row.poscar, fmt="poscar"), row.band_gap)


def formation_energy(archive):
    """Formation energies in eV/atom of Faber et al. (2015)."""
    table = read(archive, "flla_2015.csv")
    for row in table.itertuples():
        structure = Structure.from_dict(ast.literal_eval(row.structure))
        yield record(row.material_id, structure, round(row.formation_energy_per_atom, DIGITS))


def read(archive, name):
    """Read a table below its line of reference; pandas takes an unnamed first column as the index."""
    with archive.extractfile(f"matminer-0.3.5/matminer/datasets/{name}") as file:
        return pd.read_csv(file, skiprows=1)


def write(path, records):
    """Write gzipped JSON lines without a time stamp."""
    lines = "".join(json.dumps(r, separators=(",", ":")) + "\n" for r in records)
    path.write_bytes(gzip.compress(lines.encode(), compresslevel=9, mtime=0))


if __name__ == "__main__":
    source, target = Path(sys.argv[1]), Path(sys.argv[2])
    with tarfile.open(source) as archive:
        write(target / "dielectric.jsonl.gz", dielectric(archive))
        write(target / "formation_energy.jsonl.gz", formation_energy(archive))
