"""Frames: messages to bytes and back, with limits, and typed errors for everything that is not a frame.

One :class:`Conversation` for each pair of a socket and a direction; :class:`Bodies` for what lies inside
the records of a journal. Both may be shared freely: they hold no state.
"""

from __future__ import annotations

from typing import Any, Final, Generic, TypeVar, get_args

import msgspec

from protocol.envelope import VERSION, Envelope
from protocol.errors import FrameError, Malformed, TooLarge, UnknownKind, WrongVersion
from protocol.messages import control, instruction, market, notice, operator, stream, tick, trading

T = TypeVar("T")

KIB: Final = 1024
MIB: Final = 1024 * KIB

MAX_BODY: Final = MIB
"""The largest record body in bytes, so that every record fits into a frame."""

UNDECODABLE: Final = (ValueError, TypeError, OverflowError, RecursionError, MemoryError)
"""What msgspec raises for hostile bytes: its own errors and UnicodeDecodeError are ValueErrors."""


class _Version(msgspec.Struct, array_like=True):
    version: int


class _Tag(msgspec.Struct):
    type: str


def _kinds(union: Any) -> tuple[str, ...]:
    members = get_args(union) or (union,)
    return tuple(str(member.__struct_config__.tag) for member in members)


class Conversation(Generic[T]):
    """One direction of a conversation: the messages of ``union``, in frames of at most ``max_bytes``."""

    def __init__(self, name: str, union: Any, *, max_bytes: int) -> None:
        self.name = name
        self.max_bytes = max_bytes
        self._kinds = _kinds(union)
        self._encoder = msgspec.msgpack.Encoder()
        self._envelopes = msgspec.msgpack.Decoder(Envelope)
        self._messages: msgspec.msgpack.Decoder[T] = msgspec.msgpack.Decoder(union)

    def encode(self, message: T, *, stream: str = "", seq: int = 0, at_ms: int = 0) -> bytes:
        """Make the frame of a message. Raises TooLarge when it would exceed ``max_bytes``."""
        kind = str(type(message).__struct_config__.tag)  # type: ignore[attr-defined]
        body = msgspec.Raw(self._encoder.encode(message))
        frame = self._encoder.encode(Envelope(VERSION, kind, stream, seq, at_ms, body))
        self._check_size(frame)
        return frame

    def decode(self, frame: bytes) -> tuple[Envelope, T]:
        """Read a frame, whatever the bytes are. Raises a FrameError, and nothing else."""
        self._check_size(frame)
        envelope = self._envelope(frame)
        if envelope.version != VERSION:
            raise WrongVersion(self.name, envelope.version, VERSION)
        if envelope.kind not in self._kinds:
            raise UnknownKind(self.name, envelope.kind, self._kinds)
        return envelope, self._message(envelope)

    def _check_size(self, frame: bytes) -> None:
        if len(frame) > self.max_bytes:
            raise TooLarge(self.name, len(frame), self.max_bytes)

    def _envelope(self, frame: bytes) -> Envelope:
        try:
            return self._envelopes.decode(frame)
        except UNDECODABLE as error:
            raise self._not_an_envelope(frame, error) from error

    def _not_an_envelope(self, frame: bytes, error: Exception) -> FrameError:
        # Another version may have another shape, but its first element stays the version.
        try:
            version = msgspec.msgpack.decode(frame, type=_Version).version
        except UNDECODABLE:
            return Malformed(self.name, str(error))
        if version == VERSION:
            return Malformed(self.name, str(error))
        return WrongVersion(self.name, version, VERSION)

    def _message(self, envelope: Envelope) -> T:
        try:
            message = self._messages.decode(envelope.body)
        except UNDECODABLE as error:
            raise Malformed(self.name, str(error)) from error
        tag = type(message).__struct_config__.tag  # type: ignore[attr-defined]
        if tag != envelope.kind:
            raise Malformed(self.name, f"a {tag} in an envelope for {envelope.kind[:60]!r}")
        return message


class Bodies(Generic[T]):
    """The bodies of the records of one kind of journal: the messages of ``union``."""

    def __init__(self, name: str, union: Any) -> None:
        self.name = name
        self._kinds = _kinds(union)
        self._encoder = msgspec.msgpack.Encoder()
        self._messages: msgspec.msgpack.Decoder[T] = msgspec.msgpack.Decoder(union)

    def encode(self, message: T) -> msgspec.Raw:
        """Make the body of a record. Raises TooLarge above ``MAX_BODY``."""
        body = self._encoder.encode(message)
        if len(body) > MAX_BODY:
            raise TooLarge(self.name, len(body), MAX_BODY)
        return msgspec.Raw(body)

    def decode(self, body: msgspec.Raw) -> T:
        """Read the body of a record. Raises a FrameError, and nothing else."""
        try:
            return self._messages.decode(body)
        except UNDECODABLE as error:
            raise self._not_a_message(body, error) from error

    def _not_a_message(self, body: msgspec.Raw, error: Exception) -> FrameError:
        try:
            kind = msgspec.msgpack.decode(body, type=_Tag).type
        except UNDECODABLE:
            return Malformed(self.name, str(error))
        if kind in self._kinds:
            return Malformed(self.name, str(error))
        return UnknownKind(self.name, kind, self._kinds)


# Replies carry batches; requests are a few numbers, so a large one is a mistake or an attack.
FROM_CHILD: Final = Conversation[control.FromChild]("from child", control.FromChild, max_bytes=256 * KIB)
TO_CHILD: Final = Conversation[control.ToChild]("to child", control.ToChild, max_bytes=256 * KIB)
OPERATOR_REQUEST: Final = Conversation[operator.OperatorRequest](
    "operator request", operator.OperatorRequest, max_bytes=MIB
)
OPERATOR_REPLY: Final = Conversation[operator.OperatorReply](
    "operator reply", operator.OperatorReply, max_bytes=16 * MIB
)
STREAM_REQUEST: Final = Conversation[stream.Fetch]("stream request", stream.Fetch, max_bytes=4 * KIB)
STREAM_REPLY: Final = Conversation[stream.Past]("stream reply", stream.Past, max_bytes=8 * MIB)
BROADCAST: Final = Conversation[stream.Broadcast]("broadcast", stream.Broadcast, max_bytes=8 * MIB)

MARKET: Final = Bodies[market.MarketRecord]("market record", market.MarketRecord)
STRATEGY: Final = Bodies[trading.StrategyRecord]("strategy record", trading.StrategyRecord)
ACCOUNT: Final = Bodies[trading.AccountRecord]("account record", trading.AccountRecord)
EVENTS: Final = Bodies[notice.EventRecord]("supervision event", notice.EventRecord)
TICKS: Final = Bodies[tick.Tick]("tick", tick.Tick)
INSTRUCTIONS: Final = Bodies[instruction.Instructed]("instruction", instruction.Instructed)
