"""A tree inside an asyncio program: a worker, a command, and a pool of workers that come and go."""

import asyncio

from protocol.child import Connection, Launch
from supervisor import Child, Supervisor


def count(launch: Launch) -> None:
    """Count, in a process of its own, until told to stop."""
    with Connection(launch) as root:
        number = launch.config["first"]
        root.ready()
        while not root.sleep(0.1):  # True when it is time to stop
            number += 1
            root.beat(counters={"number": number})


async def main() -> None:
    """Start the tree, use it for a moment, and stop it in order."""
    counter = Child("counter", start=count, config={"first": 0}, backoff={"initial": "1s", "max": "30s"})
    clock = Child("clock", command=["sh", "-c", "while date; do sleep 1; done"])
    pool = Supervisor(
        [Child("template", start=count, config={"first": 100})], id="pool", strategy="simple_one_for_one"
    )
    async with Supervisor([counter, clock, pool], state_dir="counting") as tree:
        await tree.pool("pool").start("extra", config={"first": 1000})
        await tree.restart("counter")  # returns when the new process is ready
        for child in tree.status()["children"]:
            print(f"{child['path']} is {child['state']}")


if __name__ == "__main__":
    asyncio.run(main())
