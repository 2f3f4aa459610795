"""How Sphinx makes the documentation site.

sphinx-build -W --keep-going -n docs docs/_build
"""

import importlib
import inspect
import re
import sys
from pathlib import Path

from docutils import nodes
from numpydoc import xref
from sphinx.domains.python import PyXRefRole

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
import sitenet_sklearn  # noqa: E402

project = "sitenet_sklearn"
author = "the sitenet_sklearn developers"
copyright = author  # noqa: A001
version = release = sitenet_sklearn.__version__

extensions = ["sphinx.ext.autodoc", "sphinx.ext.autosummary", "numpydoc", "sphinx_gallery.gen_gallery", "myst_parser"]
exclude_patterns = ["_build", "gallery/*.ipynb", "gallery/*.py", "gallery/*.md5"]
templates_path = ["_templates"]
default_role = "documented"
nitpicky = True
suppress_warnings = ["config.cache"]  # functions in this file

autodoc_typehints = "none"
toc_object_entries_show_parents = "hide"
autosummary_generate = True
numpydoc_show_class_members = False
numpydoc_xref_param_type = True
numpydoc_xref_ignore = "all"
xref.DEFAULT_LINKS.clear()  # types of other packages stay text: their sites are not looked up

myst_heading_anchors = 3

sphinx_gallery_conf = {
    "examples_dirs": str(ROOT / "examples"),
    "gallery_dirs": "gallery",
    "filename_pattern": "plot_",
    "ignore_pattern": "reproduce_paper",  # a program with arguments
    "within_subsection_order": "FileNameSortKey",
    "backreferences_dir": "gallery/backreferences",
    "doc_module": ("sitenet_sklearn",),
    "download_all_examples": False,
    "remove_config_comments": True,
    "show_memory": False,
    "min_reported_time": 1,
}

html_theme = "pydata_sphinx_theme"
html_title = "sitenet_sklearn"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "logo": {"text": "sitenet_sklearn"},
    "header_links_before_dropdown": 6,
    "navbar_align": "left",
    "navbar_end": ["theme-switcher"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "secondary_sidebar_items": {"**": ["page-toc"], "index": []},
    "show_toc_level": 2,
}
html_sidebars = {"index": [], "installation": [], "gallery/index": [], "changelog": []}


def names_of_reference():
    """Full names of everything in the API reference, by their last part."""
    names = {}
    for module, entries in re.findall(
        r"currentmodule:: (\S+)\n\n\.\. autosummary::\n +:toctree: api\n\n(.*?)\n```",
        (ROOT / "docs" / "api.md").read_text(encoding="utf-8"),
        re.DOTALL,
    ):
        names |= {name: f"{module}.{name}" for name in entries.split()}
    return names


NAMES = names_of_reference()
numpydoc_xref_aliases = dict(NAMES)


def find(name):
    """Object of a full name of the API reference."""
    module, _, last = name.rpartition(".")
    return getattr(importlib.import_module(module), last)


def own_members(name):
    """Public methods and properties of a class that this library defines and documents: pairs (directive, name)."""
    members = []
    for member in sorted(dir(find(name))):
        thing = inspect.getattr_static(find(name), member)
        function = thing.fget if isinstance(thing, property) else getattr(thing, "__func__", thing)
        own = inspect.isfunction(function) and function.__module__.startswith("sitenet_sklearn")
        if own and not member.startswith("_") and function.__doc__:
            members.append(("autoproperty" if isinstance(thing, property) else "automethod", member))
    return members


autosummary_context = {"own_members": own_members}


def documented(name, rawtext, text, lineno, inliner, options=None, content=()):  # noqa: ARG001, PLR0917
    """Role of text in single backticks: a link to what the API reference has, code otherwise."""
    path = text.removesuffix("()")
    head, _, member = (path.rpartition(".")[2] if path in NAMES.values() else path).partition(".")
    if head in NAMES and (not member or member in [own for _, own in own_members(NAMES[head])]):
        target = f"{NAMES[head]}.{member}".rstrip(".")
        return PyXRefRole()("py:obj", rawtext, f"{text} <{target}>", lineno, inliner, options or {}, list(content))
    return [nodes.literal(rawtext, text)], []


def link_inside(app, docname, source):  # noqa: ARG001
    """Let links to examples and to the README lead to pages of the site."""
    source[0] = re.sub(r"\]\(\.\./examples/(\w+)\.py\)", r"](gallery/\1)", source[0])
    source[0] = source[0].replace("](../README.md)", "](index.md)")


def setup(app):
    """Register what is defined here."""
    app.add_role("documented", documented)
    app.connect("source-read", link_inside)
