"""Damaged files end in the documented error or a valid row, and the good files beside them are all featurized."""

import time

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from sitenet_sklearn import SupercellFeaturizer
from sitenet_sklearn.exceptions import CrystalError


def truncate(text, rng):
    return text[: rng.integers(len(text))]


def change_numbers(text, rng):
    characters = list(text)
    digits = [k for k, c in enumerate(characters) if c.isdigit() or c in ".-"]
    for k in rng.choice(digits, size=min(5, len(digits))):
        characters[k] = rng.choice(list("0123456789.-e"))
    return "".join(characters)


def swap_lines(text, rng):
    lines = text.splitlines()
    i, j = rng.choice(len(lines), size=2)
    lines[i], lines[j] = lines[j], lines[i]
    return "\n".join(lines)


def make_binary(text, rng):
    data = bytearray(text.encode())
    for k in rng.choice(len(data), size=20):
        data[k] = rng.integers(256)
    return bytes(data)


def make_huge(text, rng):
    words = text.split(" ")
    numbers = [k for k, word in enumerate(words) if word.strip().replace(".", "").isdigit()]
    for k in rng.choice(numbers, size=2):
        words[k] = str(10 ** int(rng.integers(2, 9)))
    return " ".join(words)


DAMAGES = [truncate, change_numbers, swap_lines, make_binary, make_huge]


def write_files(folder, structures, n, rng):
    """Alternate damaged and good files; return the paths and the indices of the good ones."""
    paths, good = [], []
    for k in range(n):
        structure = structures[k % len(structures)]
        text = structure.to(fmt="cif" if k % 2 else "poscar")
        damaged = DAMAGES[k % len(DAMAGES)](text, rng)
        for name, content in ((f"bad{k}", damaged), (f"good{k}", text)):
            path = folder / (f"{name}.cif" if k % 2 else f"POSCAR.{name}")
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
            good += [len(paths)] if name.startswith("good") else []
            paths.append(path)
    return paths, good


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("n", [40, pytest.param(500, marks=pytest.mark.slow)])
def test_damaged_files_harm_no_other(structures, tmp_path, n):
    paths, good = write_files(tmp_path, structures, n, np.random.default_rng(n))
    start = time.monotonic()
    X, failures = SupercellFeaturizer(max_atoms=50, on_error="mask").transform_with_failures(paths)
    assert X.valid[good].all()
    assert {failure.index for failure in failures} == set(np.flatnonzero(~X.valid))
    assert len(failures) > n // 5
    assert all(failure.name and failure.reason for failure in failures)
    assert time.monotonic() - start < n  # a second a file is generous; a hang would take for ever


def test_layer_in_endless_vacuum_is_refused_at_once(crystals):
    sheet = crystals["layer in vacuum"]
    endless = Structure(Lattice.hexagonal(3.18, 1e6), sheet.species, sheet.frac_coords)
    X, failures = SupercellFeaturizer(max_atoms=500, on_error="mask").transform_with_failures([endless, sheet])
    np.testing.assert_array_equal(X.valid, [False, True])
    assert "too many supercells to search" in failures[0].reason


@pytest.mark.parametrize(
    ("lattice", "reason"),
    [
        (Lattice.tetragonal(2.2, 20), "too many supercells to search: the primitive cell"),
        (Lattice.tetragonal(0.05, 10), r"a site is 0.05 angstrom from its own image, 0.1 are expected"),
    ],
)
def test_cells_that_would_be_searched_for_minutes_are_refused(lattice, reason, monkeypatch):
    monkeypatch.setattr("sitenet_sklearn.geometry.sublattice.MAX_EFFORT", 10**6)
    rod = Structure(lattice, ["Po"], [[0, 0, 0]])
    with pytest.raises(CrystalError, match=reason):
        SupercellFeaturizer(max_atoms=500, shape="compact").supercell(rod)
