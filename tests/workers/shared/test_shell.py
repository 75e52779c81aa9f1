"""The shell in simulated time: streams complete, once and in order, whatever is lost, killed or full."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from loguru import logger

from protocol.codec import STRATEGY
from protocol.errors import CorruptJournal, JournalReplaced, StorageFull
from protocol.messages.control import Done, Ready
from protocol.messages.stream import MarketRole
from protocol.messages.trading import Cancel, Order, Signal, Through
from tests.workers.feed.candles import rows, write
from tests.workers.shared.puppets import Fragile, Killed, Recorder, recorder, seen
from tests.workers.shared.world import World, world
from workers.feed.__main__ import build as build_feed
from workers.shared.worker import Worker
from workers.strategy.__main__ import build as build_strategy

if TYPE_CHECKING:
    from loguru import Message

WAVES = [100 + (n * n) % 17 for n in range(400)]
MA = {"strategy": "ma_cross", "mode": "paper", "parameters": {"fast": 2, "slow": 5}}


def add_feed(made: World, closes: list[int], **config: Any) -> None:
    write(made.folder / "candles.csv", rows(closes))
    made.add("feed", build_feed, file="candles.csv", **config)


def worker_of(made: World, name: str) -> Worker:
    process = made.children[name].process
    assert process is not None
    return process.worker


def decisions(made: World) -> list[Signal | Order | Cancel]:
    journal = worker_of(made, "strategy").journal
    messages = [STRATEGY.decode(record.body) for record in journal.read(0, 100_000)]
    return [message for message in messages if isinstance(message, Signal | Order | Cancel)]


def through(made: World) -> Through | None:
    journal = worker_of(made, "strategy").journal
    messages = [STRATEGY.decode(record.body) for record in journal.read(max(journal.last_seq - 1, 0), 1)]
    return messages[-1] if messages and isinstance(messages[-1], Through) else None


def finished(made: World) -> bool:
    last = through(made) if made.children["strategy"].process is not None else None
    return last is not None and last.end


def fragile(worker: Worker, **faults: dict[int, Exception]) -> Worker:
    return replace(worker, journal=Fragile(worker.journal, **faults))


def dying(commits: int, *, before: bool) -> Callable[[Worker], Worker]:
    fatal: dict[int, Exception] = {commits: Killed()}
    return lambda worker: fragile(worker, **{"before" if before else "after": fatal})


def quiet_run(folder: Path) -> list[Signal | Order | Cancel]:
    folder.mkdir(exist_ok=True)
    with world(folder) as made:
        add_feed(made, WAVES)
        made.add("strategy", build_strategy, **MA)
        made.start("strategy")
        made.start("feed")
        made.run_until(lambda: finished(made))
        return decisions(made)


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> list[Signal | Order | Cancel]:
    """Give the decisions of an undisturbed run."""
    found = quiet_run(tmp_path_factory.mktemp("quiet"))
    assert len(found) > 100
    return found


@pytest.mark.req("T1", "X2")
@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.integers(0, 10_000),
    loss=st.sampled_from([0.0, 0.1, 0.4]),
    speed=st.sampled_from(["max", 6000]),
    kills=st.lists(
        st.tuples(st.sampled_from(["feed", "strategy"]), st.integers(1, 4), st.booleans()), max_size=6
    ),
)
def test_feed_to_strategy_survives_loss_and_kills(
    tmp_path_factory: pytest.TempPathFactory,
    expected: list[Signal | Order],
    seed: int,
    loss: float,
    speed: object,
    kills: list[tuple[str, int, bool]],
) -> None:
    """Killed around commits, with frames lost, doubled and reordered: the same decisions, once, in order."""
    folder = tmp_path_factory.mktemp("world")
    with world(folder, seed=seed, loss=loss, duplicate=0.1, reorder=0.3) as made:
        add_feed(made, WAVES, speed=speed)
        made.add("strategy", build_strategy, **MA)
        made.start("strategy")
        made.start("feed")
        for name, commits, before in kills:
            made.kill(name)
            made.start(name, dying(commits, before=before))
            with suppress(Killed):
                made.run(1.0)
            made.kill(name)
            made.start(name)
        made.run_until(lambda: finished(made))

        assert expected == decisions(made)
        assert 402 > len({s.row for s in expected}) > 50


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10_000), bound=st.integers(1, 60), batch=st.integers(1, 9))
def test_never_more_waits_than_there_is_room(
    tmp_path_factory: pytest.TempPathFactory, seed: int, bound: int, batch: int
) -> None:
    """A slow core is not drowned: it gets what it has room for, and still everything."""
    core = Recorder(bound=bound, batch=batch)
    with world(tmp_path_factory.mktemp("world"), seed=seed, loss=0.1) as made:
        add_feed(made, WAVES[:100])
        made.add("slow", recorder(core))
        made.start("feed")
        worker = made.start("slow").worker
        made.run_until(lambda: len(seen(worker)) == 101)

        assert list(range(1, 102)) == seen(worker)
        assert core.most <= bound


def test_input_is_introduced_before_its_records(tmp_path: Path) -> None:
    """The core learns what an input is before the first record, and again in each life."""
    core = Recorder()
    with world(tmp_path) as made:
        add_feed(made, WAVES[:5])
        made.add("reader", recorder(core))
        made.start("reader")
        made.start("feed")
        made.run(1.0)

        ((source, role),) = core.introduced
        assert "feed" == source
        assert isinstance(role, MarketRole)
        assert role.lockstep


@pytest.mark.req("S3")
def test_ready_is_said_once_then_beats_flow(tmp_path: Path) -> None:
    """Ready comes first; then a beat a second, whatever else there is to do."""
    with world(tmp_path) as made:
        add_feed(made, WAVES, on_end="loop", speed=6000)
        made.add("strategy", build_strategy, **MA)
        made.start("feed")
        made.start("strategy")
        made.network.run(until=0.0)
        made.run(10.0)

        heard = [message for name, _, message in made.root.heard if name == "feed"]
        assert isinstance(heard[0], Ready)
        assert 1 == sum(isinstance(message, Ready) for message in heard)
        assert 10 <= len(made.root.beats("feed")) <= 11
        assert 10 <= len(made.root.beats("strategy")) <= 11


def test_beat_tells_counters_and_newest_data(tmp_path: Path) -> None:
    """Counters are the worker's own; the newest data is that of the last record received."""
    with world(tmp_path) as made:
        add_feed(made, WAVES)
        made.add("strategy", build_strategy, **MA)
        made.start("feed")
        made.start("strategy")
        made.run(3.0)
        feed, strategy = made.root.beats("feed")[-1], made.root.beats("strategy")[-1]

        assert (400, 396) == (feed.counters["candles"], strategy.counters["evaluations"])
        assert feed.last_data_ms == strategy.last_data_ms
        assert "healthy" == strategy.health


