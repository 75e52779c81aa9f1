"""Reading the tree file again: whatever comes of it, whoever asked is answered."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from supervisor.config import ConfigError, Problem, Tree
from supervisor.engine import events
from supervisor.engine.spec import SupervisorSpec
from supervisor.runtime.reloading import Reloading
from supervisor.runtime.rootlog import beside, say_unhandled
from tests.support.deadline import until

TREE = Tree(
    root=SupervisorSpec(id="root"), name="tree.toml", demo=False, config_dir=Path("/"),
    state_dir=Path("/var"), preload=(), alert_command=(),
)  # fmt: skip
WRONG = ConfigError([Problem(origin="tree.toml", says="is wrong")])


@dataclass
class Around:
    """What a reload reaches."""

    reader: Callable[[], Tree]
    renew: Callable[[tuple[str, ...]], None] = lambda _: None
    told: list[events.Event] = field(default_factory=list)
    broken: list[BaseException] = field(default_factory=list)
    settled: list[tuple[bool, int, str]] = field(default_factory=list)
    said: list[dict[str, Any]] = field(default_factory=list)

    def settle(self, request_of_child: str, *, ok: bool, detail: str, code: int = 1) -> None:
        """Note what an operator was told."""
        assert request_of_child == "r"
        self.settled.append((ok, code, detail))

    def reload(self) -> Around:
        """Reload once, until something has come of it."""

        async def play() -> None:
            reloading = Reloading(
                self.reader, answering=self, tell=self.told.append, renew=self.renew,
                broken=self.broken.append, started_with=TREE,
            )  # fmt: skip
            reloading.begin("r")
            await until(lambda: self.settled or self.told or self.broken, what="an outcome")

        with beside(self.said.append):
            asyncio.run(play())
        return self


def raising(error: Exception) -> Callable[..., Any]:
    """Something that ends with this error."""

    def fail(*_: object) -> Any:
        raise error

    return fail


@pytest.mark.req("O3")
def test_file_that_can_be_read_goes_to_the_engine() -> None:
    """With the request, which the engine answers."""
    around = Around(lambda: TREE).reload()

    assert around.told == [events.TreeChanged(TREE.root, "r")]
    assert (around.settled, around.broken) == ([], [])


@pytest.mark.req("O3")
@pytest.mark.parametrize(
    ("error", "code", "sentence"),
    [
        (WRONG, 2, "tree.toml: is wrong"),
        (
            PermissionError(13, "Permission denied", "tree.toml"),
            1,
            "cannot read tree.toml: Permission denied",
        ),
        (RuntimeError("defect"), 1, "a defect in reading the tree file: RuntimeError('defect')"),
    ],
)
def test_file_that_cannot_be_read_is_refused_and_the_tree_goes_on(
    error: Exception, code: int, sentence: str
) -> None:
    """A defect of the reader was a line of asyncio's, and whoever had asked waited for ever."""
    around = Around(raising(error)).reload()

    ((ok, told_code, told),) = around.settled
    assert (ok, told_code) == (False, code)
    assert told.startswith(sentence)
    assert around.said[-1]["message"] == f"not reloaded: {told}"
    assert (around.told, around.broken) == ([], [])


@pytest.mark.req("S7")
def test_defect_after_the_reading_ends_the_root() -> None:
    """Nobody knows then what has been done of the reload."""
    around = Around(lambda: TREE, renew=raising(RuntimeError("defect"))).reload()

    assert ["defect"] == [str(defect) for defect in around.broken]


@pytest.mark.req("S7")
def test_exception_in_a_callback_of_the_loop_is_in_the_log_of_the_root() -> None:
    """asyncio would have told stderr, which a detached root does not have."""
    said: list[dict[str, Any]] = []

    async def play() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(say_unhandled)
        loop.call_soon(raising(RuntimeError("defect")))
        await asyncio.sleep(0)

    with beside(said.append):
        asyncio.run(play())

    (record,) = said
    assert record["level"] == "ERROR"
    assert "RuntimeError: defect" in record["exception"]
