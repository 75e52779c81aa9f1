"""Frames and record bodies: what goes in comes out, and whatever else comes in is a typed error."""

from __future__ import annotations

from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol import codec
from protocol.codec import MAX_BODY, Bodies, Conversation
from protocol.envelope import VERSION, Envelope
from protocol.errors import FrameError, Malformed, TooLarge, UnknownKind, WrongVersion
from protocol.messages import control, market, notice, operator, stream, trading
from tests.protocol.strategies import values

CONVERSATIONS: list[tuple[Conversation[Any], Any]] = [
    (codec.FROM_CHILD, control.FromChild),
    (codec.TO_CHILD, control.ToChild),
    (codec.OPERATOR_REQUEST, operator.OperatorRequest),
    (codec.OPERATOR_REPLY, operator.OperatorReply),
    (codec.STREAM_REQUEST, stream.Fetch),
    (codec.STREAM_REPLY, stream.Past),
    (codec.BROADCAST, stream.Broadcast),
]
BODIES: list[tuple[Bodies[Any], Any]] = [
    (codec.MARKET, market.MarketRecord),
    (codec.STRATEGY, trading.StrategyRecord),
    (codec.ACCOUNT, trading.AccountRecord),
    (codec.EVENTS, notice.EventRecord),
]
EVERY_FRAME = [
    pytest.param(conversation, message, id=f"{conversation.name}-{message.__name__}")
    for conversation, union in CONVERSATIONS
    for message in get_args(union) or (union,)
]
EVERY_BODY = [
    pytest.param(bodies, message, id=f"{bodies.name}-{message.__name__}")
    for bodies, union in BODIES
    for message in get_args(union) or (union,)
]
READY = control.Ready(pid=7)


def plain(value: Any) -> Any:
    """Raw compares by identity; its bytes are what matters."""
    return msgspec.msgpack.encode(value)


def refused(conversation: Conversation[Any], frame: bytes) -> FrameError | None:
    """What decoding raises, or None; anything but a FrameError fails the test."""
    try:
        conversation.decode(frame)
    except FrameError as error:
        assert str(error).startswith(conversation.name)
        return error
    return None


@pytest.mark.parametrize(("conversation", "message"), EVERY_FRAME)
@settings(max_examples=25)
@given(data=st.data(), seq=st.integers(0, 2**63 - 1), name=st.text(max_size=20))
def test_every_message_round_trips(
    conversation: Conversation[Any], message: type, data: st.DataObject, seq: int, name: str
) -> None:
    """A message comes back equal, of the same class, in the envelope that was asked for."""
    sent = data.draw(values(message))
    frame = conversation.encode(sent, stream=name, seq=seq, at_ms=5)
    envelope, received = conversation.decode(frame)

    assert type(received) is message
    assert plain(received) == plain(sent)
    assert (envelope.version, envelope.stream, envelope.seq, envelope.at_ms) == (VERSION, name, seq, 5)


@pytest.mark.parametrize(("bodies", "message"), EVERY_BODY)
@settings(max_examples=25)
@given(data=st.data())
def test_every_body_round_trips(bodies: Bodies[Any], message: type, data: st.DataObject) -> None:
    """The body of a record comes back equal and of the same class, decimals to the last digit."""
    sent = data.draw(values(message))

    assert bodies.decode(bodies.encode(sent)) == sent
    assert type(bodies.decode(bodies.encode(sent))) is message


@pytest.mark.parametrize(("conversation", "_union"), CONVERSATIONS)
@given(frame=st.binary(max_size=200))
def test_random_bytes_are_a_frame_error(conversation: Conversation[Any], _union: Any, frame: bytes) -> None:
    """Bytes that nobody meant are refused, never a crash."""
    assert refused(conversation, frame) is not None


