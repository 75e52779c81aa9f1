"""``paper notify``."""

from __future__ import annotations

import asyncio
import time
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Final

import click

from protocol.errors import PlaceError, SecretUnreadable
from protocol.places import RootEntry, known_roots, secret
from workers.notifier.bot import Bot
from workers.notifier.config import NotifierConfig, refuse_unfit
from workers.notifier.delivery import Channel, page
from workers.notifier.outbox import Letter
from workers.notifier.outcome import Refused
from workers.notifier.pace import Pace, pace_of_chat
from workers.notifier.problems import TELEGRAM, credentials
from workers.notifier.samples import samples
from workers.notifier.services import Service, name_of
from workers.notifier.telegram import Telegram
from workers.paper._failure import FAILED, USAGE, Failure
from workers.shared.config import decode
from workers.shared.exits import PersonMustLook

NOTIFIER: Final = "workers.notifier:main"
TRIES: Final = 5
HOPELESS: Final = 3
"""A channel that took none of the first messages is not tried with the others."""


@click.group("notify")
def command() -> None:
    """Try what tells people."""


@command.command("test")
@click.option(
    "--config", metavar="TREE", help="The tree file whose notifier is meant; else that of the last root."
)
@click.option("--kind", "kinds", multiple=True, metavar="KIND", help="Only this kind of message; repeatable.")
def test(config: str | None, kinds: tuple[str, ...]) -> None:
    """Send one message of each kind to every configured channel, and say what became of them.

    They are marked TEST and keep to the pace of the channel: one a second, in groups 20 a minute. A running
    tree is not touched. Exit status: 0 all were taken; 1 some were not; 2 no channel, or a mistake in the
    file.

    \b
    Examples:
      paper notify test
      paper notify test --config tree.toml --kind restarting --kind parked
    """
    settings = _settings(config)
    targets = _targets(settings)
    wanted = [one for one in samples(settings, _now_ms()) if not kinds or one.kind in kinds]
    if unknown := set(kinds) - {one.kind for one in wanted}:
        raise Failure(f"no such kind of message, or it is off: {', '.join(sorted(unknown))}", USAGE)
    reports = asyncio.run(_send(targets, [(one.kind, one.text, one.silent) for one in wanted]))
    for report in reports:
        click.echo(report.line)
    if any(report.failed for report in reports):
        raise Failure("not every message was taken", FAILED)


@dataclass
class _Target:
    name: str
    channel: Channel
    pace: Pace


@dataclass
class _Report:
    name: str
    wanted: int
    sent: int = 0
    seconds: float = 0.0
    failed: dict[str, str] = field(default_factory=dict)

    @property
    def line(self) -> str:
        head = f"{self.name}: {self.sent} of {self.wanted} sent in {self.seconds:.1f} s"
        kinds: dict[str, list[str]] = {}
        for kind, why in self.failed.items():
            kinds.setdefault(why, []).append(kind)
        return "\n".join([head, *(f"  {', '.join(names)}: {why}" for why, names in kinds.items())])


async def _send(targets: list[_Target], messages: list[tuple[str, str, bool]]) -> list[_Report]:
    return list(await asyncio.gather(*(_send_all(target, messages) for target in targets)))


async def _send_all(target: _Target, messages: list[tuple[str, str, bool]]) -> _Report:
    began, sent = time.monotonic(), list[float]()
    report = _Report(target.name, len(messages))
    try:
        for kind, text, silent in messages:
            await asyncio.sleep(target.pace.wait_s(sent, time.monotonic()))
            sent.append(time.monotonic())
            why = await _send_one(target, f"TEST {text}", silent=silent)
            if why is None:
                report.sent += 1
            else:
                report.failed[kind] = why
            if not report.sent and len(report.failed) == HOPELESS:
                break
    finally:
        await target.channel.close()
    report.seconds = time.monotonic() - began
    return report


async def _send_one(target: _Target, text: str, *, silent: bool) -> str | None:
    """Return why it was not taken, None when it was."""
    now_ms, why = _now_ms(), None
    for failures in range(1, TRIES + 1):
        letter = page(Letter(number=0, at_ms=now_ms, text=text), now_ms)
        outcome = await target.channel.send(letter, silent=silent)
        if not isinstance(outcome, Refused):
            return None
        why = outcome.why
        if outcome.certain and outcome.wait_s is None:
            break  # it would be the same again
        if failures < TRIES:
            await asyncio.sleep(target.pace.pause_s(outcome, failures))
    return why


def _targets(settings: NotifierConfig) -> list[_Target]:
    try:
        found = credentials(settings, secret)
    except SecretUnreadable as error:
        raise Failure(str(error), USAGE) from error
    for problem in found.problems:
        click.echo(f"paper: {problem}", err=True)
    targets = [_Target(name_of(url), Service(url), Pace()) for url in found.urls]
    if found.token is not None and found.chat_id is not None:
        chat = Telegram(Bot(found.token, settings.telegram.base_url), found.chat_id)
        targets.insert(0, _Target(TELEGRAM, chat, pace_of_chat(found.chat_id)))
    if not targets:
        raise Failure(
            "no channel is configured: set TELEGRAM_BOT_TOKEN and TELEGRAM_CHAT_ID, or urls in the notifier's"
            " section of the tree file",
            USAGE,
        )
    return targets


def _settings(config: str | None) -> NotifierConfig:
    named = config or _last_tree()
    if named is None:
        return NotifierConfig()
    child, section = _section(_tree(named), named)
    try:
        settings = decode(section, NotifierConfig, child)
        refuse_unfit(settings, child)
    except PersonMustLook as error:
        raise Failure(str(error), USAGE) from error
    return settings


def _section(tree: Mapping[str, Any], named: str) -> tuple[str, dict[str, Any]]:
    children = [child for child in tree.get("child", ()) if child.get("start") == NOTIFIER]
    if not children:
        raise Failure(f'tree file {named}: no child with start = "{NOTIFIER}"', USAGE)
    defaults = tree.get("defaults", {}).get("config", {})
    return str(children[0]["id"]), {**defaults, **children[0].get("config", {})}


def _tree(named: str) -> dict[str, Any]:
    shipped: list[Callable[[], Path]] = [
        entry.load() for entry in entry_points(group="supervisor_tree.trees") if entry.name == named
    ]
    path = shipped[0]() if shipped else Path(named).expanduser()
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise Failure(f"tree file {path}: {error.strerror or error}", USAGE) from error
    except ValueError as error:
        raise Failure(f"tree file {path}: {error}", USAGE) from error


def _last_tree() -> str | None:
    """Return the tree file of the root that runs, or ran last; None where there was none."""
    try:
        known: list[RootEntry] = [entry for entry in known_roots() if not entry.temporary]
    except PlaceError as error:
        raise Failure(str(error)) from error
    roots = sorted(known, key=lambda entry: not entry.running)
    return roots[0].config if roots else None


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
