"""A renewed forkserver: new starts see edited modules, and nothing that runs is touched."""

from __future__ import annotations

from pathlib import Path

import pytest

from supervisor.engine.events import Exited
from tests.host.rig import Rig, is_alive, puppet, with_rig
from tests.support.deadline import until


@pytest.mark.req("S12")
@with_rig
async def test_old_forkserver_lives_until_its_last_worker_is_gone(rig: Rig) -> None:
    """The worker from before lives on; the next one has another parent; then the old forkserver ends."""
    before = rig.host.helpers()
    old = await rig.runs(puppet("old", 1, "runs"))
    rig.host.renew(())
    await until(lambda: rig.host.helpers() - before, what="another forkserver")
    new = await rig.runs(puppet("new", 1, "runs"))
    (parent,) = {_parent(old)} & before
    assert _parent(new) not in before
    assert is_alive(old)

    rig.host.kill("old", 1)
    await rig.event(Exited, "old")
    await until(lambda: not is_alive(parent), what="the old forkserver to end")
    assert is_alive(new)


@pytest.mark.req("S12")
@with_rig
async def test_renewal_without_workers_leaves_one_forkserver(rig: Rig) -> None:
    """Renewed five times in a row: as many helpers as before."""
    before = rig.host.helpers()
    first = _parent(await rig.runs(puppet("w", 1, "runs")))
    rig.host.kill("w", 1)
    await rig.event(Exited, "w")
    for _ in range(5):
        rig.host.renew(())
    await until(
        lambda: first not in rig.host.helpers() and len(rig.host.helpers()) == len(before),
        what="only the newest to be left",
        state=rig.host.helpers,
    )


def _parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
