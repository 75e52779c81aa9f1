"""A root that is there to be killed: run as ``python -m tests.host.small_root``.

It starts workers and commands with stubborn descendants, prints one line of JSON with all pids, and waits.
"""

from __future__ import annotations

import asyncio
import json
import sys

from tests.host.rig import Rig, command, puppet
from tests.support.puppets import DEAF


async def live() -> None:
    """Start everything, tell about it, wait to be killed."""
    rig = Rig()
    await rig.host.open()
    deaf = await rig.runs(puppet("deaf", 1, "runs", deaf=True))
    parent = await rig.runs(puppet("parent", 1, "has_deaf_child"))
    escaper = await rig.runs(puppet("escaper", 1, "has_escapee"))
    script = await rig.runs(command("script", 1, "sh", "-c", f"{DEAF.replace('echo deaf', 'echo up')}"))
    await rig.word("up ", "deaf")
    await rig.word("up ", "script")
    pids = {
        "deaf": deaf,
        "parent": parent,
        "grandchild": int(await rig.word("deaf ", "parent")),
        "escaper": escaper,
        "escapee": int(await rig.word("escaped ", "escaper")),
        "script": script,
        **{f"helper {pid}": pid for pid in rig.host.helpers()},
    }
    sys.stdout.write(json.dumps(pids) + "\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(live())