@pytest.mark.req("H1")
def test_absent_producer_is_waited_for_by_name(tmp_path: Path) -> None:
    """Status can say for whom a worker waits."""
    with world(tmp_path) as made:
        made.add("strategy", build_strategy, **MA)
        made.start("strategy")
        made.run(3.0)
        beat = made.root.beats("strategy")[-1]

        assert ("degraded", "feed") == (beat.health, beat.waiting_for)


@pytest.mark.req("S8")
def test_done_is_repeated_until_noted(tmp_path: Path) -> None:
    """Done is said each second until the root has heard it, and again in the next life."""
    with world(tmp_path) as made:
        made.root.notes_done = False
        made.add("broker", recorder(inputs=(), done=lambda: Done(then="shutdown")))
        made.start("broker")
        made.run(3.5)
        assert 4 == len(made.root.done("broker"))

        made.root.notes_done = True
        made.run(3.0)
        assert 5 == len(made.root.done("broker"))

        made.kill("broker")
        made.start("broker")
        made.run(3.0)
        assert 6 == len(made.root.done("broker"))


@pytest.mark.req("B6")
def test_full_disk_loses_nothing(tmp_path: Path) -> None:
    """A step that cannot be committed is kept and tried again; health says why; then all goes on."""
    full = StorageFull(Path("x.db"), "disk I/O")
    with world(tmp_path) as made:
        add_feed(made, WAVES[:60])
        made.add("reader", recorder())
        made.start("feed")
        faults: dict[int, Exception] = dict.fromkeys(range(3, 7), full)
        worker = made.start("reader", lambda w: fragile(w, before=faults)).worker
        made.run(3.5)
        beat = made.root.beats("reader")[-1]
        assert "degraded" == beat.health
        assert str(full) in beat.reasons
        assert beat.errors > 0

        made.run(5.0)
        assert list(range(1, 62)) == seen(worker)
        assert str(full) not in made.root.beats("reader")[-1].reasons


