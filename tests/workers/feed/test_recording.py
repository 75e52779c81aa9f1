"""A recording as a numbered stream."""

from __future__ import annotations

import gzip
import inspect
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.codec import MARKET
from protocol.messages.market import Candle, End, OnEnd
from tests.workers.feed.candles import HEADER, MINUTE, START, recording, row, rows, write
from workers.feed import rows as feed_rows
from workers.feed import trades as feed_trades
from workers.feed.config import FeedConfig
from workers.feed.errors import BadRecording
from workers.feed.recording import Recording, Settings, load
from workers.feed.row import Layout
from workers.feed.rows import FAULTS, validated

CONFIG = FeedConfig(file="x.csv")


def made(indexes: list[int], on_end: OnEnd = "shutdown") -> Recording:
    kept = validated([row(index, 100 + index % 7) for index in indexes], Layout(MINUTE))
    return Recording(kept, Settings("BTC/USDT", "1m", Layout(MINUTE), on_end))


def test_seq_is_the_number_of_the_valid_row(tmp_path: Path) -> None:
    """Bad rows leave no hole in the numbers."""
    found = recording(tmp_path, [row(0), "bad", row(1), row(5)])

    assert [1, 2, 3, 4] == [record.seq for record in found.read(0, 100)]


@pytest.mark.req("F1")
@pytest.mark.parametrize("on_end", ["shutdown", "idle"])
def test_one_end_follows_the_last_row(on_end: OnEnd) -> None:
    """Consumers learn that nothing follows, and what shall be done then."""
    found = made([0, 1], on_end)
    last = found.read(0, 100)[-1]

    assert End(on_end=on_end, at_ms=START + 2 * MINUTE) == MARKET.decode(last.body)
    assert () == found.read(found.last_seq, 100)


@pytest.mark.req("F1")
@given(st.sets(st.integers(0, 40), min_size=1), st.integers(0, 200), st.integers(1, 60))
def test_laps_repeat_the_rows_with_times_onward(indexes: set[int], after: int, limit: int) -> None:
    """In a loop the records are a function of the seq alone, gapless, and time never goes back."""
    ordered = sorted(indexes)
    found = made(ordered, "loop")
    records = found.read(after, limit)
    candles = [message for r in records if isinstance(message := MARKET.decode(r.body), Candle)]

    assert list(range(after + 1, after + limit + 1)) == [r.seq for r in records]
    assert sorted({c.open_ms for c in candles}) == [c.open_ms for c in candles]
    span = (ordered[-1] + 1 - ordered[0]) * MINUTE
    for record, candle in zip(records, candles, strict=True):
        lap, index = divmod(record.seq - 1, len(ordered))
        assert START + ordered[index] * MINUTE + lap * span == candle.open_ms
        assert record.at_ms == candle.close_ms == candle.open_ms + MINUTE


@given(
    st.sets(st.integers(0, 40), min_size=1),
    st.sampled_from(["loop", "shutdown"]),
    st.integers(1, 150),
    st.integers(-3, 3),
)
def test_seq_at_is_the_inverse_of_close(indexes: set[int], on_end: OnEnd, seq: int, offset_ms: int) -> None:
    """At each instant exactly the rows that have closed are known."""
    found = made(sorted(indexes), on_end)
    seq = min(seq, found.last_seq)
    known = found.seq_at(found.close_ms(seq) + offset_ms)

    assert found.close_ms(known) <= found.close_ms(seq) + max(offset_ms, 0)
    if known < found.last_seq:
        assert found.close_ms(known + 1) > found.close_ms(seq) + offset_ms


def test_id_is_of_the_content(tmp_path: Path) -> None:
    """The same rows are the same stream, packed or not; other rows or another meaning are another one."""
    plain = load(write(tmp_path / "a.csv", rows([100, 101])), CONFIG)
    packed = load(write(tmp_path / "b.csv.gz", rows([100, 101])), CONFIG)
    other = load(write(tmp_path / "c.csv", rows([100, 102])), CONFIG)
    shifted = load(tmp_path / "a.csv", FeedConfig(file="x", time="close"))

    assert plain.id == packed.id
    assert 3 == len({plain.id, other.id, shifted.id})


