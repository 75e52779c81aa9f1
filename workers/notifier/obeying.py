"""Does what a chat wishes, and says how it went. Everything here may block: it belongs into a thread."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import msgspec

from protocol.errors import NoAnswer, ProtocolError
from protocol.messages.instruction import Instruction, KillSwitch, Pause, Resume
from workers.notifier import sight
from workers.notifier.books import Books
from workers.notifier.commands import ALL, Wish
from workers.notifier.trades import amount
from workers.shared.instructing import NoSuchBroker, instruct
from workers.shared.operating import Operating, Verb

LOG_LINES: Final = 12
_LOG_BYTES: Final = 64 * 1024
_PAST: Final[dict[Verb, str]] = {"start": "started", "stop": "stopped", "restart": "restarted"}


class Obeying:
    """The hands of the commands."""

    def __init__(
        self,
        state_dir: Path,
        root: Operating,
        books: Books,
        brokers: tuple[str, ...],
        summary: Callable[[], str],
    ) -> None:
        self._state_dir, self._root, self._books, self._brokers = state_dir, root, books, brokers
        self._summary = summary

    def perform(self, wish: Wish) -> str:
        """Do it and return the answer. Raises nothing that the tree, its disk or its databases may do."""
        try:
            return self._perform(wish)
        except NoAnswer:
            return f"{wish}: the root does not answer"
        except (ProtocolError, NoSuchBroker, sqlite3.Error, OSError) as error:
            return f"{wish}: {error}"

    def _perform(self, wish: Wish) -> str:
        match wish.command:
            case "status":
                return sight.status_text(self._root.status())
            case "why":
                return sight.why_text(wish.names[0], self._root.status())
            case "restart" | "start" | "stop":
                return self._change(wish.command, wish.names)
            case "pause":
                return self._instruct(Pause(), wish, "no new entries")
            case "resume":
                return self._instruct(Resume(), wish, "entries are allowed again")
            case "killswitch":
                return self._kill(wish)
            case _:
                return self._read(wish)

    def _read(self, wish: Wish) -> str:
        match wish.command:
            case "positions":
                return _positions(self._books.positions())
            case "profit":
                return _profit(self._books.trades())
            case "signals":
                return _signals(self._books.signals())
            case "logs":
                return self._logs(wish.names[0])
            case _:
                return self._summary()

    def _change(self, verb: Verb, names: tuple[str, ...]) -> str:
        everything = ALL in names
        answer = self._root.change(verb, () if everything else names, everything=everything)
        under_way = f"is being {_PAST[verb]}"
        said = [
            f"{one.child}: {one.detail or (under_way if one.ok else 'failed')}" for one in answer.outcomes
        ]
        if answer.message and not answer.ok:
            said.append(answer.message)
        if not said:
            who = ("everything",) if everything else names
            said = [f"{name}: {under_way if answer.ok else 'refused'}" for name in who]
        return "\n".join(said)

    def _kill(self, wish: Wish) -> str:
        if wish.names == ("off",):
            return self._instruct(KillSwitch(on=False), wish, "off; /resume lets entries in again")
        return self._instruct(
            KillSwitch(on=True), wish, "orders are cancelled, positions closed, trading halted"
        )

    def _instruct(self, instruction: Instruction, wish: Wish, what: str) -> str:
        if not self._brokers:
            return f"{wish}: this notifier reads no broker"
        at_ms = time.time_ns() // 1_000_000
        by = f"telegram:{wish.chat}"
        for broker in self._brokers:
            instruct(self._state_dir, broker, instruction, by, at_ms)
        return f"{', '.join(self._brokers)}: told ({what})"

    def _logs(self, name: str) -> str:
        path = self._state_dir / "log" / f"{name}.jsonl"
        if not path.is_file():
            names = sorted(one.stem for one in path.parent.glob("*.jsonl") if "." not in one.stem)
            return f"There is no log of {name}; there are: {', '.join(names) or 'none'}"
        with path.open("rb") as file:
            file.seek(max(file.seek(0, 2) - _LOG_BYTES, 0))
            lines = file.read().splitlines()[-LOG_LINES:]
        return "\n".join(map(_log_line, lines)) or f"the log of {name} is empty"


def _positions(rows: list[tuple[str, str, str]]) -> str:
    lines = (
        f"{symbol}: {amount(Decimal(q))} at {amount(Decimal(average), 8)}" for symbol, q, average in rows
    )
    return "\n".join(lines) or "Nothing is held"


def _profit(rows: list[tuple[str, str]]) -> str:
    if not rows:
        return "No trade was closed yet"
    made = [Decimal(realised) for realised, _ in rows]
    wins = sum(one > 0 for one in made)
    fees = sum((Decimal(fee) for _, fee in rows), Decimal(0))
    profit = amount(sum(made, Decimal(0)), 8)
    return f"Profit {profit} after fees of {amount(fees, 8)}, {len(rows)} trades, {wins / len(rows):.0%} won"


def _signals(rows: list[tuple[Any, ...]]) -> str:
    lines = (
        f"{datetime.fromtimestamp(at_ms / 1000, tz=UTC):%m-%d %H:%M} {strategy} {symbol}: {action}"
        f" ({confidence})"
        for at_ms, strategy, symbol, action, confidence in rows[:10]
    )
    return "\n".join(lines) or "No signal yet"


def _log_line(raw: bytes) -> str:
    try:
        record = msgspec.json.decode(raw, type=dict[str, Any])
    except (msgspec.MsgspecError, ValueError):
        return raw.decode("utf-8", "replace")[:200]
    at = str(record.pop("time", ""))[11:19]
    level, message = record.pop("level", ""), record.pop("message", "")
    facts = " ".join(
        f"{name}={value}" for name, value in record.items() if name not in {"process", "exception"}
    )
    return f"{at} {level} {message} {facts}"[:300].rstrip()
