"""A disk that fills up or turns read-only during a run: told once, exits go on in memory, nothing lost."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from loguru import logger

from protocol.errors import ReadOnlyStorage, StorageError, StorageFull, TooLarge
from protocol.messages.market import Funding
from tests.support.smalldisk import FailingDisk, fill
from tests.workers.feed.candles import rows, write
from tests.workers.shared.chain import LISTENS, WAVES, add_chain, books, finished, start_all
from tests.workers.shared.puppets import Fragile, Recorder, recorder, seen
from tests.workers.shared.test_prices import FUNDING
from tests.workers.shared.world import World, world
from workers.feed.__main__ import build as build_feed
from workers.shared.core import Step, Write
from workers.shared.held import HELD_MOST, Held
from workers.shared.worker import Context, Worker

FULL = StorageFull(Path("x.db"), "no room")


@pytest.fixture
def alerts() -> Iterator[list[str]]:
    """Give the CRITICAL lines of the test."""
    found: list[str] = []
    logger.enable("workers")
    sink = logger.add(lambda message: found.append(message.record["message"]), level="CRITICAL")
    yield found
    logger.remove(sink)


class Exiting(Recorder):
    """Goes on in memory: passes each record on, with a number of its own; knows whether the disk works."""

    def __init__(self) -> None:
        super().__init__(batch=3)
        self.told: list[bool] = []
        self.made = 0

    def storage(self, *, available: bool) -> bool:
        self.told.append(available)
        return True

    def step(self) -> Step | None:
        step = super().step()
        self.made += step is not None
        return None if step is None else replace(step, outputs=(FUNDING,), logs=())


def exiting(core: Exiting) -> Callable[[Context], Worker]:
    return lambda context: replace(recorder(core)(context), storage=core.storage)


def faulty(commits: range, error: StorageError = FULL) -> Callable[[Worker], Worker]:
    faults: dict[int, Exception] = dict.fromkeys(commits, error)
    return lambda worker: replace(worker, journal=Fragile(worker.journal, before=faults))


def stage(made: World, core: Exiting, count: int = 60) -> None:
    write(made.folder / "candles.csv", rows(WAVES[:count]))
    made.add("feed", build_feed, file="candles.csv", speed=600)
    made.add("broker", exiting(core))
    made.add("notifier", recorder(inputs=("broker",)))
    made.start("notifier")
    made.start("feed")


@pytest.mark.req("B5")
@pytest.mark.parametrize("error", [FULL, ReadOnlyStorage(Path("x.db"), "read-only")])
def test_exits_go_on_in_memory_and_are_written_when_there_is_room(
    tmp_path: Path, alerts: list[str], error: StorageError
) -> None:
    """Decided at once, told to nobody before it is on disk, then all of it, in order, once; one alert."""
    core = Exiting()
    with world(tmp_path) as made:
        stage(made, core)
        broker = made.start("broker", faulty(range(3, 7), error)).worker
        made.run_until(lambda: core.told == [False])
        notifier = made.children["notifier"].process
        assert notifier is not None
        before = core.made
        made.run(2.5)
        assert core.made >= before + 20
        assert seen(notifier.worker) == [1, 2]
        assert "degraded" == made.root.beats("broker")[-1].health
        assert str(error) in made.root.beats("broker")[-1].reasons

        made.run_until(lambda: len(seen(broker)) == 61)
        assert [False, True] == core.told
        assert list(range(1, 62)) == seen(broker)
        made.run(3.0)
        assert list(range(1, core.made + 1)) == seen(notifier.worker)
        assert [str(error)] == alerts
        assert str(error) not in made.root.beats("broker")[-1].reasons


@pytest.mark.req("B5")
def test_killed_while_the_disk_is_full_decides_again(tmp_path: Path) -> None:
    """What was decided in memory is gone with the process, and nobody had been told: it comes again."""
    core = Exiting()
    with world(tmp_path) as made:
        stage(made, core)
        made.start("broker", faulty(range(3, 99)))
        made.run(3.5)
        made.kill("broker")
        again = made.start("broker").worker
        made.run_until(lambda: len(seen(again)) == 61)
        made.run(3.0)
        assert list(range(1, 62)) == seen(again)
        notifier = made.children["notifier"].process
        assert notifier is not None
        assert list(range(1, again.journal.last_seq + 1)) == seen(notifier.worker)


def test_memory_is_bounded_while_the_disk_is_full() -> None:
    """Beyond a number of records and statements the core has to wait as well."""
    held = Held(lambda *, available: True)
    held.begin(Step(writes=(Write("x"),)), 1.0)
    while not held.blocks:
        held.add(Step(writes=(Write("x"),) * 1000, outputs=(FUNDING,) * 1000))
    assert held.step is not None
    assert len(held.step.writes) + len(held.step.outputs) <= HELD_MOST + 2000


def run_chain(folder: Path, *, trouble: Callable[[World], None] = lambda made: None) -> dict[str, object]:
    folder.mkdir(exist_ok=True)
    with world(folder) as made:
        add_chain(made, WAVES[:150], {"strategy": LISTENS}, speed=6000)
        start_all(made)
        trouble(made)
        made.run_until(lambda: finished(made))
        return books(made)


@pytest.mark.req("B5", "X2")
def test_a_real_disk_without_room_costs_nothing(tmp_path: Path, small_disk: Path, alerts: list[str]) -> None:
    """Every worker on a disk that somebody else fills up: each says so once; then the same books."""

    def trouble(made: World) -> None:
        made.run(0.3)
        make_room = fill(small_disk)
        made.run(5.0)
        assert not finished(made)
        assert any("no room to write" in reason for reason in made.root.beats("broker")[-1].reasons)
        make_room()

    expected = run_chain(tmp_path / "quiet")

    assert expected == run_chain(small_disk, trouble=trouble)
    assert len(alerts) == len(set(alerts))
    assert alerts


@pytest.mark.req("B5", "X2")
def test_a_disk_that_turns_read_only_costs_nothing(
    tmp_path: Path, failing_disk: FailingDisk, alerts: list[str]
) -> None:
    """The file system fails under everybody's hands; after its repair all go on, with the same books."""

    def trouble(made: World) -> None:
        made.run(0.3)
        failing_disk.fail()
        made.run(5.0)
        assert not finished(made)
        assert any("not writable" in reason for reason in made.root.beats("broker")[-1].reasons)
        for name in made.children:
            made.kill(name)
        failing_disk.unmount()
        failing_disk.mount()
        start_all(made)

    expected = run_chain(tmp_path / "quiet")

    assert expected == run_chain(failing_disk.place, trouble=trouble)
    assert alerts


def test_a_step_that_no_disk_would_take_ends_the_worker(tmp_path: Path) -> None:
    """A body too large for any frame is a defect, not a matter of room: the turn ends, nothing is written."""

    class Huge(Recorder):
        def step(self) -> Step | None:
            step = super().step()
            wide = Funding(symbol="x" * (1 << 20), at_ms=1, rate=FUNDING.rate)
            return None if step is None else replace(step, outputs=(wide,))

    with world(tmp_path) as made:
        stage(made, Exiting(), count=5)
        made.add("broker", recorder(Huge()))
        worker = made.start("broker").worker
        with pytest.raises(TooLarge):
            made.run(5.0)
        assert ([], 0) == (seen(worker), worker.journal.last_seq)
