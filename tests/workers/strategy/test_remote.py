"""The strategy that asks an HTTP service: pure core, and the client over real sockets."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.messages.stream import Record
from protocol.messages.trading import Order, Signal
from tests.workers.strategy.market import MINUTE, Taken, candle, candles, drive, made, market, role
from tests.workers.strategy.service import GARBAGE, HANGS_UP, NEVER, FakeService, reply, serving
from workers.shared.config import decode
from workers.shared.exits import PersonMustLook
from workers.strategy.core import StrategyCore
from workers.strategy.inquiry import Answered, Inquiry, Question, Unanswered
from workers.strategy.remote import Remote, RemoteParameters, UnfitAnswer
from workers.strategy.remote_client import RemoteClient

LONG = {"action": "enter_long", "confidence": 0.8, "reasons": ["model 7"]}
PATIENCE_S = 20.0


def remote(**parameters: Any) -> Remote:
    """Make the strategy."""
    return Remote(RemoteParameters(**{"candles": 2, "timeout": "5s", "retries": 0, **parameters}))


def asked(strategy: Remote) -> Question:
    """Return the question that is open."""
    assert strategy.inquiry.open is not None
    return strategy.inquiry.open


def answer(strategy: Remote, said: Any) -> None:
    """Answer the open question."""
    body = said if isinstance(said, bytes) else json.dumps(said).encode()
    strategy.inquiry.answer(asked(strategy).key, Answered(body))


@pytest.mark.req("T6")
def test_a_row_waits_for_the_answer() -> None:
    """The candle is not done with before the answer is here; then it is traded on, once."""
    strategy = remote()
    core = made(strategy)
    taken = drive(core, candles([1, 2]))

    assert {"feed": 1} == taken.cursors
    question = asked(strategy)
    assert ("BTC/USDT", "flat", ["1", "2"]) == (
        question.body["symbol"],
        question.body["position"],
        [it["close"] for it in question.body["candles"]],
    )
    answer(strategy, LONG)
    drive(core, [], taken)
    assert ["enter_long"] == [it.action for it in taken.outputs if isinstance(it, Signal)]
    assert [2] == [it.row for it in taken.outputs if isinstance(it, Order)]
    assert {"feed": 3} == taken.cursors
    assert 1 == core.counters()["evaluations"]


@pytest.mark.req("T1", "T6")
def test_killed_while_it_waits_it_asks_again() -> None:
    """The question belongs to the row; nothing is lost and nothing is decided twice."""
    records, first = candles([1, 2, 3]), remote()
    taken = drive(made(first), records)
    second = remote()
    core = made(second, stored=taken.state)
    drive(core, records[taken.cursors["feed"] :], taken)

    assert asked(first).key == asked(second).key
    answer(second, LONG)
    drive(core, [], taken)
    answer(second, {"action": "exit"})
    drive(core, [], taken)
    assert [2, 3] == [it.row for it in taken.outputs if isinstance(it, Signal)]


@pytest.mark.req("T2", "T6")
@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"[]",
        b"\xff",
        b"[" * 5000,
        {"action": "buy"},
        {"confidence": 1},
        {"action": "exit", "confidence": 7},
    ],
)
def test_an_answer_that_is_none_is_one_lost_evaluation(said: Any) -> None:
    """Counted and logged as an error of the strategy; the row is done with."""
    strategy = remote()
    core = made(strategy)
    taken = drive(core, candles([1, 2]))
    answer(strategy, said)
    drive(core, [], taken)

    assert 1 == len(taken.named("strategy failed"))
    assert {"feed": 3} == taken.cursors


@given(st.binary(max_size=60))
def test_whatever_comes_back_never_breaks_the_core(body: bytes) -> None:
    """Any bytes are an answer, a hold, or one error."""
    strategy = remote()
    core = made(strategy)
    taken = drive(core, candles([1, 2]))
    answer(strategy, body)

    assert {"feed": 3} == drive(core, [], taken).cursors


@pytest.mark.req("T4", "T6")
@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ("abc", None),
        ("abc", "abd"),
        ("abc", {"fingerprint": "abd"}),
        ("abc", {"fingerprint": "abc", "fallback": True}),
        (None, {"fingerprint": "x", "fallback": True}),
    ],
)
def test_another_champion_in_the_answer_ends_the_process(wanted: str | None, said: Any) -> None:
    """Missing, other or fallback: exit 78, nothing traded."""
    strategy = remote(champion=wanted)
    core = made(strategy)
    drive(core, candles([1, 2]))
    answer(strategy, {**LONG, "champion": said})

    meant = "the champion 'abc'" if wanted else "no fallback"
    with pytest.raises(UnfitAnswer, match=f", {meant} is wanted; nothing is traded"):
        core.step()


@pytest.mark.req("T4", "T6")
@pytest.mark.parametrize("said", ["abc", {"fingerprint": "abc", "fallback": False, "more": 1}])
def test_the_champion_wanted_is_traded_on(said: Any) -> None:
    """By name, or with further facts."""
    strategy = remote(champion="abc")
    core = made(strategy)
    taken = drive(core, candles([1, 2]))
    answer(strategy, {**LONG, "champion": said})

    assert [True] == [it.traded for it in drive(core, [], taken).outputs if isinstance(it, Signal)]


@pytest.mark.parametrize(
    ("parameters", "told"),
    [
        ({"url": "http://example.com/x"}, "url must be https, or http on this machine"),
        ({"url": "ftp://127.0.0.1"}, "url must be https"),
        ({"url": "https://127.0.0.1:99999/x"}, "port out of range 0-65535"),
        ({"timeout": "soon"}, "timeout must be a duration"),
        ({"timeout": "0s"}, "timeout must be above 0"),
        ({"retries": -1}, "strategy.config.parameters.retries"),
    ],
)
def test_parameters_have_bounds(parameters: dict[str, object], told: str) -> None:
    """One sentence that names the key."""
    with pytest.raises(PersonMustLook) as caught:
        decode(parameters, RemoteParameters, "strategy", section="config.parameters")

    assert told in str(caught.value)


async def _traded(core: StrategyCore, strategy: Remote, closes: list[int]) -> Taken:
    """Drive a core with its client until the recording is done."""
    taken, woken = Taken(), asyncio.Event()
    task = asyncio.create_task(_serve(strategy, woken))
    core.receive("feed", candles(closes))
    try:
        async with asyncio.timeout(PATIENCE_S):
            while taken.cursors.get("feed") != len(closes) + 1:
                if (step := core.step()) is not None:
                    taken.add(step)
                    continue
                await woken.wait()
                woken.clear()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    return taken


async def _serve(strategy: Remote, woken: asyncio.Event) -> None:
    await RemoteClient(strategy.inquiry, strategy.parameters)(woken.set)


def served(*script: bytes, closes: list[int], **parameters: Any) -> tuple[FakeService, Taken]:
    """Trade a short recording with a service that answers by the script."""

    async def run() -> tuple[FakeService, Taken]:
        async with serving(*script) as service:
            strategy = remote(url=service.url, **parameters)
            return service, await _traded(made(strategy), strategy, closes)

    return asyncio.run(run())


@pytest.mark.req("T6")
def test_each_candle_is_asked_about_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Over a real connection, with the token as a bearer's; holds change nothing."""
    monkeypatch.setenv("STRATEGY_TOKEN", "s3cret")
    script = (reply(200, LONG), reply(200, {"action": "hold"}), reply(200, {"action": "exit"}))
    service, taken = served(*script, closes=[1, 2, 3, 4])

    assert ["2", "3", "4"] == [it["candles"][-1]["close"] for it in service.asked]
    assert ["flat", "long", "long"] == [it["position"] for it in service.asked]
    assert ["enter_long", "exit"] == [it.action for it in taken.outputs if isinstance(it, Signal)]
    assert all("authorization: Bearer s3cret" in head for head in service.heads)


