"""A tree for a test, started for real, ended and checked for remains afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.supervision import trees
from tests.supervision.trees import TreeProcess
from tests.support.deadline import wait_until

Grow = Callable[..., TreeProcess]


@pytest.fixture
def grow(state_dir: Path, runtime_dir: Path, tmp_path: Path) -> Iterator[Grow]:
    """Start a root on these sections of a tree file; wait until it serves, unless told not to."""
    roots: list[TreeProcess] = []

    def begin(*sections: str, serves: bool = True, arguments: tuple[str, ...] = ()) -> TreeProcess:
        file = tmp_path / "tree.toml"
        file.write_text("\n".join(trees.light(sections)))
        root = TreeProcess(state_dir, runtime_dir, "--config", str(file), *arguments)
        roots.append(root)
        if serves:
            root.wait_answer()
        return root

    yield begin
    for root in reversed(roots):
        root.end()
    if roots:
        wait_until(lambda: not roots[0].living(), what="its processes to go", state=roots[0].living)
