"""Long polling that survives everything, and commands that are done once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from protocol.journal import Journal
from tests.support import telegram as server
from tests.support.deadline import until
from tests.support.telegram import FakeTelegram, Reply, said, telegram_server
from workers.notifier import bot as bot_module
from workers.notifier import listening as listening_module
from workers.notifier.bot import Bot
from workers.notifier.commands import Wish
from workers.notifier.delivery import always
from workers.notifier.listening import INTERRUPTED, OFFSET, STRANGERS, UNDER_WAY, Listening
from workers.notifier.outbox import TABLES, Outbox
from workers.notifier.pace import Pace

QUICK = Pace(first_s=0.001, last_s=0.005)


class Ear:
    """A listening to a fake server; ``done`` are the wishes that were performed."""

    def __init__(self, journal: Journal, fake: FakeTelegram, pace: Pace) -> None:
        self.fake, self.outbox = fake, Outbox(journal, ("telegram", "chat 43"))
        self.done: list[Wish] = []
        self.listening = Listening(
            Bot("1:x", fake.base_url),
            self.outbox,
            {"42": "telegram", "43": "chat 43"},
            self._perform,
            posted=lambda: None,
            goes_out=always,
            pace=pace,
        )
        self.journal = journal

    def answers(self, channel: str = "telegram") -> list[str]:
        """Return what was answered."""
        query = "SELECT text FROM messages JOIN deliveries USING (number) WHERE channel = ? ORDER BY number"
        return [text for (text,) in self.journal.connection.execute(query, (channel,))]

    def _perform(self, wish: Wish) -> str:
        self.done.append(wish)
        return f"did {wish}"


def hearing(
    folder: Path, use: Callable[[Ear], Awaitable[None]], *, pace: Pace = QUICK, polls: Sequence[Reply] = ()
) -> None:
    """Run ``use`` beside a listening; ``polls`` are the first answers of its server."""
    with telegram_server() as fake:
        fake.polls.extend(polls)
        journal = Journal.open(folder / "n.db", stream="notifier", tables=TABLES)

        async def run() -> None:
            ear = Ear(journal, fake, pace)
            task = asyncio.create_task(ear.listening(lambda: None))
            try:
                await use(ear)
                assert not task.done()
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

        try:
            asyncio.run(run())
        finally:
            journal.close()


@pytest.mark.req("N4")
def test_it_listens_through_every_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """409, 401, 502, resets, silence, bad JSON, odd updates: afterwards it hears, and each command once."""
    monkeypatch.setattr(bot_module, "WHOLE_TIMEOUT_S", 0.5)
    monkeypatch.setattr(listening_module, "POLL_S", 0)
    odd = [None, 5, {"update_id": "x"}, {"update_id": 1}, {"update_id": 2, "message": {"text": 5}}]

    async def use(ear: Ear) -> None:
        ear.fake.polls.extend(
            [
                server.CONFLICT,
                server.UNAUTHORIZED,
                server.BAD_GATEWAY,
                server.RESET,
                server.HANG,
                server.BAD_JSON,
                server.NOT_HTTP,
                server.too_many(0.01),
                said(200, ok=True, result={"no": "list"}),
                said(200, ok=True, result=odd),
            ]
        )
        ear.fake.say("/status")
        ear.fake.say("/positions", chat=43)
        await until(lambda: ear.answers("chat 43"), what="two answers")
        await until(lambda: len(ear.fake.polled) > 14, what="further polls")
        assert ear.done == [Wish("42", "status"), Wish("43", "positions")]
        assert ear.answers() == ["did /status"]
        assert ear.answers("chat 43") == ["did /positions"]
        assert ear.listening.condition().reasons == ()

    hearing(tmp_path, use)


@pytest.mark.req("N4")
def test_strangers_are_counted_and_hear_nothing(tmp_path: Path) -> None:
    """Over restarts too."""

    async def use(ear: Ear) -> None:
        already = ear.outbox.noted(STRANGERS) or 0
        ear.fake.say("/status", chat=666)
        await until(lambda: ear.outbox.noted(STRANGERS) == already + 1, what="the count")
        assert ear.done == []
        assert ear.outbox.total() == 0

    hearing(tmp_path, use)


@pytest.mark.req("N4")
def test_a_command_is_not_done_again_by_the_next_life(tmp_path: Path) -> None:
    """What was heard is on disk before it is done; one that was interrupted is owned up to."""

    async def first(ear: Ear) -> None:
        ear.fake.say("/status")
        await until(ear.answers, what="an answer")
        ear.outbox.note(UNDER_WAY, 100)

    async def second(ear: Ear) -> None:
        ear.fake.say("/status")  # the same update as far as its number goes
        ear.fake.say("/profit")
        await until(lambda: ear.done, what="a command")
        assert ear.done == [Wish("42", "profit")]
        await until(lambda: len(ear.answers()) == 3, what="three answers")
        assert ear.answers() == ["did /status", INTERRUPTED, "did /profit"]

    hearing(tmp_path, first)
    hearing(tmp_path, second)


@pytest.mark.req("N4")
def test_numbers_that_begin_anew_are_heard(tmp_path: Path) -> None:
    """Telegram numbers updates from anywhere after a quiet week, and each bot has its own numbers: what was
    heard before must not make the notifier deaf, nor ask without a pause."""

    async def use(ear: Ear) -> None:
        ear.fake.say("/status")
        ear.fake.say("/profit")
        await until(lambda: len(ear.answers()) == 2, what="two answers")
        assert ear.done == [Wish("42", "status"), Wish("42", "profit")]
        assert ear.outbox.noted(OFFSET) == 102

    with closing(Journal.open(tmp_path / "n.db", stream="notifier", tables=TABLES)) as journal:
        Outbox(journal).note(OFFSET, 700_000_000)
    hearing(tmp_path, use)


@pytest.mark.req("N4")
@pytest.mark.parametrize(
    ("result", "polls", "at_least_s"),
    [
        ([{"update_id": 100, "message": {"chat": {"id": 42}, "text": "/status"}}], 3, 0.3),
        ([{"update_id": None}], 3, 0.3),
        ([], 30, 0.4),
    ],
)
def test_a_server_that_says_the_same_for_ever_is_not_asked_for_ever(
    tmp_path: Path, result: list[object], polls: int, at_least_s: float
) -> None:
    """Ever less often, whatever it is that it says without waiting; health tells where it is a fault."""

    async def use(ear: Ear) -> None:
        began = time.monotonic()
        await until(lambda: len(ear.fake.polled) >= polls, what="polls")
        assert time.monotonic() - began >= at_least_s
        assert ear.done == []
        assert bool(ear.listening.condition().reasons) == bool(result)

    with closing(Journal.open(tmp_path / "n.db", stream="notifier", tables=TABLES)) as journal:
        Outbox(journal).note(OFFSET, 101)
    same = said(200, ok=True, result=result)
    hearing(tmp_path, use, pace=Pace(first_s=0.1), polls=[same] * 1000)


@pytest.mark.req("N4")
def test_what_a_group_says_to_others_is_not_done(tmp_path: Path) -> None:
    """The bot has asked who it is: fake_bot."""

    async def use(ear: Ear) -> None:
        for text in ("/restart@another_bot feed", "/status@fake_bot"):
            ear.fake.say(text)
        await until(ear.answers, what="an answer")
        assert ear.done == [Wish("42", "status")]

    hearing(tmp_path, use)


@pytest.mark.req("N4")
def test_an_old_command_is_answered_and_not_done(tmp_path: Path) -> None:
    """It was written while nobody listened."""

    async def use(ear: Ear) -> None:
        ear.fake.say("/restart feed", at_s=time.time() - 3600)
        await until(ear.answers, what="an answer")
        assert ear.done == []
        assert "too late" in ear.answers()[0]

    hearing(tmp_path, use)


def test_a_token_that_is_wrong_is_seen(tmp_path: Path) -> None:
    """In health, and it goes on trying."""

    async def use(ear: Ear) -> None:
        ear.fake.polls.extend([server.UNAUTHORIZED] * 1000)
        await until(lambda: ear.listening.condition().reasons, what="a reason")
        assert ear.listening.condition().reasons == ("commands are not heard: status 401 Unauthorized",)

    hearing(tmp_path, use)
