"""A running demo for a test, ended and checked for remains afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.deadline import wait_until
from tests.support.rootprocess import RootProcess

Start = Callable[..., RootProcess]


@pytest.fixture
def start(state_dir: Path, runtime_dir: Path) -> Iterator[Start]:
    """Start roots with these arguments; all are ended after the test."""
    roots: list[RootProcess] = []

    def begin(*arguments: str, state_dir: Path = state_dir) -> RootProcess:
        roots.append(RootProcess(state_dir, runtime_dir, *arguments))
        return roots[-1]

    yield begin
    for root in reversed(roots):
        root.end()
    if roots:
        wait_until(lambda: not roots[0].living(), what="its processes to go", state=roots[0].living)


@pytest.fixture
def tree_file(tmp_path: Path) -> Callable[[str], str]:
    """Write a tree file; its path."""

    def write(text: str) -> str:
        path = tmp_path / "tree.toml"
        path.write_text(text)
        return str(path)

    return write
