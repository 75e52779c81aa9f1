"""The root's own log: loguru's records go to the one writer of all logs."""

from __future__ import annotations

import asyncio
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loguru import logger

from supervisor.runtime.utc import iso

if TYPE_CHECKING:
    from loguru import Message

ROOT = "root"


Write = Callable[[dict[str, Any]], None]

_beside: list[Write] = []


def configure(write: Write) -> None:
    """Send every record of this process to ``write``, facts beside the message."""

    def sink(message: Message) -> None:
        record = message.record
        line: dict[str, Any] = {
            "time": iso(record["time"].timestamp()),
            "level": record["level"].name,
            "process": ROOT,
            "message": record["message"],
            **record["extra"],
        }
        if record["exception"] is not None:
            line["exception"] = "".join(traceback.format_exception(record["exception"].value))
        write(line)

    logger.remove()
    logger.add(sink, level="DEBUG", format="{message}")


@contextmanager
def beside(write: Write) -> Iterator[None]:
    """Have :func:`say` write there within the block; loguru stays with the program that the root lives in."""
    _beside.append(write)
    try:
        yield
    finally:
        _beside.remove(write)


def say(level: str, sentence: str, **facts: object) -> None:
    """Log a sentence with its facts; braces in it mean nothing."""
    if not _beside:
        logger.bind(**facts).log(level, "{}", sentence)
        return
    record = {"time": iso(time.time()), "level": level, "process": ROOT, "message": sentence}
    _beside[-1]({**record, **facts})


def say_defect(sentence: str, defect: BaseException) -> None:
    """Log an exception that nobody expected, with its traceback."""
    say("ERROR", sentence, exception="".join(traceback.format_exception(defect)))


def say_unhandled(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log what a callback of the loop ended with; asyncio's own handler tells a terminal, or nobody."""
    defect = context.get("exception")
    if isinstance(defect, BaseException):
        say_defect(f"defect in the root: {context['message']}", defect)
    else:
        loop.default_exception_handler(context)


def say_noise(door: str, kind: str, sentence: str, count: int) -> None:
    """Log what was refused at a door, and how often."""
    say("WARNING", f"refused on the {door} socket: {sentence}", kind=kind, count=count)


def say_events_lost(path: Path) -> None:
    """Log that the journal of events is no longer where it was."""
    say(
        "CRITICAL",
        f"{path} was taken away or replaced while the root runs: events from now on will not be on disk; "
        "restart the root (supervisor stop, start) to keep them again",
    )
