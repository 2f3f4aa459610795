"""Draw the rooms of the package from its imports, for docs/design.md.

python docs/draw_rooms.py

prints a table with a row for every room: its floor (the longest chain of rooms below it), what lives there (the first
line of its docstring), and the rooms that it imports from. Files that lie directly in the package are one room, but for
`datasets`, which reads crystals, and `pretrained`, which reads models.
"""

import ast
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1] / "sitenet_sklearn"
NAME = PACKAGE.name
WORDS = "words"
ALONE = ("datasets", "pretrained", "__init__", "__main__")
"""Files that are a room of their own."""


def files():
    """All files of the package."""
    return sorted(PACKAGE.rglob("*.py"))


def room_of(path):
    """Room of a file."""
    folder, *rest = path.relative_to(PACKAGE).parts
    if rest:
        return folder
    return path.stem if path.stem in ALONE else WORDS


def room_of_module(module):
    """Room of a module by its full name, without looking whether it is a folder."""
    parts = module.split(".")
    if len(parts) == 1:
        return "__init__"
    if (PACKAGE / parts[1]).is_dir():
        return parts[1]
    return parts[1] if parts[1] in ALONE else WORDS


def imported_modules(path):
    """Full names of the modules that a file imports from, anywhere in it."""
    base = (NAME, *path.relative_to(PACKAGE).parts[:-1])
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = base[: len(base) - node.level + 1] if node.level else ()
            module = ".".join([*above, *filter(None, [node.module])])
            yield from [module] if node.module else (f"{module}.{alias.name}" for alias in node.names)


@cache
def rooms():
    """Every room with the rooms that it imports from: dict of str to frozenset of str."""
    found = {}
    for path in files():
        own = {room_of_module(name) for name in imported_modules(path) if name.split(".")[0] == NAME}
        found.setdefault(room_of(path), set()).update(own - {room_of(path)})
    found.pop("__main__")
    found["cli"].discard("__init__")  # its version
    return {room: frozenset(below) for room, below in found.items()}


def floor_of(room):
    """Longest chain of rooms below a room."""
    return max((1 + floor_of(below) for below in rooms()[room]), default=0)


def purpose_of(room):
    """First line of what a room says of itself."""
    if room == WORDS:
        return "Errors, checks, files, versions, metrics: what every room may use."
    path = PACKAGE / room / "__init__.py"
    path = path if path.is_file() else PACKAGE / f"{room}.py"
    return ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))).partition("\n")[0]


def table():
    """Lines of the table, the highest floor first."""
    ordered = sorted(rooms(), key=lambda room: (-floor_of(room), room))
    lines = ["| floor | room | what lives there | imports from |", "|---|---|---|---|"]
    for room in ordered:
        below = ", ".join(sorted(rooms()[room], key=lambda other: (-floor_of(other), other)))
        name = {"__init__": NAME, WORDS: "files in no folder"}.get(room, f"`{room}`")
        lines.append(f"| {floor_of(room)} | {name} | {purpose_of(room)} | {below or '-'} |")
    return lines


if __name__ == "__main__":
    print("\n".join(table()))  # noqa: T201