def test_a_line_is_logged_once_and_only_of_what_is_on_disk(tmp_path: Path) -> None:
    """However often a step has to be tried: who reads the log believes that it happened."""
    full = StorageFull(Path("x.db"), "disk I/O")
    counts: list[int] = []
    with world(tmp_path) as made:
        add_feed(made, WAVES[:40])
        made.add("reader", recorder())
        made.start("feed")
        worker = made.start("reader", lambda w: fragile(w, before=dict.fromkeys(range(3, 6), full))).worker

        def heard(message: Message) -> None:
            if message.record["message"] == "seen":
                counts.append(message.record["extra"]["count"])
                assert sum(counts) <= len(seen(worker))

        logger.enable("workers")
        sink = logger.add(heard, level=0, catch=False)
        try:
            made.run(8.0)
        finally:
            logger.remove(sink)

    assert sum(counts) == 41


def test_full_disk_at_the_stop_is_told_and_loses_nothing(tmp_path: Path) -> None:
    """What could not be written before the stop is fetched again by the next life."""
    full = StorageFull(Path("x.db"), "disk I/O")
    with world(tmp_path) as made:
        add_feed(made, WAVES[:20])
        made.add("reader", recorder())
        made.start("feed")
        process = made.start("reader", lambda w: fragile(w, before=dict.fromkeys(range(2, 99), full)))
        made.run(2.5)
        process.shell.close()
        made.kill("reader")
        worker = made.start("reader").worker
        made.run(8.0)

        assert list(range(1, 22)) == seen(worker)


def test_stop_commits_a_step_that_waits_for_the_disk(tmp_path: Path) -> None:
    """At the stop what was held back is tried once more."""
    full = StorageFull(Path("x.db"), "disk I/O")
    with world(tmp_path) as made:
        add_feed(made, WAVES[:3])
        made.add("reader", recorder())
        made.start("feed")
        process = made.start("reader", lambda w: fragile(w, before={1: full}))
        made.run_until(lambda: process.worker.journal.commits == 1)  # type: ignore[attr-defined]
        process.shell.close()
        made.kill("reader")

        assert seen(made.start("reader").worker)[:1] == [1]


def test_damaged_journal_ends_the_turn(tmp_path: Path) -> None:
    """An error that no waiting cures comes out of the turn."""
    damaged = CorruptJournal(Path("x.db"), "malformed")
    with world(tmp_path) as made:
        add_feed(made, WAVES[:5])
        made.add("reader", recorder())
        made.start("feed")
        made.start("reader", lambda w: fragile(w, before={1: damaged}))
        with pytest.raises(CorruptJournal):
            made.run(5.0)


@pytest.mark.req("T1")
def test_replaced_recording_is_noticed(tmp_path: Path) -> None:
    """Another recording under the same name cannot be gone on with: halt rather than skip."""
    with world(tmp_path) as made:
        add_feed(made, WAVES[:10])
        made.add("reader", recorder())
        made.start("feed")
        made.start("reader")
        made.run(2.0)
        made.kill("feed")
        write(tmp_path / "candles.csv", rows(WAVES[20:40]))
        made.start("feed")
        with pytest.raises(JournalReplaced):
            made.run(20.0)


def test_lost_database_of_the_feed_is_harmless(tmp_path: Path) -> None:
    """The recording is its own journal: without its database the feed learns from readers how far it was."""
    with world(tmp_path) as made:
        add_feed(made, WAVES[:50], speed=60, on_end="idle")
        made.add("reader", recorder())
        made.start("feed")
        worker = made.start("reader").worker
        made.run(10.0)
        made.kill("feed")
        for path in (tmp_path / "data").glob("feed.db*"):
            path.unlink()
        before = len(seen(worker))
        made.start("feed")
        made.run(60.0)

        assert before >= 8
        assert list(range(1, 52)) == seen(worker)


def test_garbage_on_any_door_is_counted(tmp_path: Path) -> None:
    """Frames that are none are dropped and counted, and the stream goes on."""
    with world(tmp_path) as made:
        add_feed(made, WAVES[:5])
        made.add("reader", recorder())
        made.start("feed")
        worker = made.start("reader").worker
        stranger = made.network.transport()
        stranger.dealer("ipc:///world/feed.past", lambda frame: None, max_bytes=99).send(b"junk")
        stranger.publisher("ipc:///world/feed.live").send(b"junk")
        made.run(3.0)

        assert list(range(1, 7)) == seen(worker)
        assert 1 == made.root.beats("feed")[-1].errors
        assert 1 == made.root.beats("reader")[-1].errors
