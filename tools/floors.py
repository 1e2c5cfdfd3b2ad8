"""The import graph of the package, from its source alone: python tools/floors.py prints its floors.

A module stands one floor above the highest that its statements import. Imports inside functions count; imports under
``if TYPE_CHECKING`` do not. Python also runs the ``__init__`` of the packages that a module is in: these arrows are
left out of the floors, but no circle may go through them either (``implied=True``).
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).parent.parent


def graph(package: Path = ROOT / "fastrbm", implied: bool = False) -> dict[str, set[str]]:
    """For each module of a package, by its dotted name, the modules of the package that it imports; implied: and the
    packages that these are in, as far as the module is not in them itself."""
    paths = {}
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package.parent).with_suffix("").parts
        paths[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return {name: _imported(name, path, paths, implied) for name, path in paths.items()}


def _imported(name: str, path: Path, modules: dict[str, Path], implied: bool) -> set[str]:
    home = name if path.name == "__init__.py" else name.rpartition(".")[0]
    found: set[str] = set()
    for node in _imports(ast.parse(path.read_text(encoding="utf-8"))):
        for required in _names(node, home):
            known = required if required in modules else required.rpartition(".")[0]
            while known in modules and not f"{home}.".startswith(f"{known}."):
                found.add(known)
                known = known.rpartition(".")[0] if implied else ""
    return found - {name}


def _imports(node: ast.AST) -> Iterator[ast.Import | ast.ImportFrom]:
    if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
        for child in node.orelse:
            yield from _imports(child)
        return
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        yield node
    for child in ast.iter_child_nodes(node):
        yield from _imports(child)


def _names(node: ast.Import | ast.ImportFrom, home: str) -> list[str]:
    """The absolute names that a statement in a module of package ``home`` asks for."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    base = node.module or ""
    if node.level:
        parts = home.split(".")
        base = ".".join([*parts[: len(parts) - node.level + 1], *([base] if base else [])])
    return [f"{base}.{alias.name}" for alias in node.names]


def floors(arrows: dict[str, set[str]]) -> list[list[str]]:
    """The modules of each floor, the lowest first. graphlib.CycleError where there is a circle."""
    floor: dict[str, int] = {}
    for name in TopologicalSorter(arrows).static_order():
        floor[name] = max((floor[below] + 1 for below in arrows[name]), default=0)
    return [sorted(n for n in floor if floor[n] == k) for k in range(max(floor.values(), default=-1) + 1)]


def chain(arrows: dict[str, set[str]]) -> list[str]:
    """One longest chain of imports, from the top down."""
    levels = floors(arrows)
    found = [levels[-1][0]]
    for level in reversed(levels[:-1]):
        found.append(next(name for name in level if name in arrows[found[-1]]))
    return found


def main() -> None:
    arrows = graph()
    levels = floors(arrows)
    for k, level in reversed(list(enumerate(levels, 1))):
        print(f"{k:>3}  {'  '.join(name.removeprefix('fastrbm.') for name in level)}")
    print(f"\n{len(arrows)} modules on {len(levels)} floors; a longest chain:")
    print(" -> ".join(name.removeprefix("fastrbm.") for name in chain(arrows)))


if __name__ == "__main__":
    sys.exit(main())
