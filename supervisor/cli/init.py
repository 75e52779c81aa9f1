"""``supervisor init``."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from importlib.metadata import entry_points
from pathlib import Path
from typing import Final

import click

from supervisor.cli._failure import FAILED, USAGE, Failure
from supervisor.cli._options import tree_options
from supervisor.cli._surroundings import surroundings
from supervisor.config.suggest import did_you_mean

_HEAD: Final = """\
# A tree of supervised processes. Check it with `supervisor check`, run it with `supervisor start`.
#
# Durations: "500ms" "5s" "2m" "1h" "1d", or seconds. Unknown keys are errors. Any key can be set for one run:
#   SUPERVISOR__CHILD__KEY=value supervisor start      supervisor start --set child.key=value
# Secrets (tokens, keys) never stand here: they come from the environment or from *_FILE variables.
#
# Every child may have these keys; the values are the defaults:
#   restart = "permanent"             # always | "transient": unless it ended well | "temporary": never
#   backoff = { initial = "0s", factor = 2.0, max = "60s", jitter = 0.1, stable_after = "60s" }
#   intensity = { max_restarts = 20, period = "10m" }       # of its own; absent: only the root's counts
#   max_consecutive_failures = 10     # failures without a stable time between: then on_exhausted
#   on_exhausted = "park"             # stays down until you look | "escalate": the parent decides
#   shutdown = "5s"                   # between TERM and KILL | "brutal_kill" | "infinity"
#   ready_timeout = "30s"
#   heartbeat = { interval = "1s", misses = 5 }             # Python workers; a silent one is restarted
#   ready = "immediate"               # of a command | "notify" (sd_notify) | { tcp = "127.0.0.1:8080" }
#                                     # | { http = "http://127.0.0.1:8080/health" } | { exec = ["./probe"] }
#   liveness = "notify"               # of a command: beats by WATCHDOG=1, or a probe as above; absent: none
#   limits = { }                      # memory = "300MiB", open_files = 1024, nice = 5
#   max_runtime = "0s"                # an orderly restart each time it is reached; 0: none
#   no_restart_exit_codes = [78]      # "a person must look": parked at once

"""
_EXAMPLE: Final = """\
[supervisor]
strategy = "one_for_one"              # one_for_all | rest_for_one
max_restarts = 20
period = "10m"
on_exhausted = "hold"                 # all that can run goes on | "exit"
state_dir = "var"
alert_command = []                    # ["program", ...]: tells a critical event when the notifier cannot
alert_after = "60s"                   # for that long the notifier must have been away
health = "5m"                         # how often the root logs a line on the health of all

[defaults.config]
mode = "dry-run"                      # paper | live

[[child]]                             # started in this order, stopped in reverse
id = "clock"
command = ["sh", "-c", "while true; do date; sleep 1; done"]
"""
_LEADING_COMMENT: Final = re.compile(r"\A(?:#.*\n|\s*\n)+")
_MODE: Final = re.compile(r'^mode = "(?:paper|live)".*$', re.MULTILINE)
_FILE: Final = re.compile(r'^(file = )"([^"]+)"', re.MULTILINE)


_TEMPLATES: Final = "supervisor_tree.templates"
"""Installed modules that change what is written, each the option of its name: METAVAR, HELP, and
apply(text, value, folder) -> text, which raises ValueError with a sentence."""


def _template_options(function: Callable[..., None]) -> Callable[..., None]:
    for entry in entry_points(group=_TEMPLATES):
        template = entry.load()
        function = click.option(f"--{entry.name}", metavar=template.METAVAR, help=template.HELP)(function)
    return function


@click.command("init", short_help="Write a commented tree file.")
@click.argument("path", required=False, metavar="[FILE]")
@click.option("--from", "base", metavar="NAME", help="The built-in tree to begin with (default: demo).")
@click.option("--force", is_flag=True, help="Replace a file that exists.")
@_template_options
@tree_options
def command(
    *,
    path: str | None,
    base: str | None,
    force: bool,
    config: str | None,
    state_dir: str | None,
    **templates: str | None,
) -> None:
    """Write a commented tree file to begin with: ./supervisor.toml, or FILE.

    It holds the children of the demo where that is installed, in dry-run mode: orders are logged and
    none is submitted.

    \b
    Example:
      supervisor init && supervisor check && supervisor start
    """
    if state_dir is not None:
        raise click.UsageError("--state-dir has no meaning here; write state_dir into the file")
    target = surroundings().cwd / (path or config or "supervisor.toml")
    if target.exists() and not force:  # before a template writes a file of its own
        raise Failure(f"{target} exists already; use --force to replace it", FAILED)
    text = _templated(_HEAD + _body(base), templates, target.parent)
    try:
        with target.open("w" if force else "x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise Failure(f"cannot write {target}: {error.strerror}", FAILED) from error
    click.echo(f"wrote {target}; next: supervisor check, then supervisor start")


def _templated(text: str, wanted: Mapping[str, str | None], folder: Path) -> str:
    for entry in entry_points(group=_TEMPLATES):
        value = wanted.get(entry.name.replace("-", "_"))
        try:
            text = text if value is None else entry.load().apply(text, value, folder)
        except ValueError as error:
            raise Failure(str(error), USAGE) from error
        except OSError as error:
            raise Failure(f"--{entry.name} {value}: {error}", FAILED) from error
    return text


def _body(base: str | None) -> str:
    from supervisor.config import BUILT_IN

    found = {entry.name: entry for entry in entry_points(group=BUILT_IN)}
    if base is not None and base not in found:
        raise Failure(f'there is no built-in tree "{base}"{did_you_mean(base, sorted(found))}', USAGE)
    if (name := base or "demo") not in found:
        return _EXAMPLE
    path = Path(found[name].load()()).absolute()
    return adapted(path.read_text(encoding="utf-8"), path.parent)


def adapted(text: str, directory: Path) -> str:
    """Return a built-in tree's text for a file elsewhere: dry-run, and its data files by absolute path."""

    def absolute(match: re.Match[str]) -> str:
        data = directory / match[2]
        return f'{match[1]}"{data}"' if data.is_file() else match[0]

    text = _LEADING_COMMENT.sub("", text)
    text = _MODE.sub('mode = "dry-run"                    # orders are logged only | "paper" | "live"', text)
    return _FILE.sub(absolute, text)
