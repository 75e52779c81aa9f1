"""The root's own log: loguru's records go to the one writer of all logs."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from loguru import logger

from supervisor.runtime.utc import iso

if TYPE_CHECKING:
    from loguru import Message

ROOT = "root"


def configure(write: Callable[[dict[str, Any]], None]) -> None:
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


def say(level: str, sentence: str, **facts: object) -> None:
    """Log a sentence with its facts; braces in it mean nothing."""
    logger.bind(**facts).log(level, "{}", sentence)