@pytest.mark.req("F1")
def test_the_way_in_which_a_file_is_written_changes_nothing(tmp_path: Path) -> None:
    """A mark of byte order, carriage returns, blanks, and capitals in the header or a side: the same rows."""
    text = "\n".join([HEADER, row(0), row(1)])
    tape = "ts_ms,price,amount,side\n1,2,3,buy"
    ways = [
        (text, "\ufeff" + text, text.replace("\n", "\r\n"), text.replace(",", " , "), text.upper()),
        (tape, tape.upper(), tape.replace(",", "\t,")),
    ]
    for first, *others in ways:
        plain = _records(tmp_path / "way.csv", first)

        assert [plain] * len(others) == [_records(tmp_path / "way.csv", way) for way in others]


def _records(path: Path, text: str) -> list[tuple[int, int, bytes]]:
    path.write_bytes(text.encode())
    return [(it.seq, it.at_ms, bytes(it.body)) for it in load(path, CONFIG).read(0, 10)]


def files() -> list[tuple[str, bytes, str]]:
    good = "\n".join([HEADER, row(0)]).encode()
    return [
        ("empty.csv", b"", "the file is empty"),
        ("headless.csv", row(0).encode(), "the header must be"),
        ("header.csv", HEADER.encode(), "no rows"),
        ("bad.csv", (HEADER + "\nx").encode(), "line 2 (columns: it has not as many columns as the header)"),
        ("plain.csv.gz", good, "not gzip"),
        ("cut.csv.gz", gzip.compress(good, mtime=0)[:-9], "damaged"),
        ("broken.csv.gz", gzip.compress(good, mtime=0)[:10] + b"\xff" * 20, "damaged"),
        ("latin.csv", b"\xe9\xe8,", "not UTF-8"),
        ("tape.csv", b"ts_ms,price,amount,side\n1,2,3,both", "line 2 (side: "),
        ("quotes.csv", b"ts_ms,bid,bid_size,ask,ask_size\n1,2,3,4,5", "(a trade tape)"),
    ]


@pytest.mark.req("F1")
@pytest.mark.parametrize(("name", "content", "told"), files())
def test_unusable_file_is_one_sentence(tmp_path: Path, name: str, content: bytes, told: str) -> None:
    """The sentence names the file, what was found and what is wanted."""
    (tmp_path / name).write_bytes(content)

    with pytest.raises(BadRecording) as caught:
        load(tmp_path / name, CONFIG)

    assert told in str(caught.value)
    assert str(tmp_path / name) in str(caught.value)


def test_each_fault_of_a_row_is_told_in_words(tmp_path: Path) -> None:
    """Whatever is wrong with all rows of a file, the sentence says what is wanted."""
    source = "".join(inspect.getsource(module) for module in (feed_rows, feed_trades))
    kinds = set(re.findall(r'return "(\w+)"|_reject\(\S+, "(\w+)"', source))

    assert set(FAULTS) == {"".join(kind) for kind in kinds} | {"volume"}


@pytest.mark.parametrize("name", ["missing.csv", "missing.csv.gz", "."])
def test_missing_file_is_one_sentence(tmp_path: Path, name: str) -> None:
    """A missing file and a folder are told as such."""
    with pytest.raises(BadRecording, match=r"no such file|cannot be read"):
        load(tmp_path / name, CONFIG)


@given(st.binary(max_size=300))
def test_any_bytes_are_a_recording_or_a_sentence(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    """No content of a file raises anything but BadRecording."""
    path = tmp_path_factory.getbasetemp() / "fuzz.csv"
    path.write_bytes(HEADER.encode() + b"\n" + content)
    try:
        found = load(path, CONFIG)
    except BadRecording as error:
        assert str(path) in str(error)
    else:
        assert found.count >= 1
