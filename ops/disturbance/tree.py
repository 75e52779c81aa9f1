"""The tree that is disturbed: the four workers, with every limit on restarts lifted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

LIFTED: Final = """\
backoff = { initial = "0s", factor = 1.0, max = "0s", jitter = 0.0 }
intensity = { max_restarts = 1000000, period = "1s" }
max_consecutive_failures = "infinity"
"""

TREE: Final = """\
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

[[child]]
id = "strategy"
start = "workers.strategy:main"
{lifted}
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


def write_tree(folder: Path, file: Path, *, speed: float, time: str, volume: str) -> Path:
    """Write the tree file for a recording into ``folder``; its path."""
    path = folder / "chaos.toml"
    values = {"file": str(file.absolute()), "speed": speed, "time": time, "volume": volume}
    quoted = {key: json.dumps(value) for key, value in values.items()}
    path.write_text(TREE.format(lifted=LIFTED, **quoted))
    return path
