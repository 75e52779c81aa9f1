"""The notifier's section of a tree file."""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfoNotFoundError

from msgspec import Meta, Struct, field

from workers.notifier.kinds import Delivery, check_kinds, check_template
from workers.notifier.outbox import KEPT_UNSENT
from workers.notifier.schedule import zone_of
from workers.shared.config import WorkerConfig
from workers.shared.duration import seconds
from workers.shared.exits import PersonMustLook

_LOOPBACK: Final = {"127.0.0.1", "localhost", "::1"}
_TIME_OF_DAY: Final = re.compile(r"([01]\d|2[0-3]):([0-5]\d)", re.ASCII)
_NAMED: Final = re.compile(r"env:([A-Za-z_][A-Za-z0-9_]*)", re.ASCII)


def _reachable(url: str) -> bool:
    parts = urlsplit(url)
    parts.port  # noqa: B018 it raises for what is none
    return (parts.scheme == "http" and parts.hostname in _LOOPBACK) or bool(
        parts.scheme == "https" and parts.hostname
    )


class TelegramConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where Telegram is, who gets the messages, and who may give commands.

    ``token``: "env" only, that is from TELEGRAM_BOT_TOKEN, TELEGRAM_BOT_TOKEN_FILE or systemd's credentials:
    a secret has no place in this file. ``chat_id``: "env" (TELEGRAM_CHAT_ID) or the id itself. ``base_url``:
    another server, for tests and proxies; plain http on this machine only. ``commands``: whether the bot
    listens; it obeys the chat itself and the ids in ``allowed``, nobody else.
    """

    token: str = "env"
    chat_id: str | int = "env"
    base_url: str = "https://api.telegram.org"
    commands: bool = True
    allowed: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if not _reachable(self.base_url):
            raise ValueError(f"base_url must be https, or http on this machine, found {self.base_url!r}")


class NotifierConfig(WorkerConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What may be set.

    ``inputs``: "root" and ids of brokers. ``deliver``: "auto" sends to the log and to the channels for which
    there are credentials, except in the demo and in replays; "log" to the log only. ``urls``: other services,
    as apprise writes them, or "env:NAME" for one that is kept in the environment (or in the file NAME_FILE).
    ``heartbeat``, ``health``: how often a sign of life and the states of the children are sent; "0s" never.
    ``daily_at``: when the summary of the day is sent, in ``time_zone``. ``keep_unsent``: how many messages
    wait at most for a channel that takes none; beyond that the oldest are dropped, which is told.
    ``messages``: "on", "silent" or "off" for kinds of messages; ``templates``: sentences of your own for
    them. ``dead_man_url``: called each minute while the tree is well, for a monitor elsewhere; may be
    "env:NAME" too.
    """

    inputs: tuple[str, ...] = ("root", "broker")
    deliver: Literal["auto", "log"] = "auto"
    telegram: TelegramConfig = TelegramConfig()
    heartbeat: str | float = "2h"
    health: str | float = "1h"
    urls: tuple[str, ...] = ()
    keep_unsent: Annotated[int, Meta(ge=100)] = KEPT_UNSENT
    daily_at: str = "00:00"
    time_zone: str = "UTC"
    dead_man_url: str | None = None
    messages: dict[str, Delivery] = field(default_factory=dict)
    templates: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.heartbeat_ms, self.health_ms, self.daily_minute  # noqa: B018 they raise for what is none
        _known_zone(self.time_zone)
        check_kinds("messages", self.messages)
        check_kinds("templates", self.templates)
        for name, template in self.templates.items():
            check_template(name, template)
        for url in self.urls:
            if not _NAMED.fullmatch(url) and "://" not in url:
                raise ValueError('urls must hold addresses (scheme://...) or "env:NAME"')
        if self.dead_man_url is not None and not (
            _NAMED.fullmatch(self.dead_man_url) or _reachable(self.dead_man_url)
        ):
            raise ValueError('dead_man_url must be https (or http on this machine), or "env:NAME"')

    @property
    def heartbeat_ms(self) -> int:
        """The interval of heartbeats; 0: none."""
        return round(seconds("heartbeat", self.heartbeat) * 1000)

    @property
    def health_ms(self) -> int:
        """The interval of health messages; 0: none."""
        return round(seconds("health", self.health) * 1000)

    @property
    def daily_minute(self) -> int:
        """The minute of the day of the summary."""
        match = _TIME_OF_DAY.fullmatch(self.daily_at)
        if match is None:
            raise ValueError(
                f'daily_at must be a time of day such as "00:00" or "21:30", found {self.daily_at!r}'
            )
        return int(match[1]) * 60 + int(match[2])

    @property
    def brokers(self) -> tuple[str, ...]:
        """The ids of the brokers among the inputs."""
        return tuple(source for source in self.inputs if source != "root")


class SecretInFile(PersonMustLook):
    """A secret was written into the configuration. The secret is not repeated here."""

    def __init__(self, key: str, variable: str) -> None:
        super().__init__(key, variable)
        self.key, self.variable = key, variable

    def __str__(self) -> str:
        return (
            f'{self.key}: a secret has no place in the configuration; set it to "env" and give the secret in'
            f" the environment as {self.variable}, or name a file in {self.variable}_FILE"
        )


def refuse_unfit(config: NotifierConfig, child: str) -> None:
    """Raise for a secret in the file."""
    if config.telegram.token != "env":
        raise SecretInFile(f"{child}.config.telegram.token", "TELEGRAM_BOT_TOKEN")


def variable_of(url: str) -> str | None:
    """Return the name in "env:NAME"; None for an address that is written out."""
    named = _NAMED.fullmatch(url)
    return named[1] if named else None


def _known_zone(name: str) -> None:
    try:
        zone_of(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(
            f'time_zone must be a name that this machine knows, such as "Europe/Berlin", found {name!r}'
        ) from error
