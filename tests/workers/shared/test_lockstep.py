"""Several strategies on one recording, row by row: one ledger, whoever is late, away, or comes back."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.workers.shared.chain import LISTENS, SEVERAL, WAVES, add_chain, books, finished, start_all
from tests.workers.shared.world import World, world
from workers.broker.core import BrokerCore

ROWS = WAVES[:80]


@pytest.fixture
def expected(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """Give the books of a run in which all were there all the time."""
    with world(tmp_path_factory.mktemp("quiet")) as made:
        add_chain(made, ROWS, SEVERAL)
        start_all(made)
        made.run_until(lambda: finished(made))
        return books(made)


def handled(made: World) -> int:
    process = made.children["broker"].process
    assert process is not None
    cursor = process.worker.journal.cursor("feed")
    return cursor.seq if cursor else 0


@pytest.mark.req("X2", "T6")
@pytest.mark.parametrize("away", SEVERAL)
def test_all_wait_for_a_member_that_is_away_and_say_so(
    tmp_path: Path, expected: dict[str, object], away: str
) -> None:
    """Parked or in backoff: nobody trades without it, status names it, and then all go on."""
    with world(tmp_path) as made:
        add_chain(made, ROWS, SEVERAL, speed=6000)
        start_all(made)
        made.run(0.3)
        made.kill(away)
        made.run(0.5)
        stood = handled(made)
        made.run(10.0)
        beat = made.root.beats("broker")[-1]
        assert (stood, away) == (handled(made), beat.waiting_for)
        assert f"waiting for {away}" in beat.reasons
        assert stood < len(ROWS)

        made.start(away)
        made.run_until(lambda: finished(made))
        assert expected == books(made)


@pytest.mark.req("X2", "T6")
@pytest.mark.parametrize("away", SEVERAL)
def test_a_member_that_never_came_holds_up_the_first_row(
    tmp_path: Path, expected: dict[str, object], away: str
) -> None:
    """The members are those of the tree file, also one that was never seen."""
    with world(tmp_path) as made:
        add_chain(made, ROWS, SEVERAL)
        for name in made.children:
            if name != away:
                made.start(name)
        made.run(10.0)
        assert (0, away) == (handled(made), made.root.beats("broker")[-1].waiting_for)

        made.start(away)
        made.run_until(lambda: finished(made))
        assert expected == books(made)


@pytest.mark.req("X2")
@pytest.mark.parametrize("strategy", ["ma_cross", "donchian", LISTENS["strategy"]])
def test_to_run_ahead_while_the_account_is_still_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, strategy: str
) -> None:
    """The books are those of a run in which each row waits for the fills of the row before."""
    listens = {"listener": {**LISTENS, "strategy": strategy}, "slow": SEVERAL["slow"]}
    found, told = [], []
    for strict in (False, True):
        (folder := tmp_path / str(strict)).mkdir()
        if strict:
            monkeypatch.setattr(BrokerCore, "_still", lambda *_: False)
        with world(folder) as made:
            add_chain(made, WAVES[:120], listens)
            start_all(made)
            made.run_until(lambda: finished(made))
            found.append(books(made))
            told.append(made.children["broker"].process.worker.journal.last_seq)  # type: ignore[union-attr]

    assert found[0] == found[1]
    assert told[0] < told[1]
