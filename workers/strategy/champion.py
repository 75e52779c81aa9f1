"""A champion: the one strategy with the one set of parameters that was chosen for a market. Pure.

The file says what was chosen, by whom and when, and carries a fingerprint over all of it and over the
source of the strategy, so that neither can be changed without being noticed. Nobody is kept from making a
new one: the fingerprint protects against slips, half-written files and forgotten edits, not against an
enemy who can write here.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct

from workers.shared.exits import PersonMustLook
from workers.strategy.fingerprint import fingerprint
from workers.strategy.source import Digests

FALLBACKS: Final = frozenset({"fallback", "baseline", "default"})
"""What a champion may not say that it is: nothing is traded on a stopgap."""
_BARE: Final = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)


class Champion(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``strategy``: as in a tree file, a path relative to this file. ``created``: UTC. ``provenance``:
    where it comes from, for people. ``source``: the SHA-256 of the strategy's file; ``helpers``: those of
    the files beside it that it imports. ``fallback``: it is only a stopgap."""

    strategy: str
    parameters: dict[str, Any]
    symbol: str
    timeframe: str
    provenance: str
    created: str
    source: str
    fingerprint: str = ""
    fallback: bool = False
    helpers: dict[str, str] = {}

    @property
    def true_fingerprint(self) -> str:
        """The fingerprint of what stands here."""
        content = msgspec.structs.asdict(self)
        del content["fingerprint"]
        if not self.helpers:
            del content["helpers"]
        return fingerprint(content)

    def sealed(self) -> Champion:
        """Return it with its fingerprint."""
        return msgspec.structs.replace(self, fingerprint=self.true_fingerprint)


class UnfitChampion(PersonMustLook):
    """What was chosen cannot be told any more, so nothing is traded."""

    def __init__(self, file: str, problem: str) -> None:
        super().__init__(file, problem)
        self.file, self.problem = file, problem

    def __str__(self) -> str:
        return (
            f"champion {self.file}: {self.problem}; nothing is traded; put the right file back, or choose"
            " anew with paper champion create, then restart the strategy"
        )


def parse(content: bytes, file: str) -> Champion:
    """Read a champion's JSON or (``file`` ends in .toml) TOML. Raises UnfitChampion."""
    try:
        found = _toml(content) if file.endswith(".toml") else msgspec.json.decode(content)
        return msgspec.convert(found, Champion)
    except (msgspec.MsgspecError, ValueError) as error:
        raise UnfitChampion(file, f"it cannot be read ({error})") from error


def check(champion: Champion, source: Digests, file: str) -> None:
    """Raise UnfitChampion unless it is whole, of this ``source``, and no stopgap."""
    if champion.fingerprint != champion.true_fingerprint:
        found, true = champion.fingerprint[:16], champion.true_fingerprint[:16]
        told = f"its fingerprint is {found}" if found else "it has no fingerprint"
        raise UnfitChampion(file, f"it was edited: {told}, its content's is {true}")
    if champion.fallback or champion.provenance.strip().lower() in FALLBACKS:
        raise UnfitChampion(file, f"it is a fallback (provenance {champion.provenance!r})")
    if champion.source != source.own:
        problem = (
            f"the source of {champion.strategy} is {source.own[:16]}, it was chosen as {champion.source[:16]}"
        )
        raise UnfitChampion(file, problem)
    for name in sorted({*champion.helpers, *source.helpers}):
        now, then = source.helpers.get(name), champion.helpers.get(name)
        if now != then:
            told = f"is {now[:16] if now else 'not imported'}, it was {then[:16] if then else 'not imported'}"
            raise UnfitChampion(file, f"{name}, beside the source of {champion.strategy}, {told}")


def check_market(champion: Champion, symbol: str, timeframe: str, file: str) -> None:
    """Raise UnfitChampion unless it was chosen for this market."""
    if (champion.symbol, champion.timeframe) != (symbol, timeframe):
        chosen = f"{champion.symbol} {champion.timeframe}"
        raise UnfitChampion(file, f"it was chosen for {chosen}, the feed sends {symbol} {timeframe}")


def text_of(champion: Champion, *, toml: bool) -> str:
    """Return what to write. Raises ValueError for parameters that TOML cannot say."""
    plain = msgspec.to_builtins(champion)
    if not toml:
        return msgspec.json.format(msgspec.json.encode(plain), indent=2).decode() + "\n"
    tables = {name: plain.pop(name) for name in ("parameters", "helpers")}
    parts = (line for name, table in tables.items() for line in ("", f"[{name}]", *_lines(table)))
    return "\n".join([*_lines(plain), *parts, ""])


def _lines(values: Mapping[str, Any]) -> list[str]:
    for key, value in values.items():
        if value is None or isinstance(value, dict):
            raise ValueError(f"{key} = {value!r} cannot stand in a TOML file; write a .json file")
    # What JSON writes of strings, numbers and lists of them, TOML reads; but for DEL, which it wants escaped.
    texts = {key: msgspec.json.encode(value).decode() for key, value in values.items()}
    return [f"{_key(key)} = " + text.replace("\x7f", "\\u007f") for key, text in texts.items()]


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else msgspec.json.encode(name).decode().replace("\x7f", "\\u007f")


def _toml(content: bytes) -> dict[str, Any]:
    return tomllib.loads(content.decode("utf-8"))