@pytest.mark.req("T6")
@pytest.mark.parametrize("trouble", [reply(503, b""), reply(429, b""), HANGS_UP, GARBAGE])
def test_a_passing_trouble_is_tried_again(trouble: bytes) -> None:
    """The same question, then the answer counts; no error is left behind."""
    service, taken = served(trouble, reply(200, LONG), closes=[1, 2], retries=2)

    assert 2 == len(service.asked)
    assert service.asked[0] == service.asked[1]
    assert [] == taken.named("strategy failed")
    assert ["enter_long"] == [it.action for it in taken.outputs if isinstance(it, Signal)]


@pytest.mark.req("T2", "T6")
@pytest.mark.parametrize(("status", "tries"), [(404, 1), (500, 2)])
def test_a_lasting_trouble_is_one_error(status: int, tries: int) -> None:
    """After the retries that are worth it the evaluation is lost, the row done with, and why is said."""
    service, taken = served(reply(status, b"no"), closes=[1, 2], retries=1)
    (line,) = taken.named("strategy failed")

    assert tries == len(service.asked)
    assert f"status {status}" in line.facts["error"]


@pytest.mark.req("T2", "T6")
def test_a_service_that_never_answers_is_one_error() -> None:
    """Each try ends at its time-out."""
    _, taken = served(NEVER, closes=[1, 2], retries=1, timeout="50ms")
    (line,) = taken.named("strategy failed")

    assert "no answer within 50ms" in line.facts["error"]


@pytest.mark.req("T6")
def test_an_address_that_cannot_be_is_one_error() -> None:
    """Whatever it makes of the client's inside; it is not tried again."""
    strategy = remote(url="https://xn--/x", retries=5)
    (line,) = asyncio.run(_traded(made(strategy), strategy, [1, 2])).named("strategy failed")

    assert "no Punycode" in line.facts["error"]


@pytest.mark.req("T6")
def test_a_proxy_that_cannot_be_used_needs_a_person(monkeypatch: pytest.MonkeyPatch) -> None:
    """One sentence that names what is to be corrected, and no loop."""
    monkeypatch.setenv("HTTPS_PROXY", "http://[::1")
    strategy = remote(url="https://127.0.0.1:1/x")

    with pytest.raises(PersonMustLook, match="correct the proxies"):
        asyncio.run(_serve(strategy, asyncio.Event()))


