import json

from sitenet_sklearn.tables.plain_text import printable
from sitenet_sklearn.tables.reading import read_structures, read_table


def test_only_what_cannot_be_shown_is_replaced():
    assert printable("a\x00b\n\u202ec\ud800") == "a\ufffdb\ufffd\ufffdc\ufffd"
    assert printable("<b>=1+1 Größe 鉄") == "<b>=1+1 Größe 鉄"


def test_ids_and_reasons_of_a_table_can_be_written(tmp_path, crystals):
    path = tmp_path / "a.jsonl"
    records = [
        {"id": "\ud800", "structure": crystals["NaCl"].as_dict()},
        {"id": "a\x1b", "structure": "no\ud800.cif"},
        {"id": "b", "structure": crystals["CsCl"].as_dict()},
    ]
    path.write_text("\n".join(map(json.dumps, records)))
    table = read_table(path)
    assert table.ids == ["\ufffd", "a\ufffd", "b"]
    structures, (failure,) = read_structures(table)
    assert [found is None for found in structures] == [False, True, False]
    assert failure.index == 1
    assert failure.reason.isprintable()
