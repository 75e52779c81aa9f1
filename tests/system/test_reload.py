"""supervisor reload: a changed file, a mended module, a mistake."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.deadline import wait_until
from tests.system.conftest import Start

TREE = """
[[child]]
id = "steady"
command = ["sleep", "1000"]

[[child]]
id = "leaving"
command = ["sleep", "1000"]

[[child]]
id = "talker"
start = "talking:main"
heartbeat = "none"
"""
CHANGED = """
[[child]]
id = "steady"
command = ["sleep", "1000"]

[[child]]
id = "coming"
command = ["sleep", "1000"]

[[child]]
id = "talker"
start = "talking:main"
heartbeat = "none"

[child.config]
louder = true
"""
TALKING = """
import signal
from protocol.child import Connection

def main(launch):
    with Connection(launch) as root:
        print("{word}", flush=True)
        root.ready()
        while not root.sleep(3600):
            pass
"""


@pytest.mark.req("S12")
def test_reload_touches_only_what_differs_and_runs_the_edited_module(
    start: Start, tree_file: Callable[[str], str], tmp_path: Path
) -> None:
    """The steady child keeps its process; the new code speaks; a file with a mistake does nothing."""
    module = tmp_path / "talking.py"
    module.write_text(TALKING.format(word="old word"))
    root = start("--config", tree_file(TREE))
    before = root.wait_ready(["steady", "leaving", "talker"])

    module.write_text(TALKING.format(word="new word"))
    tree_file(CHANGED)
    said = root.command("reload").stdout
    assert "added: coming" in said
    assert "removed: leaving" in said
    assert "changed: talker" in said
    wait_until(lambda: set(root.states()) == {"steady", "coming", "talker"}, what="the new tree")
    after = root.wait_ready(["steady", "coming", "talker"])
    assert after["steady"]["pid"] == before["steady"]["pid"]
    assert after["talker"]["pid"] != before["talker"]["pid"]
    log = root.state_dir / "log" / "talker.jsonl"
    wait_until(lambda: "new word" in log.read_text(), what="the edited module to speak")

    tree_file(CHANGED + "\n[[child]]\nid = 3\n")
    refused = root.command("reload", check=False)
    assert refused.returncode == 2
    assert "id" in refused.stderr
    assert root.wait_ready(["steady"])["talker"]["pid"] == after["talker"]["pid"]
    assert root.interrupt() == 0
    assert root.living() == []