@settings(max_examples=200)
@given(data=st.data())
def test_damaged_frames_never_crash(data: st.DataObject) -> None:
    """A frame with flipped bits or cut short is refused, or means something else; nothing else happens."""
    conversation, union = data.draw(st.sampled_from(CONVERSATIONS))
    frame = bytearray(conversation.encode(data.draw(values(union))))
    for position in data.draw(st.lists(st.integers(0, len(frame) * 8 - 1), min_size=1, max_size=4)):
        frame[position // 8] ^= 1 << position % 8

    refused(conversation, bytes(frame))
    assert refused(conversation, bytes(frame[: data.draw(st.integers(0, len(frame) - 1))])) is not None


@given(body=st.binary(max_size=100))
def test_random_bodies_never_crash(body: bytes) -> None:
    """The body of a record may be anything on a damaged disk: it decodes, or is a FrameError."""
    for bodies, _ in BODIES:
        with pytest.raises(FrameError):
            bodies.decode(msgspec.Raw(body))


@pytest.mark.parametrize("opening", [b"\x91", b"\x81\xa1a", b"\xdd\x00\x00\x00\x01"])
@pytest.mark.parametrize("depth", [500, 100_000])
def test_nesting_bombs_are_malformed(opening: bytes, depth: int) -> None:
    """Structures nested deeper than any stack are refused, wherever they hide."""
    bomb = opening * depth + b"\xc0"
    body = msgspec.msgpack.encode({"type": "status_is", "request": "r"})[:1].replace(b"\x82", b"\x83")
    body += b"\xa4type\xa9status_is\xa7request\xa1r\xa6status\x81\xa1x" + bomb
    frame = msgspec.msgpack.encode(Envelope(VERSION, "status_is", "", 0, 0, msgspec.Raw(b"\xc0")))[:-1] + body

    for candidate in (bomb, frame):
        if (error := refused(codec.OPERATOR_REPLY, candidate)) is None:
            assert depth < 1000  # what the decoder can hold, it may hold
        else:
            assert isinstance(error, Malformed)


@pytest.mark.parametrize(
    "header", [b"\xdd\xff\xff\xff\xff", b"\xdf\xff\xff\xff\xff", b"\xdb\xff\xff\xff\xff"]
)
def test_claimed_lengths_are_not_believed(header: bytes) -> None:
    """A header that claims gigabytes costs nothing and is malformed."""
    assert isinstance(refused(codec.OPERATOR_REPLY, header + b"\x01"), Malformed)


def test_oversized_is_refused_before_decoding() -> None:
    """A frame above the limit is TooLarge both ways, and says how large."""
    small = Conversation[control.FromChild]("small", control.FromChild, max_bytes=40)
    beat = control.Beat(last_error="x" * 100)

    with pytest.raises(TooLarge, match="at most 40"):
        small.encode(beat)
    with pytest.raises(TooLarge, match="small: 41 bytes"):
        small.decode(b"\xc1" * 41)


def test_oversized_body_is_refused() -> None:
    """A record that no frame could carry is refused before it is journalled."""
    with pytest.raises(TooLarge, match=str(MAX_BODY)):
        codec.EVENTS.encode(notice.SupervisionEvent(event="x" * MAX_BODY))


@pytest.mark.parametrize(
    "frame", [[2, "ready", "", 0, 0, {"type": "ready", "pid": 1}], [9], [7, {}, [], "new"]]
)
def test_another_version_is_told_whatever_its_shape(frame: list[Any]) -> None:
    """A later release may change everything behind the version: it is still known as another version."""
    with pytest.raises(WrongVersion) as caught:
        codec.FROM_CHILD.decode(msgspec.msgpack.encode(frame))

    assert (caught.value.found, caught.value.expected) == (frame[0], VERSION)


def test_unknown_kinds_are_told_apart_from_damage() -> None:
    """A message of another conversation, or of a later release, is named."""
    with pytest.raises(UnknownKind, match=r"'ready', known are done_noted"):
        codec.TO_CHILD.decode(codec.FROM_CHILD.encode(READY))
    with pytest.raises(UnknownKind) as caught:
        codec.MARKET.decode(codec.EVENTS.encode(notice.SupervisionEvent(event="ready")))

    assert caught.value.found == "supervision"


def test_kind_and_body_must_agree() -> None:
    """An envelope that says one thing around another is malformed."""
    body = msgspec.Raw(msgspec.msgpack.encode(control.Beat()))
    frame = msgspec.msgpack.encode(Envelope(VERSION, "ready", "feed", 1, 0, body))

    assert isinstance(refused(codec.FROM_CHILD, frame), Malformed)


def test_newer_fields_are_ignored() -> None:
    """A newer sender of the same version may add fields to messages, and elements to envelopes."""
    message = {"type": "ready", "pid": 7, "added": [1]}
    frame = msgspec.msgpack.encode([VERSION, "ready", "feed", 3, 0, message, "added"])

    assert codec.FROM_CHILD.decode(frame)[1] == READY
