"""The log: whole records, never waiting, nothing lost in silence."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from loguru import logger

from workers.shared.log import Sink, facts_of, iso, readable

NOW = datetime(2026, 11, 20, 7, 0, 0, 123_456, tzinfo=UTC)


class Pipe:
    """A pipe that takes as many bytes at each write as it is told, then is full."""

    def __init__(self, takes: list[int]) -> None:
        self.takes = takes
        self.content = b""

    def write(self, data: bytes) -> int:
        """Take some bytes, or raise as a full pipe does."""
        room = self.takes.pop(0) if self.takes else len(data)
        if room == 0:
            raise BlockingIOError
        self.content += data[:room]
        return min(room, len(data))

    def records(self) -> list[dict[str, Any]]:
        """Read the content as a JSON text sequence; anything else in it fails."""
        frames = self.content.split(b"\x1e")
        assert b"" == frames[0]
        assert all(frame.endswith(b"\n") for frame in frames[1:])
        return [json.loads(frame) for frame in frames[1:]]


@pytest.mark.req("H4")
def test_record_has_time_level_process_message_and_facts() -> None:
    """One JSON object a record: UTC milliseconds, the fixed keys first, then the facts."""
    pipe = Pipe([])
    Sink(pipe.write, "feed").put(
        NOW, "INFO", {"message": "candle closed", "symbol": "BTC", "close": Decimal("1.10")}
    )

    expected = {
        "time": "2026-11-20T07:00:00.123Z",
        "level": "INFO",
        "process": "feed",
        "message": "candle closed",
        "symbol": "BTC",
        "close": "1.10",
    }
    assert [expected] == pipe.records()
    assert list(expected) == list(pipe.records()[0])


def test_other_time_zones_become_utc() -> None:
    """Local time never reaches the file."""
    assert "2026-11-20T07:00:00.123Z" == iso(NOW.astimezone(timezone(timedelta(hours=5))))


@pytest.mark.req("H4")
@given(st.lists(st.integers(0, 90), max_size=60), st.integers(1, 30))
def test_slow_reader_gets_whole_records_and_the_number_of_lost_ones(takes: list[int], count: int) -> None:
    """However the pipe fills up, what arrives are whole records in order, and the lost ones are counted."""
    pipe = Pipe(takes)
    sink = Sink(pipe.write, "feed")
    for number in range(count):
        sink.put(NOW, "INFO", {"message": "x" * (number % 50), "number": number})
    pipe.takes.clear()
    sink.flush()
    sink.put(NOW, "INFO", {"message": "last", "number": count})
    records = pipe.records()
    arrived = [record["number"] for record in records if "number" in record]
    lost = sum(record["count"] for record in records if record["message"] == "log records dropped")

    assert sorted(arrived) == arrived
    assert count + 1 == len(arrived) + lost
    assert 0 == sink.dropped


def test_a_reader_that_is_gone_stops_nobody() -> None:
    """With nobody at the other end the records are dropped like those of a full pipe."""

    def broken(_data: bytes) -> int:
        raise BrokenPipeError

    sink = Sink(broken, "feed")
    sink.put(NOW, "INFO", {"message": "x"})

    assert 1 == sink.dropped


@pytest.fixture
def caught() -> Any:
    """Catch loguru's records as facts and as readable lines."""
    records: list[tuple[dict[str, Any], str]] = []
    number = logger.add(
        lambda message: records.append((facts_of(message.record), readable(message.record, "feed"))), level=0
    )
    yield records
    logger.remove(number)


@pytest.mark.req("H4")
def test_exception_is_a_fact_with_its_traceback(caught: list[tuple[dict[str, Any], str]]) -> None:
    """The traceback is in the record, and beneath the line on a terminal."""
    try:
        int("boom")
    except ValueError:
        logger.bind(symbol="BTC").opt(exception=True).error("failed")
    ((facts, line),) = caught

    assert ("failed", "BTC") == (facts["message"], facts["symbol"])
    assert facts["exception"].startswith("Traceback")
    assert "ERROR    feed      failed symbol=BTC" in line
    assert line.endswith("with base 10: 'boom'\n")


@given(st.dictionaries(st.text(max_size=5), st.text(max_size=10) | st.integers() | st.none(), max_size=4))
def test_any_facts_make_a_record(facts: dict[str, Any]) -> None:
    """No text in a fact can break the framing."""
    pipe = Pipe([])
    Sink(pipe.write, "feed").put(NOW, "INFO", {"message": "\x1e\n", **facts})

    assert 1 == len(pipe.records())
