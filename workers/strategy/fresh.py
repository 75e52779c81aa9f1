"""Imports the files of a user from their source, never from compiled ones that lie beside them.

To Python a compiled file is up to date when its source has the size, and to the second the time, of the one
that it was made of. An edit of one digit within a second, or files that were all given one time when they
were copied, would go on as the old code, while a champion's fingerprint is that of the new.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from importlib.machinery import (
    BYTECODE_SUFFIXES,
    EXTENSION_SUFFIXES,
    SOURCE_SUFFIXES,
    ExtensionFileLoader,
    FileFinder,
    SourceFileLoader,
    SourcelessFileLoader,
)
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import CodeType, ModuleType


class _FromSource(SourceFileLoader):
    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        return self.source_to_code(self.get_data(path), path)


@dataclass(frozen=True)
class _Beside:
    """A hook for ``sys.path_hooks``: finds what is imported from ``folder`` and below, but for what lies in
    another folder of the path there, such as an environment with its libraries."""

    folder: Path

    def __call__(self, entry: str) -> FileFinder:
        above = (Path(it) for it in sys.path if it and Path(entry).is_relative_to(it))
        if max(above, key=lambda it: len(it.parts), default=None) != self.folder:
            raise ImportError(f"{entry} is not for this hook")
        return FileFinder(
            entry,
            (ExtensionFileLoader, EXTENSION_SUFFIXES),
            (_FromSource, SOURCE_SUFFIXES),
            (SourcelessFileLoader, BYTECODE_SUFFIXES),
        )


def from_file(path: Path) -> ModuleType:
    """Import ``path``, which may import what lies in its folder. Raises FileNotFoundError, and whatever the
    file does."""
    path = path.absolute()
    if not path.is_file():
        raise FileNotFoundError(path)
    _look_in(path.parent)
    name = f"strategy_file_{path.stem}"
    spec = spec_from_file_location(name, path, loader=_FromSource(name, str(path)))
    if spec is None or spec.loader is None:
        raise FileNotFoundError(path)
    module = module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses and msgspec look their module up
    spec.loader.exec_module(module)
    return module


def _look_in(folder: Path) -> None:
    hook = _Beside(folder)
    if str(folder) not in sys.path:
        sys.path.append(str(folder))  # last, so that a helper beside the file hides nothing
    if hook not in sys.path_hooks:
        sys.path_hooks.insert(0, hook)
        sys.path_importer_cache.pop(str(folder), None)
