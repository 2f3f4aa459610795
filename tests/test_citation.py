from pathlib import Path

import pytest

import sitenet_sklearn

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def citation():
    from ruamel.yaml import YAML

    return YAML(typ="safe").load(ROOT / "CITATION.cff")


def test_citation_agrees_with_version_and_readme(citation):
    assert citation["cff-version"] == "1.2.0"
    assert citation["version"] == sitenet_sklearn.__version__
    paper, readme = citation["preferred-citation"], (ROOT / "README.md").read_text(encoding="utf-8")
    assert f"doi:{paper['doi']}" in readme
    assert f"{paper['volume']} ({paper['year']}) {paper['start']}" in readme
    for author in paper["authors"]:
        initials = " ".join(f"{name[0]}." for name in author["given-names"].split())
        assert f"{initials} {author['family-names']}" in readme


def test_citation_has_what_the_format_asks_for(citation):
    assert {"cff-version", "message", "title", "authors"} <= set(citation)
    assert {"type", "title", "authors"} <= set(citation["preferred-citation"])
    assert citation["license"] in (ROOT / "pyproject.toml").read_text(encoding="utf-8")
