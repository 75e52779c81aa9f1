"""The source of a strategy: its own file, and what it imports from beside that.

Read from the import statements, wherever they stand, not from what happens to be imported: the answer is the
same in every process. A helper is a file in the folder of the strategy's own one or below; what is installed
elsewhere, the interface that strategies are written against, and data files are no part of it.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from workers.strategy import api
from workers.strategy.api import Strategy

INTERFACE: Final = Path(api.__file__)


@dataclass(frozen=True)
class Digests:
    """SHA-256 of a strategy's own file, and of each of its helpers by path from there."""

    own: str
    helpers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Source:
    """The files of one strategy. ``package``: the dotted name of the folder, of one that is installed."""

    own: Path
    package: str = ""

    def digests(self) -> Digests:
        """Read all files as they are now. Raises OSError for one that cannot be read."""
        found = {self.own: b""}
        waiting = [self.own]
        while waiting:
            path = waiting.pop()
            found[path] = path.read_bytes()
            new = [helper for helper in self._imported(path, found[path]) if helper not in found]
            found.update(dict.fromkeys(new, b""))
            waiting += new
        digests = {path: hashlib.sha256(content).hexdigest() for path, content in found.items()}
        own = digests.pop(self.own)
        folder = self.own.parent
        return Digests(own, {it.relative_to(folder).as_posix(): digests[it] for it in sorted(digests)})

    def _imported(self, path: Path, content: bytes) -> Iterator[Path]:
        try:
            tree = ast.parse(content)
        except (SyntaxError, ValueError):
            return  # it cannot be imported either
        here = path.parent.relative_to(self.own.parent).parts
        for node in ast.walk(tree):
            for parts in self._named(node, here):
                yield from self._files(parts)

    def _named(self, node: ast.AST, here: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
        """Yield what an import statement names, as paths from the folder of the strategy."""
        match node:
            case ast.Import(names=names):
                for alias in names:
                    yield from self._from_here(alias.name)
            case ast.ImportFrom(module=module, names=names, level=0):
                for alias in names:
                    yield from self._from_here(f"{module}.{alias.name}")
            case ast.ImportFrom(module=module, names=names, level=level) if level <= len(here) + 1:
                base = here[: len(here) + 1 - level]
                for alias in names:
                    yield (*base, *(module.split(".") if module else ()), alias.name)

    def _from_here(self, name: str) -> Iterator[tuple[str, ...]]:
        """A file's helpers are named from its folder, those in a package from the top."""
        if not self.package:
            yield tuple(name.split("."))
        elif name.startswith(self.package + "."):
            yield tuple(name.removeprefix(self.package + ".").split("."))

    def _files(self, parts: tuple[str, ...]) -> Iterator[Path]:
        """Yield the modules that are imported on the way to a name, whose end may be no module."""
        for length in range(1, len(parts) + 1):
            place = self.own.parent.joinpath(*parts[:length])
            for path in (place.with_name(f"{place.name}.py"), place / "__init__.py"):
                if path.is_file() and path not in {self.own, INTERFACE}:
                    yield path


def source_of(kind: type[Strategy]) -> Source:
    """Return the source of a strategy's class."""
    own = Path(inspect.getfile(kind))
    return Source(own, getattr(inspect.getmodule(kind), "__package__", None) or "")
