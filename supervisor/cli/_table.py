"""The status object as a table."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Literal

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, Group, RenderResult
from rich.live import Live
from rich.table import Table
from rich.text import Text

from supervisor.config.durations import format_duration, format_size

_COLUMNS: Final = (
    "NAME", "STATE", "HEALTH", "PID", "UPTIME", "RESTARTS", "LAST EXIT", "CPU", "MEMORY", "NEXT",
)  # fmt: skip
_RIGHT: Final = frozenset({"PID", "UPTIME", "RESTARTS", "CPU", "MEMORY", "NEXT"})
_GAP: Final = 2
"""Spaces between two columns."""
_FEWEST: Final = 2
"""Columns that are shown on any terminal: which child, and its state."""
_STYLES: Final = {
    "ready": "green", "healthy": "green", "starting": "yellow", "stopping": "yellow", "backoff": "yellow",
    "degraded": "yellow", "parked": "bold red", "held": "bold red", "critical": "bold red",
    "stopped": "dim", "down": "dim",
}  # fmt: skip
_PIPE_WIDTH: Final = 160
"""Columns when stdout is no terminal, so that a script sees whole lines."""


def print_status(status: Mapping[str, Any]) -> None:
    """Write the table to stdout."""
    console_of_stdout().print(rendered(status))


def watch_status(ask: Callable[[], Mapping[str, Any]], wait: Callable[[], None]) -> None:
    """Show the table again and again until interrupted; in place on a terminal."""
    console = console_of_stdout()
    if not console.is_terminal:
        while True:
            console.print(rendered(ask()))
            console.file.flush()
            wait()
    with Live(rendered(ask()), console=console, auto_refresh=False) as live:
        while True:
            wait()
            live.update(rendered(ask()), refresh=True)


def console_of_stdout() -> Console:
    """Return a console; wide enough for whole lines when stdout is no terminal."""
    console = _Console(highlight=False)
    return console if console.is_terminal else _Console(highlight=False, width=_PIPE_WIDTH)


class _Console(Console):
    def on_broken_pipe(self) -> None:
        # Rich would end the process, with 1; what it means is for the command to say.
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))


def rendered(status: Mapping[str, Any]) -> Group:
    """Return headline, table and notes."""
    notes, rows = [], []
    for child in status["children"]:
        rows.append(_row(child))
        if child["state"] in {"parked", "held", "backoff"} and child["last_error"]:
            notes.append(Text(f"{child['id']}: {child['last_error']}", style="red"))
        if child.get("status_text"):
            notes.append(Text(f"{child['id']}: {child['status_text']}", style="dim"))
    return Group(Text(_headline(status["root"]), style="bold"), _Fitted(rows), *notes)


class _Fitted:
    """The table with as many columns, from the left, as the terminal is wide enough for."""

    def __init__(self, rows: Sequence[Sequence[Text | str]]) -> None:
        self._rows = rows

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        count = self._fitting(options.max_width)
        table = Table(box=None, pad_edge=False, header_style="bold")
        for column in _COLUMNS[:count]:
            side: Literal["left", "right"] = "right" if column in _RIGHT else "left"
            table.add_column(column, justify=side, no_wrap=column != "LAST EXIT")
        for row in self._rows:
            table.add_row(*row[:count])
        yield table

    def _fitting(self, width: int) -> int:
        needed = [self._needed(index) for index in range(len(_COLUMNS))]
        fits = [
            count for count in range(1, len(needed) + 1) if sum(needed[:count]) + _GAP * (count - 1) <= width
        ]
        return max(_FEWEST, *fits)

    def _needed(self, index: int) -> int:
        cells = [str(row[index]) for row in self._rows]
        if _COLUMNS[index] == "LAST EXIT":
            cells = [word for cell in cells for word in cell.split()]
        return max(map(cell_len, [_COLUMNS[index], *cells]))


def _headline(root: Mapping[str, Any]) -> str:
    name = "DEMO" if root.get("demo") else root["config"]
    state = f"{root['state']}, {root['health']}, pid {root['pid']}, up {format_duration(root['uptime'])}"
    dropped = sum((root.get("log_dropped") or {}).values())
    lost = f"; {dropped} log lines were dropped" if dropped else ""
    return f"{name}  {state}, state in {root['state_dir']}{lost}"


def _row(child: Mapping[str, Any]) -> list[Text | str]:
    depth = max(0, child["path"].count("/") - 1)
    return [
        "  " * depth + child["id"],
        Text(child["state"], style=_STYLES.get(child["state"], "")),
        Text(child["health"] or "-", style=_STYLES.get(child["health"], "")),
        _or_dash(child["pid"], str),
        _or_dash(child["uptime"], format_duration),
        _restarts(child),
        _last_exit(child["last_exit"]),
        _or_dash(child["cpu_percent"], lambda percent: f"{percent:.1f}%"),
        _or_dash(child["memory"], format_size),
        _or_dash(child["next_restart_in"], format_duration),
    ]


def _or_dash(value: Any, form: Callable[[Any], str]) -> str:
    return "-" if value is None else form(value)


def _restarts(child: Mapping[str, Any]) -> str:
    allowed = child["max_restarts"]
    return f"{child['restarts_in_window']}/{'-' if allowed is None else allowed}"


def _last_exit(last: Mapping[str, Any] | None) -> str:
    if last is None:
        return "-"
    how = last["signal"] or (f"code {last['code']}" if last["code"] is not None else "")
    return f"{last['reason']} ({how})" if how else str(last["reason"])
