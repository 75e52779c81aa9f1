"""The bytes of a tree file, before it is read as TOML."""

from __future__ import annotations

from pathlib import Path

import pytest

from supervisor.config import ConfigError, find_tree, load
from supervisor.config.tree import Tree

TREE = b'[[child]]\nid = "one"\ncommand = ["sleep", "60"]\n'


def tree_of(path: Path) -> Tree:
    """Read a tree file."""
    return load(find_tree(str(path), {}, path.parent), environ={}, cwd=path.parent)


@pytest.mark.req("O5")
@pytest.mark.parametrize("text", [b"\xef\xbb\xbf" + TREE, TREE.replace(b"\n", b"\r\n")])
def test_mark_and_ends_of_line_of_other_editors(tmp_path: Path, text: bytes) -> None:
    """A file that begins with a byte order mark was "not TOML at line 1, column 1"."""
    path = tmp_path / "tree.toml"
    path.write_bytes(text)

    assert ["one"] == [child.id for child in tree_of(path).root.children]


@pytest.mark.req("O5")
def test_file_that_never_ends() -> None:
    """It was read until the memory was full."""
    with pytest.raises(ConfigError, match="is larger than 16 MiB, which no tree file is"):
        tree_of(Path("/dev/zero"))
