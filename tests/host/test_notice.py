"""Datagrams of systemd's notify protocol: what they say, and what is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisor.host.notice import LARGEST, LONGEST_STATUS, Garbled, Notice, read_notice

KEYS = st.from_regex(r"[A-Z_][A-Z0-9_]{0,12}", fullmatch=True)
VALUES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n"), max_size=40)


@pytest.mark.req("S3")
@pytest.mark.parametrize(
    ("datagram", "expected"),
    [
        (b"READY=1", Notice(ready=True)),
        (b"READY=1\n", Notice(ready=True)),
        (b"READY=1\nSTATUS=at your service\n", Notice(ready=True, status="at your service")),
        (b"WATCHDOG=1", Notice(beat=True)),
        (b"WATCHDOG=trigger", Notice(trigger=True)),
        (b"STOPPING=1\nSTATUS=", Notice(stopping=True, status="")),
        (b"STATUS=a=b\x1b[31m\r", Notice(status="a=b [31m")),
        (b"READY=0\nMAINPID=4\nX_MINE=1\nBARRIER=1", Notice()),
        (b"STATUS=first\nSTATUS=last", Notice(status="last")),
    ],
)
def test_what_a_datagram_says(datagram: bytes, expected: Notice) -> None:
    """Several lines in one datagram are one notice; keys without a meaning here are passed over."""
    assert read_notice(datagram) == expected


@pytest.mark.req("S10")
@pytest.mark.parametrize(
    ("datagram", "kind"),
    [
        (b"", "Empty"),
        (b"\n\n", "Empty"),
        (b"READY", "NoAssignment"),
        (b"ready=1", "NoAssignment"),
        (b"READY=1\nnonsense", "NoAssignment"),
        (b"=1", "NoAssignment"),
        (b"READY=1\nSTATUS=\xff", "NotText"),
        (b"STATUS=" + b"x" * LARGEST, "Oversized"),
    ],
)
def test_what_is_refused(datagram: bytes, kind: str) -> None:
    """One bad line spoils the whole datagram; the sentence says what is allowed."""
    with pytest.raises(Garbled, match="allowed are lines KEY=value") as caught:
        read_notice(datagram)

    assert caught.value.kind == kind


@pytest.mark.req("S10")
@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(datagram: bytes) -> None:
    """Random bytes: a notice or Garbled, nothing else; what is shown fits on one line."""
    try:
        notice = read_notice(datagram)
    except Garbled as error:
        assert error.kind in {"Empty", "NoAssignment", "NotText", "Oversized"}
    else:
        assert len((notice.status or "").splitlines()) <= 1


@pytest.mark.req("S10")
@given(st.lists(st.tuples(KEYS, VALUES), min_size=1, max_size=8))
def test_any_assignments_are_read(said: list[tuple[str, str]]) -> None:
    """Whatever keys and values a datagram has, the last of each key counts."""
    datagram = "\n".join(f"{key}={value}" for key, value in said).encode()
    last = dict(said)
    notice = read_notice(datagram)

    assert notice.ready == (last.get("READY") == "1")
    assert (notice.status is None) == ("STATUS" not in last)
    assert len(notice.status or "") <= LONGEST_STATUS
