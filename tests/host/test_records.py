"""Bytes of a pipe become records, whatever the bytes are."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from supervisor.host.records import CUT, LONGEST, Encoder, LineSplitter, parse
from supervisor.host.secrets import Scrubber

ENCODER = Encoder(Scrubber(()))


def lines(*chunks: bytes) -> list[bytes]:
    """Feed the chunks and return all lines, the unfinished one too."""
    splitter = LineSplitter()
    return [line for chunk in chunks for line in splitter.feed(chunk)] + list(splitter.flush())


@pytest.mark.req("H4")
def test_record_of_a_worker_is_kept(tmp_path: object) -> None:
    """A record keeps its facts; the fixed keys come first and the process is who really spoke."""
    record = parse(b'\x1e{"n":1,"message":"hello","level":"ERROR","process":"liar","time":"T"}', "feed")

    assert list(record.items()) == [
        ("time", "T"),
        ("level", "ERROR"),
        ("process", "feed"),
        ("message", "hello"),
        ("n", 1),
    ]


@pytest.mark.req("H4")
@pytest.mark.parametrize(
    "broken", [b"\x1e", b"\x1e{", b"\x1e[1]", b"\x1e\xff", b'\x1e{"a":1e999999}x', b"\x1e" + b"[" * 5000]
)
def test_broken_record_is_wrapped(broken: bytes) -> None:
    """What only looks like a record is kept as text."""
    record = parse(broken, "feed")

    assert (record["stream"], record["level"]) == ("output", "INFO")
    assert record["message"] == broken[1:].decode("utf-8", "replace")


@pytest.mark.req("H4")
def test_text_is_wrapped_with_bad_bytes_replaced() -> None:
    """Output that is no UTF-8, or holds NUL, is kept readable."""
    record = parse(b"a\x00b\xff\r", "feed")

    assert record["message"] == "a\x00b�"
    assert json.loads(ENCODER.safe_line(record)[1]) == record


@pytest.mark.req("H4")
def test_long_line_is_cut_with_a_mark() -> None:
    """A line without end costs no more memory than the longest one allowed, and the next is whole again."""
    cut = b"x" * LONGEST + CUT

    assert lines(b"x" * (LONGEST + 1), b"y" * 100, b"\nnext\n") == [cut, b"next"]
    assert lines(b"x" * (3 * LONGEST) + b"\nnext") == [cut, b"next"]


@pytest.mark.req("H4")
@given(data=st.binary(max_size=200), cuts=st.lists(st.integers(0, 200), max_size=5))
def test_cuts_between_reads_change_nothing(data: bytes, cuts: list[int]) -> None:
    """However a pipe hands the bytes over, the lines are the same."""
    edges = [0, *sorted(cut for cut in cuts if cut < len(data)), len(data)]
    chunks = [data[a:b] for a, b in pairwise(edges)]
    ended = b"".join(
        b"\n\x1e" if byte == 0x1E and nth and data[nth - 1] != 0x0A else bytes([byte])
        for nth, byte in enumerate(data)
    )
    expected = ended.split(b"\n")

    assert lines(*chunks) == (expected if expected[-1] else expected[:-1])


@pytest.mark.req("H4")
@pytest.mark.parametrize("before", [b"no end", b"\x1e{", bytes(range(256)), b"x" * (LONGEST + 1)])
def test_a_record_after_output_without_a_lines_end_is_a_record(before: bytes) -> None:
    """A strategy that prints with end='' does not swallow what its worker tells next."""
    record = b'\x1e{"message":"evaluation"}'

    for chunks in [(before + record + b"\n",), (before, record + b"\n")]:
        assert parse(lines(*chunks)[-1], "strategy")["message"] == "evaluation"


@pytest.mark.req("H4")
@settings(max_examples=200)
@given(
    st.binary(max_size=80)
    | st.recursive(st.none() | st.text() | st.integers(), st.lists).map(lambda v: json.dumps(v).encode())
)
def test_any_line_becomes_a_json_object(line: bytes) -> None:
    """Every line, marked or not, is stored as one JSON object with the fixed keys as strings."""
    for raw in (line, b"\x1e" + line, b"\x1e" + b'{"message":' + line + b"}"):
        _, stored = ENCODER.safe_line(parse(raw, "feed"))
        assert stored.endswith(b"\n")
        assert stored.count(b"\n") == 1
        record = json.loads(stored)
        assert all(isinstance(record[key], str) for key in ("time", "level", "process", "message"))


def test_records_of_the_root_may_hold_anything() -> None:
    """What JSON cannot hold is written as text."""
    record = {
        "time": "T",
        "level": "INFO",
        "process": "root",
        "message": "a\udcffb",
        "set": {1},
        "big": 10**40,
    }

    assert json.loads(ENCODER.safe_line(record)[1])["message"] == "a?b"
