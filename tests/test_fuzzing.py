"""A few hundred of the cases that tests/benchmarks/soak.py tries by the thousand."""

import pytest
from fuzzing import KINDS, make_material, run_case


@pytest.fixture(scope="module")
def material(tmp_path_factory):
    return make_material(tmp_path_factory.mktemp("fuzzing"))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", KINDS)
def test_whatever_is_handed_in_ends_in_a_result_or_a_documented_error(material, monkeypatch, kind):
    monkeypatch.chdir(material.folder)
    outcomes = [run_case(kind, seed, material) for seed in range(60)]
    assert set(outcomes) == {"result", "refused"}
