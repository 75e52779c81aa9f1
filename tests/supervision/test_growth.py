"""Point 30: nothing grows, however often children come and go."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from protocol.places import find_root
from supervisor.host.proctable import ProcessTable
from tests.supervision import trees
from tests.supervision.conftest import Grow
from tests.supervision.trees import TreeProcess
from tests.support.deadline import wait_until

WARM_UP = 150
MORE_MEMORY = 3 << 20
"""Bytes that the journal's cache may take and the allocator may keep; a leak of 3 kB a restart is more."""


def held(root: TreeProcess, temporary: Path) -> Counter[str]:
    """Count what a root has at one moment, its helpers and its places on disk included."""
    pid = root.process.pid
    helpers = trees.helpers(pid).values()
    places = (temporary, Path(find_root(root.state_dir).runtime_dir), root.state_dir)
    counts = Counter(f"descriptor of {_kind(fd)}" for fd in Path(f"/proc/{pid}/fd").iterdir())
    counts["thread"] = len(list(Path(f"/proc/{pid}/task").iterdir()))
    counts["process"] = len(ProcessTable().children(pid))
    counts["descriptor of a helper"] = sum(len(list(Path(f"/proc/{one}/fd").iterdir())) for one in helpers)
    counts["file"] = sum(len(list(place.rglob("*"))) for place in places)
    return counts


def _kind(descriptor: Path) -> str:
    try:
        return str(descriptor.readlink()).partition(":")[0].rpartition("/")[2]
    except FileNotFoundError:
        return "closed meanwhile"


def memory(pid: int) -> int:
    """The bytes that a process alone has in memory."""
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    kept = [
        line.split() for line in rollup.splitlines() if line.startswith(("Private_Dirty", "Private_Clean"))
    ]
    return sum(int(words[1]) for words in kept) * 1024


@pytest.mark.req("S7")
@pytest.mark.req("X1")
@pytest.mark.parametrize("restarts", [200, pytest.param(1000, marks=pytest.mark.slow)])
def test_30_restarts_leave_nothing_behind(
    grow: Grow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, restarts: int
) -> None:
    """Each left a descriptor, a thread, a socket, a file or some memory, and after a month it was over."""
    marks, temporary = tmp_path / "marks", tmp_path / "temporary"
    marks.touch()
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    root = grow(
        trees.supervisor(preload=[trees.WORKERS]),
        trees.worker(
            "w", "leaves_a_mark", {"file": str(marks)}, ready="immediate", heartbeat="none", **trees.EAGER
        ),
        trees.shell("c", f"printf . >> {marks}; exit 1", **trees.EAGER),
        trees.command("idle", *trees.SLEEPS),
    )

    def live(lives: int) -> None:
        lived = marks.stat().st_size
        for name in ("w", "c"):
            root.change("start", name, wait=False)
        wait_until(lambda: marks.stat().st_size >= lived + lives, 120, what=f"{lives} lives")
        for name in ("w", "c"):
            assert root.change("stop", name).ok
        wait_until(lambda: trees.reserve(root), what="the newborn in reserve")

    live(WARM_UP)
    before, memory_before = held(root, temporary), memory(root.process.pid)
    live(restarts)

    def grown() -> Counter[str]:
        return held(root, temporary) - before

    wait_until(lambda: not grown(), what="what the restarts have left to go", state=grown)
    assert memory(root.process.pid) - memory_before < MORE_MEMORY
    assert min(root.child(name)["restarts"] for name in ("w", "c")) > restarts / 10
