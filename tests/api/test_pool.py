"""Children that come and go while the tree runs."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from supervisor import Child, Supervisor
from supervisor.api import ConfigError, Refused
from tests.api import puppets
from tests.api.loops import command, in_loop
from tests.api.test_running import SLEEP, child_of
from tests.host.rig import is_alive
from tests.host.test_real_growth import held
from tests.support.deadline import until

pytestmark = pytest.mark.usefixtures("runtime_dir")
RESERVE = (3, 0, 1)
"""Descriptors, threads, children of the command kept in reserve, which may not have been there at first."""


def with_pool(state_dir: Path, template: Child, **pool: Any) -> Supervisor:
    """A tree of a plain child and a pool."""
    instances = Supervisor([template], id="pool", strategy="simple_one_for_one", **pool)
    return Supervisor([Child("plain", command=SLEEP), instances], state_dir=state_dir)


@pytest.mark.req("S2")
@in_loop
async def test_instances_are_children_like_others(state_dir: Path) -> None:
    """Each with its own config over the template's, in the status, restarted when killed, and forgotten."""
    template = Child("any", start=puppets.serves, config={"says": "nothing", "other": 1})
    async with with_pool(state_dir, template) as tree:
        pool = tree.pool("pool")
        assert not pool.instances
        await pool.start("one", config={"says": "one"})
        await pool.start("two")
        assert list(pool.instances) == ["one", "two"]
        assert child_of(tree, "one")["path"] == "root/pool/one"
        await until(lambda: child_of(tree, "one")["counters"].get("says") == "one", what="the beats of one")
        await until(lambda: child_of(tree, "two")["counters"].get("says") == "nothing", what="those of two")

        killed = child_of(tree, "one")["pid"]
        os.kill(killed, signal.SIGKILL)
        await until(lambda: child_of(tree, "one")["restarts"] == 1, what="its restart")
        await until(lambda: child_of(tree, "one")["state"] == "ready", what="one to be ready again")
        await until(lambda: child_of(tree, "one")["counters"].get("says") == "one", what="its own config")
        assert await command(state_dir, "restart", "two") == (0, "two: ready\n")

        pids = [child_of(tree, name)["pid"] for name in pool.instances]
        await pool.stop("one")
        assert list(pool.instances) == ["two"]
        assert not is_alive(pids[0])
        await pool.start("one")
        assert list(pool.instances) == ["two", "one"]
        assert child_of(tree, "one")["incarnation"] == 3
    assert not any(map(is_alive, pids))


@pytest.mark.req("S2")
@in_loop
async def test_starts_that_are_refused(state_dir: Path) -> None:
    """Names that are taken or cannot be, configs that cannot be sent: nothing comes of them."""
    async with with_pool(state_dir, Child("any", start=puppets.serves)) as tree:
        pool = tree.pool("pool")
        await pool.start("one")
        with pytest.raises(Refused, match="start of 'one': an instance of that name runs already"):
            await pool.start("one")
        with pytest.raises(Refused, match="start of 'plain': another child of the tree has that name"):
            await pool.start("plain")
        with pytest.raises(Refused, match="stop of 'two': the pool has no such instance"):
            await pool.stop("two")
        with pytest.raises(ConfigError, match=r"pool pool: found \"a/b\", allowed is 1 to 64 letters"):
            await pool.start("a/b")
        with pytest.raises(ConfigError, match="pool pool: two: config: found"):
            await pool.start("two", config={"x": object()})
        assert list(pool.instances) == ["one"]


@pytest.mark.req("S2")
@in_loop
async def test_first_start_that_fails(state_dir: Path) -> None:
    """The caller learns it, and nothing of the instance is kept or tried again."""
    async with with_pool(state_dir, Child("any", start=puppets.fails)) as tree:
        pool = tree.pool("pool")
        with pytest.raises(Refused, match="it did not become ready, and is not tried again"):
            await pool.start("one")
        assert not pool.instances
        assert [child["id"] for child in tree.status()["children"]] == ["plain", "pool"]


@pytest.mark.req("S2")
@in_loop
async def test_temporary_instances_leave_by_themselves(state_dir: Path) -> None:
    """The pool forgets an instance that has done its work."""
    template = Child("any", command=["true"], restart="temporary")
    async with with_pool(state_dir, template) as tree:
        pool = tree.pool("pool")
        await pool.start("one")
        await until(lambda: pool.instances == (), what="the instance to be forgotten")
        await pool.start("one")


@pytest.mark.req("S2")
@in_loop
async def test_instances_that_are_gone_leave_nothing(state_dir: Path) -> None:
    """Fifty instances of different names, one after the other: no descriptor, no process, no thread more."""
    async with with_pool(state_dir, Child("any", command=SLEEP)) as tree:
        pool = tree.pool("pool")
        await pool.start("first")
        before = held()
        for number in range(50):
            await pool.start(f"number-{number}")
            await pool.stop(f"number-{number}")

        def given_back() -> bool:
            return all(now <= then + spare for now, then, spare in zip(held(), before, RESERVE, strict=True))

        await until(given_back, what="what they held to be given back", state=held)
        assert list(pool.instances) == ["first"]


@pytest.mark.req("S2")
@in_loop
async def test_pool_that_is_the_whole_tree(state_dir: Path) -> None:
    """The outermost supervisor can be the pool; its name is root. Ten starts at once are ten instances."""
    template = Child("any", command=SLEEP)
    async with Supervisor([template], strategy="simple_one_for_one", state_dir=state_dir) as tree:
        pool = tree.pool("root")
        async with asyncio.TaskGroup() as group:
            for number in range(10):
                group.create_task(pool.start(f"number-{number}"))
        assert len(pool.instances) == 10
        assert {child["state"] for child in tree.status()["children"]} == {"ready"}
