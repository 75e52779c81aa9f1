"""supervisor top: what the screen shows."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from supervisor.cli._screen import ordered, totals
from tests.cli.conftest import FakeRoot, Shell, child


@pytest.mark.req("O5")
def test_the_screen_in_a_pipe(shell: Shell, root: FakeRoot) -> None:
    """Totals, a line a child with the largest first, the last warnings of this run; 4 without a root."""
    assert shell("top").exit_code == 4
    root.register()
    root.children = [child("small", memory=1 << 20), child("large", memory=1 << 30)]
    log = root.state_dir / "log"
    log.mkdir()
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    lines = [
        {"time": at, "level": level, "process": "small", "message": message}
        for at, level, message in (
            ("2020-01-01T00:00:00.000Z", "ERROR", "long ago"),
            (now, "INFO", "all well"),
            (now, "WARNING", "take care"),
        )
    ]
    (log / "system.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    result = shell("top", "--sort", "memory")

    assert result.exit_code == 0, result.stderr
    sums, _, columns, large, small, *rest = result.stdout.splitlines()
    assert sums == "2 of 2 ready, 0.8% of a core, 1.0 GiB, 4 restarts"
    assert columns.startswith("NAME")
    assert (large.split()[0], small.split()[0]) == ("large", "small")
    assert [line.split()[1:] for line in rest if line] == [["WARNING", "small", "take", "care"]]


@pytest.mark.req("O5")
def test_order() -> None:
    """By use: processes only, without indentation; by tree: as it is. What is not known counts as nothing."""
    group = child("market", type="supervisor")
    inner = child("feed", path="root/market/feed", cpu_percent=None)
    status = {"children": [group, inner, child("broker", cpu_percent=5.0)]}

    assert ordered(status, "tree") == status
    assert [(c["id"], c["path"]) for c in ordered(status, "cpu")["children"]] == [
        ("broker", "root/broker"),
        ("feed", "root/feed"),
    ]
    assert totals(status).startswith("2 of 2 ready, 5.0% of a core")
