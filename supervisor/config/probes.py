"""Readers of ``ready`` and ``liveness``: how a foreign program is known to serve, and to live."""

from __future__ import annotations

import re
from typing import Final, Literal, cast
from urllib.parse import SplitResult, urlsplit

from supervisor.config.fields import Unfit, one_of, words
from supervisor.engine.spec import ExecProbe, HttpProbe, Probe, TcpProbe

PROBES: Final = (
    '{ tcp = "127.0.0.1:8080" } | { http = "http://127.0.0.1:8080/health" } | { exec = ["./probe"] }'
)
_TCP: Final = re.compile(r"(?:\[([0-9A-Fa-f:.%a-z]+)\]|([^\s:\[\]/@]+)):([0-9]{1,5})", re.ASCII)
_VISIBLE: Final = re.compile(r"[!-~]+", re.ASCII)


ReadyWord = Literal["message", "immediate", "notify"]


def ready(value: object) -> ReadyWord | Probe:
    """Read when a child counts as ready: a word, or a probe."""
    if isinstance(value, dict):
        return probe(value)
    return cast("ReadyWord", _word_or_probe(value, "message", "immediate", "notify"))


def liveness(value: object) -> Literal["notify"] | Probe:
    """Read where a command's beats come from: ``"notify"``, or a probe."""
    if isinstance(value, dict):
        return probe(value)
    _word_or_probe(value, "notify")
    return "notify"


def probe(value: dict[object, object]) -> Probe:
    """Read a table that holds one of ``tcp``, ``http`` and ``exec``."""
    match list(value.items()):
        case [("tcp", address)]:
            return _tcp(address)
        case [("http", url)]:
            return _http(url)
        case [("exec", command)]:
            return _exec(command)
    raise Unfit(f"one of {PROBES}", ("tcp", "http", "exec"))


def _word_or_probe(value: object, *known: str) -> str:
    try:
        return str(one_of(*known)(value))
    except Unfit as error:
        raise Unfit(f"{error.allowed} | {PROBES}", known) from None


def _tcp(value: object) -> TcpProbe:
    found = _TCP.fullmatch(value) if isinstance(value, str) else None
    if found is None or not 1 <= int(found[3]) <= 65535:
        raise Unfit('{ tcp = "127.0.0.1:8080" }: host and port, the port from 1 to 65535')
    return TcpProbe(found[1] or found[2], int(found[3]))


def _http(value: object) -> HttpProbe:
    # A blank or a line break in it would be read by the server as the end of the request line.
    if not isinstance(value, str) or not _VISIBLE.fullmatch(value) or not _is_address(_split(value)):
        raise Unfit('{ http = "http://HOST:PORT/PATH" }: http or https, no user and no password')
    return HttpProbe(value)


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:  # brackets that do not match, or a port that is none
        return None
    return None if port == 0 else parts


def _is_address(parts: SplitResult | None) -> bool:
    return (
        parts is not None
        and parts.scheme in {"http", "https"}
        and bool(parts.hostname)
        and parts.username is None
        and parts.password is None
    )


def _exec(value: object) -> ExecProbe:
    try:
        return ExecProbe(words(value))
    except Unfit:
        raise Unfit('{ exec = ["./probe", "argument"] }: a list of strings, the program first') from None
