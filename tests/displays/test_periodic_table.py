from matplotlib.figure import Figure
from pymatgen.core import Element

from sitenet_sklearn.displays.periodic_table import draw_periodic_table, place


def test_every_element_has_a_place_of_its_own():
    places = [place(element) for element in Element if element.Z <= 118 and element.symbol not in {"D", "T"}]
    assert len(set(places)) == len(places) == 118
    assert place(Element("H")) == (0, 0)
    assert place(Element("He")) == (0, 17)
    assert place(Element("U")) == (8, 5)


def test_elements_with_a_number_are_coloured_and_labelled():
    ax = Figure().add_subplot()
    draw_periodic_table(ax, {"Fe": 3.0, "O": 5.0}, texts={"Fe": 3, "O": 5}, label="crystals")
    shown = {text.get_text() for text in ax.texts}
    assert {"Fe\n3", "O\n5", "Na"} <= shown
    image = ax.images[0].get_array()
    assert image[place(Element("Fe"))] == 3
    assert image.count() == 2
