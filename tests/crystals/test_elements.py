import numpy as np
import pytest

from sitenet_sklearn.crystals.elements import PAPER_PROPERTIES, elemental_property_names, elemental_table


def test_values_are_those_of_the_reference(parity):
    reference = np.load(parity / "reference_io.npz")
    for k in range(10):
        table = elemental_table()[reference[f"c{k}_atomic_number"]]
        np.testing.assert_allclose(table, reference[f"c{k}_elemental"], rtol=1e-6)


def test_no_element_misses_a_value():
    table = elemental_table()
    assert table.shape == (119, len(PAPER_PROPERTIES))
    assert np.isfinite(table).all()


def test_no_property_misses_a_value_or_is_a_list():
    names = elemental_property_names()
    assert {"MendeleevNumber", "CovalentRadius", "NValence"} <= set(names)
    assert "OxidationStates" not in names
    assert np.isfinite(elemental_table(names)).all()


def test_missing_values_are_means_over_the_elements_that_have_one():
    radius = elemental_table()[:, PAPER_PROPERTIES.index("AtomicRadius")]
    assert radius[2] == pytest.approx(1.5006818181818182)  # helium has none


def test_table_cannot_be_changed_by_accident():
    with pytest.raises(ValueError, match="read-only"):
        elemental_table()[1, 0] = 0
