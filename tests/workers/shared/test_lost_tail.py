"""A power loss that costs a producer its last records: read again where records have a key, else halt."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from protocol.errors import JournalReplaced
from tests.workers.shared.chain import LISTENS, MA, WAVES, add_chain, books, finished, start_all
from tests.workers.shared.world import World, world

ROWS = WAVES[:120]


def quiet(folder: Path, strategy: dict[str, object]) -> dict[str, object]:
    folder.mkdir()
    with world(folder) as made:
        add_chain(made, ROWS, {"strategy": strategy})
        start_all(made)
        made.run_until(lambda: finished(made))
        return books(made)


def lose_power(made: World, child: str, patch: pytest.MonkeyPatch, *, meanwhile: float) -> None:
    """End everything; the machine comes back with the database of ``child`` as it was ``meanwhile`` ago."""
    made.kill(child)
    kept = made.folder / "kept"
    kept.mkdir()
    for path in (made.folder / "data").glob(f"{child}.db*"):
        shutil.copyfile(path, kept / path.name)
    made.start(child)
    made.run(meanwhile)
    for name in made.children:
        made.kill(name)
    for path in (made.folder / "data").glob(f"{child}.db*"):
        path.unlink()
    for path in kept.iterdir():
        shutil.copyfile(path, made.folder / "data" / path.name)
    patch.setattr("protocol.journal.boot_id", lambda: "the next boot")


@pytest.mark.req("T1", "B1")
def test_a_strategy_without_its_last_records_decides_them_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The broker is ahead of it, and takes each order once: the books are the same."""
    expected = quiet(tmp_path / "quiet", MA)
    folder = tmp_path / "lossy"
    folder.mkdir()
    with world(folder) as made:
        add_chain(made, ROWS, {"strategy": MA}, speed=6000)
        start_all(made)
        made.run(0.3)
        lose_power(made, "strategy", monkeypatch, meanwhile=0.4)
        start_all(made)
        made.run_until(lambda: finished(made))

        assert expected == books(made)


@pytest.mark.req("S6")
def test_a_listening_strategy_that_lost_its_last_records_is_not_traded_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has heard of fills in between and might decide otherwise: the broker halts."""
    with world(tmp_path) as made:
        add_chain(made, ROWS, {"strategy": LISTENS}, speed=6000)
        start_all(made)
        made.run(0.3)
        lose_power(made, "strategy", monkeypatch, meanwhile=0.4)
        start_all(made)
        with pytest.raises(JournalReplaced):
            made.run(5.0)


@pytest.mark.req("S6")
def test_a_reader_that_knows_numbers_only_halts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A broker that lost fills which the notifier has told: nothing is skipped, a person must look."""
    with world(tmp_path) as made:
        add_chain(made, ROWS, {"strategy": MA}, speed=6000)
        start_all(made)
        made.run(0.3)
        lose_power(made, "broker", monkeypatch, meanwhile=0.4)
        made.start("strategy")
        made.start("feed")
        made.start("broker")
        made.run(2.0)  # it has overtaken the notifier's cursor again
        made.start("notifier")
        with pytest.raises(JournalReplaced):
            made.run(5.0)


def test_an_orderly_reboot_costs_nobody_anything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other ids, the same records: everybody goes on where they were."""
    expected = quiet(tmp_path / "quiet", LISTENS)
    folder = tmp_path / "reboot"
    folder.mkdir()
    with world(folder) as made:
        add_chain(made, ROWS, {"strategy": LISTENS}, speed=6000)
        start_all(made)
        for boot in ("a", "b", "c"):
            made.run(0.2)
            for name in made.children:
                made.kill(name)
            monkeypatch.setattr("protocol.journal.boot_id", lambda boot=boot: boot)
            start_all(made)
        made.run_until(lambda: finished(made))

        assert expected == books(made)
