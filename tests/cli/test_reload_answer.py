"""reload answers also what only the next start can apply."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.deadline import wait_until
from tests.support.rootprocess import RootProcess

CHILD = '[[child]]\nid = "one"\ncommand = ["sleep", "60"]\n'


@pytest.mark.req("S12")
def test_keys_that_take_effect_at_the_next_start(tmp_path: Path, state_dir: Path, runtime_dir: Path) -> None:
    """They are named, whether or not anything else has changed; back as they were they are not."""
    tree = tmp_path / "tree.toml"
    tree.write_text(CHILD)
    root = RootProcess(state_dir, runtime_dir, "--config", str(tree))
    try:
        root.wait_ready(["one"])
        tree.write_text('[supervisor]\nhealth = "7m"\nalert_command = ["true"]\n' + CHILD)
        answer = root.command("reload").stdout
        assert "alert_command, health: takes effect at the next start" in answer
        tree.write_text(CHILD)
        assert "next start" not in root.command("reload").stdout
    finally:
        root.end()
    wait_until(lambda: not root.living(), what="everything to be gone", state=root.living)
