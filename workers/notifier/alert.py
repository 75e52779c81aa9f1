"""Sends one alert and ends: for the root, when the notifier itself is down.

As ``[supervisor] alert_command = ["python", "-m", "workers.notifier.alert"]`` it is started with the alert as
a JSON object on standard input and the sentence for people as its last argument. It needs no state and no
configuration: TELEGRAM_BOT_TOKEN and TELEGRAM_CHAT_ID say where to, and NOTIFY_URLS (addresses as apprise
writes them, separated by spaces), each also as a file (NAME_FILE) or a credential of systemd.

Exit status: 0 somebody has it; 1 nobody could be told; 2 there is nobody to tell, or nothing to say.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import select
import sys
import time
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from protocol.errors import SecretUnreadable
from protocol.places import secret
from workers.notifier.bot import Bot
from workers.notifier.config import NotifierConfig, TelegramConfig
from workers.notifier.delivery import Channel, page
from workers.notifier.outbox import Letter
from workers.notifier.outcome import Outcome, Refused
from workers.notifier.pace import Pace
from workers.notifier.problems import credentials
from workers.notifier.services import Service, name_of
from workers.notifier.telegram import Telegram

WHOLE_S: Final = 25.0
"""The root ends its sender after 30 s."""
INPUT_S: Final = 2.0
LARGEST_INPUT: Final = 256 * 1024
URLS: Final = "NOTIFY_URLS"
PACE: Final = Pace(last_s=15.0)


def text_of(sentence: str, alert: dict[str, Any], host: str) -> str:
    """Put the alert into words."""
    facts = ", ".join(
        f"{name} {value}" for name, value in alert.items() if isinstance(value, str | int | float)
    )
    said = sentence.strip() or str(alert.get("message") or alert.get("event") or "")
    return f"ALERT from {host}: {said or facts}\n(sent by the root itself: the notifier is down)"


async def send_all(targets: dict[str, Channel], text: str, *, pace: Pace = PACE) -> dict[str, str | None]:
    """Send to all at once, again until taken or the time is over; returns why not, None for taken."""
    done: dict[str, str | None] = dict.fromkeys(targets, "no answer in time")

    async def send(name: str, channel: Channel) -> None:
        failures = 0
        while True:
            outcome: Outcome = await channel.send(text, silent=False)
            if not isinstance(outcome, Refused):
                done[name] = None
                return
            done[name], failures = outcome.why, failures + 1
            if outcome.hopeless:
                return
            await asyncio.sleep(pace.pause_s(outcome, failures))

    try:
        async with asyncio.timeout(WHOLE_S):
            await asyncio.gather(*(send(name, channel) for name, channel in targets.items()))
    except TimeoutError:
        return done
    finally:
        for channel in targets.values():
            await channel.close()
    return done


def main(arguments: Sequence[str] | None = None) -> int:
    """Send one alert; returns the exit status."""
    parser = argparse.ArgumentParser(prog="workers.notifier.alert", description="Send one alert and end.")
    parser.add_argument("--base-url", default=TelegramConfig().base_url, help="another Bot API server")
    parser.add_argument("sentence", nargs="?", default="", help="what to say")
    given = parser.parse_args(arguments)
    try:
        targets = _targets(given.base_url)
    except SecretUnreadable as error:
        return _said(str(error), 2)
    alert = _alert(_standard_input())
    if not given.sentence.strip() and not alert:
        return _said("nothing to say: give a sentence, or an alert as JSON on standard input", 2)
    if not targets:
        return _said(f"nobody to tell: set TELEGRAM_BOT_TOKEN and TELEGRAM_CHAT_ID, or {URLS}", 2)
    now_ms = time.time_ns() // 1_000_000
    words = text_of(given.sentence, alert, platform.node() or "this host")
    text = page(Letter(number=0, at_ms=now_ms, text=words), now_ms)
    done = asyncio.run(send_all(targets, text))
    for name, why in done.items():
        _said(f"{name}: {why or 'sent'}", 0)
    return 0 if None in done.values() else 1


def _targets(base_url: str) -> dict[str, Channel]:
    config = NotifierConfig(urls=tuple((secret(URLS) or "").split()))
    found = credentials(config, secret)
    for problem in found.problems:
        _said(problem, 0)
    targets: dict[str, Channel] = {name_of(url): Service(url) for url in found.urls}
    if found.token is not None and found.chat_id is not None:
        targets["telegram"] = Telegram(Bot(found.token, base_url), found.chat_id)
    return targets


def _standard_input() -> bytes:
    """Return what stands on standard input; nothing where nobody writes."""
    found, ends_at = b"", time.monotonic() + INPUT_S
    while len(found) < LARGEST_INPUT and select.select([0], [], [], max(ends_at - time.monotonic(), 0))[0]:
        piece = os.read(0, LARGEST_INPUT)
        if not piece:
            break
        found += piece
    return found


def _alert(body: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return {"message": body.decode("utf-8", "replace")[:1000]} if body.strip() else {}


def _said(text: str, code: int) -> int:
    sys.stderr.write(f"alert: {text}\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
