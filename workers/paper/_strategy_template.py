"""``supervisor init --strategy FILE``: a tree file that runs a strategy of the user's own.

Reached through the entry point group ``supervisor_tree.templates``, for the supervisor knows nothing of
trading.
"""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

METAVAR: Final = "FILE[:CLASS]"
HELP: Final = "Trade with a strategy of your own; a FILE that does not exist is written, to begin with."

_EXAMPLE: Final = Path(__file__).parents[1] / "strategy" / "example.py"
_COPY_OF: Final = "`supervisor init --strategy my_strategy.py` makes a copy of this file"
_NAME: Final = re.compile(r'^strategy = "ma_cross".*$', re.MULTILINE)
_PARAMETERS: Final = re.compile(r"^\[child\.config\.parameters\]\n(?:\S.*\n?)*", re.MULTILINE)
_NO_PARAMETERS: Final = """\
[child.config.parameters]           # the class's own keys, with its own types and bounds
size = "0.01"                       # fraction of equity a position takes
"""


def apply(text: str, named: str, folder: Path) -> str:
    """Return the tree file ``text``, to stand in ``folder``, with the strategy ``named``.

    Writes the file when there is none yet. Raises ValueError with a sentence, OSError when it cannot be
    written.
    """
    where, _, kind = named.partition(":")
    path = Path(where).expanduser().absolute()
    if not where.endswith(".py"):
        raise ValueError(f"--strategy {named}: name a .py file, new or your own")
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(_example(path.name), encoding="utf-8")
    name = f"{os.path.relpath(path, folder)}:{kind or _only_class(path)}"
    if not _NAME.search(text):
        raise ValueError(f"--strategy {named}: this tree has no strategy to replace; leave out --from")
    text = _NAME.sub(lambda _: f'strategy = "{name}"', text)
    return _PARAMETERS.sub(lambda _: _NO_PARAMETERS, text, count=1)


def _example(name: str) -> str:
    text = _EXAMPLE.read_text(encoding="utf-8").replace(f" {_COPY_OF}.", "")
    return text.replace("my_strategy.py", name)


def _only_class(path: Path) -> str:
    """Find the one strategy of a file without running it."""
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except SyntaxError as error:
        raise ValueError(f"{path}, line {error.lineno}: {error.msg}; correct it first") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: {error}; a Python file is needed") from error
    found = list(_strategies(tree))
    if len(found) != 1:
        told = ", ".join(found) or "none"
        raise ValueError(f"{path}: name the class, --strategy {path.name}:Class; strategies found: {told}")
    return found[0]


def _strategies(tree: ast.Module) -> Iterator[str]:
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            bases = {ast.unparse(base).rpartition(".")[2] for base in node.bases}
            if "Strategy" in bases:
                yield node.name
