"""The notifier's section of a tree file."""

from __future__ import annotations

from typing import Any, Final, Literal
from urllib.parse import urlsplit

from msgspec import Struct

from workers.shared.config import WorkerConfig
from workers.shared.duration import seconds
from workers.shared.exits import PersonMustLook

_LOOPBACK: Final = {"127.0.0.1", "localhost", "::1"}


class TelegramConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where Telegram is and who gets the messages.

    ``token``: "env" only, that is from TELEGRAM_BOT_TOKEN, TELEGRAM_BOT_TOKEN_FILE or systemd's credentials:
    a secret has no place in this file. ``chat_id``: "env" (TELEGRAM_CHAT_ID) or the id itself. ``base_url``:
    another server, for tests and proxies; plain http on this machine only.
    """

    token: str = "env"
    chat_id: str | int = "env"
    base_url: str = "https://api.telegram.org"

    def __post_init__(self) -> None:
        parts = urlsplit(self.base_url)
        local = parts.scheme == "http" and parts.hostname in _LOOPBACK
        if not (local or (parts.scheme == "https" and parts.hostname)):
            raise ValueError(f"base_url must be https, or http on this machine, found {self.base_url!r}")


class NotifierConfig(WorkerConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What may be set.

    ``inputs``: "root" and ids of brokers. ``deliver``: "auto" sends to the log and to the channels for which
    there are credentials; "log" to the log only, for replays that run faster than life. ``heartbeat``,
    ``health``: how often a sign of life and the states of the children are sent; "0s" never.

    The rest has names and defaults already and no effect yet; another value is refused.
    """

    inputs: tuple[str, ...] = ("root", "broker")
    deliver: Literal["auto", "log"] = "auto"
    telegram: TelegramConfig = TelegramConfig()
    heartbeat: str | float = "2h"
    health: str | float = "1h"
    urls: tuple[str, ...] = ()
    daily_at: str = "00:00"
    dead_man_url: str | None = None

    def __post_init__(self) -> None:
        self.heartbeat_ms, self.health_ms  # noqa: B018 they raise for what is no duration

    @property
    def heartbeat_ms(self) -> int:
        """The interval of heartbeats; 0: none."""
        return round(seconds("heartbeat", self.heartbeat) * 1000)

    @property
    def health_ms(self) -> int:
        """The interval of health messages; 0: none."""
        return round(seconds("health", self.health) * 1000)


class NotYet(PersonMustLook):
    """A key asks for something that this version does not do."""

    def __init__(self, key: str, allowed: Any) -> None:
        super().__init__(key, allowed)
        self.key, self.allowed = key, allowed

    def __str__(self) -> str:
        return f"{self.key}: this comes in a later version; leave the key out, or set {self.allowed!r}"


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
    """Raise for a secret in the file, and for what this version does not do."""
    prefix = f"{child}.config"
    if config.telegram.token != "env":
        raise SecretInFile(f"{prefix}.telegram.token", "TELEGRAM_BOT_TOKEN")
    for name in ("urls", "daily_at", "dead_man_url"):
        default = getattr(NotifierConfig(), name)
        if getattr(config, name) != default:
            raise NotYet(f"{prefix}.{name}", default)
