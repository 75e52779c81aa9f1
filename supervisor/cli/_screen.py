"""The live screen of ``supervisor top``: the table of the status, ordered by use, and the last warnings."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from rich.console import Group
from rich.live import Live
from rich.text import Text

from supervisor.cli._table import console_of_stdout, rendered
from supervisor.config.durations import format_size

View = tuple[Mapping[str, Any], Sequence[str]]
"""A status object, and the last warnings as readable lines."""

KEYS: Final[Mapping[str, Callable[[Mapping[str, Any]], float]]] = {
    "cpu": lambda child: child["cpu_percent"] or 0.0,
    "memory": lambda child: child["memory"] or 0,
    "restarts": lambda child: child["restarts"],
    "uptime": lambda child: child["uptime"] or 0.0,
}
"""What children can be ordered by, the largest first; without one they stand in start order."""


def ordered(status: Mapping[str, Any], key: str) -> dict[str, Any]:
    """Return the status with its processes ordered; a tree in start order keeps its groups."""
    if key not in KEYS:
        return dict(status)
    workers = [child for child in status["children"] if child["type"] == "worker"]
    flat = [{**child, "path": f"root/{child['id']}"} for child in workers]
    return {**status, "children": sorted(flat, key=KEYS[key], reverse=True)}


def totals(status: Mapping[str, Any]) -> str:
    """What all children use together."""
    workers = [child for child in status["children"] if child["type"] == "worker"]
    ready = sum(child["state"] == "ready" for child in workers)
    processor = sum(KEYS["cpu"](child) for child in workers)
    memory = format_size(sum(KEYS["memory"](child) for child in workers))
    restarts = sum(child["restarts"] for child in workers)
    return f"{ready} of {len(workers)} ready, {processor:.1f}% of a core, {memory}, {restarts} restarts"


def show(look: Callable[[], View], wait: Callable[[], None]) -> None:
    """Show the screen again and again until interrupted; once when stdout is no terminal."""
    console = console_of_stdout()
    if not console.is_terminal:
        console.print(_screen(*look()))
        return
    with Live(_screen(*look()), console=console, auto_refresh=False, screen=True) as live:
        while True:
            wait()
            live.update(_screen(*look()), refresh=True)


def _screen(status: Mapping[str, Any], warnings: Sequence[str]) -> Group:
    lines = [Text(line, style="dim", no_wrap=True) for line in warnings]
    return Group(Text(totals(status)), rendered(status), Text(""), *lines)
