"""The trees that are disturbed: every limit on restarts is lifted in them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

LIFTED: Final = """\
backoff = { initial = "0s", factor = 1.0, max = "0s", jitter = 0.0 }
intensity = { max_restarts = 1000000, period = "1s" }
max_consecutive_failures = "infinity"
"""

HEAD: Final = """\
[supervisor]
max_restarts = 1000000
period = "1s"
preload = ["workers.shared", "workers.notifier", "workers.broker", "workers.strategy", "workers.feed"]

[defaults.config]
mode = "paper"

[[child]]
id = "notifier"
start = "workers.notifier:main"
{lifted}
[child.config]
deliver = "log"

[[child]]
id = "broker"
start = "workers.broker:main"
{lifted}
[child.config]
breakers = "off"
inputs = {inputs}
"""

ONE: Final = """\
[[child]]
id = "strategy"
start = "workers.strategy:main"
{lifted}
"""

GROUP: Final = """\
[[group]]
id = "strategies"
strategy = "one_for_all"
max_restarts = 1000000
period = "1s"

[[child]]
id = "ahead"
parent = "strategies"
start = "workers.strategy:main"
{lifted}
[child.config]
strategy = "ma_cross"
inputs = ["feed"]

[[child]]
id = "listener"
parent = "strategies"
start = "workers.strategy:main"
{lifted}
[child.config]
strategy = "donchian"
inputs = ["feed", "broker"]
"""

FEED: Final = """\
[[child]]
id = "feed"
start = "workers.feed:main"
{lifted}
[child.config]
source = "recorded"
file = {file}
speed = {speed}
time = {time}
volume = {volume}
on_end = "shutdown"
"""


@dataclass(frozen=True)
class Kind:
    """A tree: the text that its strategies take, and their names."""

    text: str
    strategies: tuple[str, ...]


KINDS: Final[Mapping[str, Kind]] = {
    "one": Kind(ONE, ("strategy",)),
    "group": Kind(GROUP, ("ahead", "listener")),
}
"""``group``: two strategies that fall together; one runs ahead, one waits for the fills of each row."""


def write_tree(folder: Path, kind: Kind, file: Path, *, speed: float, time: str, volume: str) -> Path:
    """Write the tree file for a recording into ``folder``; its path."""
    path = folder / "chaos.toml"
    inputs = ["feed", *kind.strategies]
    values = {"file": str(file.absolute()), "speed": speed, "time": time, "volume": volume, "inputs": inputs}
    quoted = {key: json.dumps(value) for key, value in values.items()}
    path.write_text((HEAD + kind.text + FEED).format(lifted=LIFTED, **quoted))
    return path
