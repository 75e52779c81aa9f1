"""What is wrong with the credentials and addresses of a configuration, in sentences. Pure: nothing is called.

The same sentences for `supervisor check`, for the start of the notifier and for its health. No secret is in
them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final

from msgspec import Struct

from workers.notifier.config import NotifierConfig, variable_of
from workers.notifier.services import EXTRA_MISSING, extra_installed

TOKEN: Final = "TELEGRAM_BOT_TOKEN"
CHAT: Final = "TELEGRAM_CHAT_ID"
TELEGRAM: Final = "telegram"
_TOKEN_FORM: Final = re.compile(r"\d+:[A-Za-z0-9_-]+", re.ASCII)
_CHAT_FORM: Final = re.compile(r"-?\d{1,20}|@[A-Za-z][A-Za-z0-9_]{3,31}", re.ASCII)
_IN_A_FILE: Final = "\0"
"""Stands for a secret that lies in a file, which nobody reads here."""

Lookup = Callable[[str], str | None]
"""The value of a variable, None when there is none."""


class Credentials(Struct, frozen=True, kw_only=True):
    """What a configuration comes to together with an environment.

    ``problems`` are sentences; what they are about is missing in the other fields. ``telegram``: somebody
    wants it, whether or not it can work.
    """

    telegram: bool
    token: str | None
    chat_id: str | None
    urls: tuple[str, ...]
    dead_man_url: str | None
    problems: tuple[str, ...]


def problems(config: NotifierConfig, environment: Mapping[str, str]) -> tuple[str, ...]:
    """Return a sentence for each thing that keeps messages from going out; none when all is well."""

    def look_up(name: str) -> str | None:
        if value := environment.get(name, "").strip():
            return value
        in_a_file = environment.get(f"{name}_FILE") or environment.get("CREDENTIALS_DIRECTORY")
        return _IN_A_FILE if in_a_file else None

    return credentials(config, look_up).problems


def credentials(config: NotifierConfig, look_up: Lookup, *, has_extra: bool | None = None) -> Credentials:
    """Put a configuration and an environment together. ``has_extra``: whether apprise is installed."""
    token = look_up(TOKEN)
    chat_id = look_up(CHAT) if config.telegram.chat_id == "env" else str(config.telegram.chat_id)
    found = list(_of_telegram(token, chat_id))
    works = not found and token is not None
    urls, missing = _resolved(config.urls, look_up, "urls")
    dead_man, no_dead_man = _resolved(
        (config.dead_man_url,) if config.dead_man_url else (), look_up, "dead_man_url"
    )
    found += [*missing, *no_dead_man]
    if urls and not (extra_installed() if has_extra is None else has_extra):
        found.append(EXTRA_MISSING)
    return Credentials(
        telegram=token is not None or chat_id is not None,
        token=token if works else None,
        chat_id=chat_id if works else None,
        urls=tuple(urls),
        dead_man_url=dead_man[0] if dead_man else None,
        problems=tuple(found),
    )


def _of_telegram(token: str | None, chat_id: str | None) -> list[str]:
    if token is None and chat_id is None:
        return []
    if token is None:
        return [f"Telegram has a chat but no token: set {TOKEN}, or name a file in {TOKEN}_FILE"]
    if chat_id is None:
        return [f"Telegram has a token but no chat: set {CHAT}, or telegram.chat_id in the configuration"]
    found = []
    if token != _IN_A_FILE and not _TOKEN_FORM.fullmatch(token):
        found.append(
            f"{TOKEN} has not the form of a token (digits, a colon, letters): copy it from @BotFather"
        )
    if chat_id != _IN_A_FILE and not _CHAT_FORM.fullmatch(chat_id):
        found.append(f"the chat id {chat_id!r} has not the form of one: a number (groups: below 0) or @name")
    return found


def _resolved(urls: tuple[str, ...], look_up: Lookup, key: str) -> tuple[list[str], list[str]]:
    """Return the addresses, and a sentence for each that is not in the environment."""
    known, missing = [], []
    for url in urls:
        name = variable_of(url)
        value = url if name is None else look_up(name)
        if value is None:
            missing.append(f"{key}: {url}: there is no {name} in the environment, nor {name}_FILE")
        else:
            known.append(value)
    return known, missing
