"""Killed at every point of the way of a step, producer and consumer alike: the same streams and ledger."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.crashpoints import DOOR, CrashPoint, Fuse, Killed, Remains, arm, passed_by
from tests.workers.shared.chain import LISTENS, MA, WAVES, add_chain, books, finished, start_all
from tests.workers.shared.world import World, world
from workers.shared.shell import Shell

ROWS = WAVES[:120]
KINDS: dict[str, dict[str, dict[str, Any]]] = {
    "ma_cross": {"strategy": MA},
    "listening": {"strategy": LISTENS},
}
READER = {"feed": "broker", "strategy": "broker", "broker": "notifier"}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, object]]:
    """Give the books of both kinds of run without any death."""
    found = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("workers.broker.app.hold", lambda path: 0)
        for kind, strategies in KINDS.items():
            with world(tmp_path_factory.mktemp(kind)) as made:
                add_chain(made, ROWS, strategies)
                start_all(made)
                made.run_until(lambda: finished(made))
                found[kind] = books(made)
    return found


def doomed(made: World, name: str, point: CrashPoint, nth: int) -> tuple[Fuse, Remains]:
    """Start the next life of a child, which will end at ``point``."""
    armed: list[tuple[Fuse, Remains]] = []

    def prepare(shell: Shell) -> None:
        remains = Remains(vars(shell)["_worker"].journal)
        armed.append((arm(shell, point, nth, remains.die), remains))

    made.start(name, prepare=prepare)
    return armed[0]


def die_at(made: World, name: str, point: CrashPoint, nth: int) -> bool:
    """Let the child live until it passes the point; False when the end of the recording came first."""
    made.kill(name)
    fuse, remains = doomed(made, name, point, nth)
    if point in DOOR and name in READER:  # a reader that is born has a question
        made.kill(READER[name])
        made.start(READER[name])
    try:
        made.run_until(lambda: finished(made))
    except Killed:
        made.kill(name)
        remains.put_back()
        return fuse.blown
    made.kill(name)
    return False


@pytest.mark.req("X2", "B5", "T1")
@pytest.mark.parametrize("name", ["feed", "strategy", "broker", "notifier"])
@pytest.mark.parametrize("kind", KINDS)
def test_killed_at_each_point_in_turn(
    tmp_path: Path, undisturbed: dict[str, dict[str, object]], kind: str, name: str
) -> None:
    """One life for each point, from the first question to the last log line: nothing lost, nothing twice."""
    with world(tmp_path) as made:
        add_chain(made, ROWS, KINDS[kind], speed=6000)
        start_all(made)
        points = passed_by(name)
        died = [die_at(made, name, point, nth=1 if point in DOOR else 2) for point in points]
        made.start(name)
        made.run_until(lambda: finished(made))

        assert undisturbed[kind] == books(made)
        assert [True] * len(points) == died


@pytest.mark.req("X2", "B5", "T1")
@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    kind=st.sampled_from(sorted(KINDS)),
    speed=st.sampled_from(["max", 3000]),
    network=st.fixed_dictionaries(
        {"seed": st.integers(0, 10_000), "loss": st.sampled_from([0.0, 0.2]), "reorder": st.just(0.3)}
    ),
    deaths=st.lists(
        st.tuples(
            st.sampled_from(["feed", "strategy", "listener", "slow", "broker", "notifier"]),
            st.sampled_from(CrashPoint),
            st.integers(1, 4),
        ),
        max_size=8,
    ),
)
def test_killed_anywhere_in_any_order(
    tmp_path_factory: pytest.TempPathFactory,
    undisturbed: dict[str, dict[str, object]],
    kind: str,
    speed: object,
    network: dict[str, Any],
    deaths: list[tuple[str, CrashPoint, int]],
) -> None:
    """Any worker at any point, with frames lost and reordered, at any speed: the same books."""
    with world(tmp_path_factory.mktemp("world"), duplicate=0.1, **network) as made:
        add_chain(made, ROWS, KINDS[kind], speed=speed)
        start_all(made)
        for victim, point, nth in deaths:
            name = victim if victim in made.children else "strategy"
            die_at(made, name, point, nth)
            made.start(name)
        made.run_until(lambda: finished(made))

        assert undisturbed[kind] == books(made)