def test_questions_are_answered_in_order_and_a_reply_nobody_asked_for_is_dropped() -> None:
    """A candle and an interval may wait for their answers at the same time; each is taken once."""
    inquiry = Inquiry()
    for key in ("a", "b", "a"):
        inquiry.ask(Question(key, {}))
    assert Question("a", {}) == inquiry.open
    for key in ("c", "a", "a"):
        inquiry.answer(key, Unanswered(key))

    assert Question("b", {}) == inquiry.open
    assert (True, False, False) == tuple(map(inquiry.has, "abc"))
    assert Unanswered("a") == inquiry.take("a")
    with pytest.raises(LookupError):
        inquiry.take("a")


@pytest.mark.req("T8", "T6")
def test_on_a_recording_the_service_is_asked_at_intervals_too() -> None:
    """The row waits for both answers, and a kill in between asks again; what is said at the interval comes
    after what is said at the candle."""
    strategy = remote()
    core = made(strategy, interval_ms=2 * MINUTE)
    records = candles([1, 2, 3, 4])
    taken = drive(core, records)

    assert [("2", "flat")] == shown(strategy)
    answer(strategy, LONG)
    drive(core, [], taken)
    assert 2 == taken.cursors["feed"]
    assert [("3", "long")] == shown(strategy)
    answer(strategy, {"action": "hold"})
    drive(core, [], taken)
    assert ([("3", "long")], 2) == (shown(strategy), taken.cursors["feed"])
    assert asked(strategy).key.endswith(f"every.{3 * MINUTE}")

    again = remote()
    core = made(again, interval_ms=2 * MINUTE, stored=taken.state)
    drive(core, records[2:], taken)
    answer(again, {"action": "hold"})
    drive(core, [], taken)
    answer(again, {"action": "exit"})
    drive(core, [], taken)
    assert [(2, "enter_long"), (3, "exit")] == [
        (it.row, it.action) for it in taken.outputs if isinstance(it, Signal)
    ]
    assert 3 == taken.cursors["feed"]


def shown(strategy: Remote) -> list[tuple[str, str]]:
    """Return the close and the position that the open question shows."""
    question = asked(strategy)
    return [(question.body["candles"][-1]["close"], question.body["position"])]


@pytest.mark.req("T8", "T6")
@pytest.mark.parametrize(("took_s", "why_not"), [(4, None), (6, "late")])
def test_on_a_live_market_the_service_is_asked_at_intervals(took_s: int, why_not: str | None) -> None:
    """Once an interval, with the time at which it was over; meanwhile the process sleeps and candles go on.
    An answer that took longer than the interval opens nothing any more."""
    strategy = remote()
    core = made(strategy, inputs=("feed",), interval_ms=5000)
    core.introduce("feed", msgspec.structs.replace(role(), lockstep=False))
    taken, start_ms = Taken(), 2 * MINUTE

    def at(second: int, *records: Record) -> None:
        core.advance(100.0 + second, start_ms + second * 1000)
        drive(core, records, taken)

    at(0, *market([candle(0, 1), candle(1, 2)]))
    answer(strategy, {"action": "hold"})
    at(1)
    deadlines = [core.deadline]
    at(5)
    assert asked(strategy).key.endswith(f"every.{start_ms + 5000}")
    deadlines.append(core.deadline)
    question = asked(strategy)
    at(5 + took_s - 1)
    assert question is asked(strategy)
    answer(strategy, LONG)
    at(5 + took_s)
    (signal,) = [it for it in taken.outputs if isinstance(it, Signal)]
    assert (start_ms + 5000, why_not) == (signal.at_ms, signal.why_not)
    assert [105.0, None, 110.0 + took_s] == [*deadlines, core.deadline]
    assert 1 == len([line for line in taken.named("signals generated") if line.facts["count"]])


@pytest.mark.req("T8", "T6")
def test_a_candle_and_an_interval_may_wait_together() -> None:
    """Neither question takes the place of the other."""
    strategy = remote()
    core = made(strategy, inputs=("feed",), interval_ms=5000)
    core.introduce("feed", msgspec.structs.replace(role(), lockstep=False))
    core.advance(100.0, 2 * MINUTE)
    taken = drive(core, market([candle(0, 1), candle(1, 2)]))
    answer(strategy, {"action": "hold"})
    drive(core, [], taken)
    core.advance(105.0, 2 * MINUTE + 5000)
    drive(core, [], taken)
    interval = asked(strategy).key
    drive(core, market([candle(0, 1), candle(1, 2), candle(2, 3)])[2:], taken)

    assert interval == asked(strategy).key
    answer(strategy, {"action": "hold"})
    assert f"{2 * MINUTE}.0" in asked(strategy).key
    answer(strategy, LONG)
    drive(core, [], taken)
    assert 3 == taken.cursors["feed"]
    assert ["enter_long"] == [it.action for it in taken.outputs if isinstance(it, Signal)]
    assert 3 == core.counters()["evaluations"]
