"""`check` and `--preflight` ask the workers about their sections; the supervisor itself imports none."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Shell

OWN = """
def main(launch): ...

def preflight(child, config, config_dir, state_dir):
    print("noise")
    if config.get("die"):
        raise RuntimeError("boom")
    return tuple(f"{child}.config.{key}: no such key" for key in config if key not in ("mode", "good", "day"))
"""


def tree(directory: Path, *sections: str) -> str:
    """A tree of workers of one's own, with these sections."""
    (directory / "own_worker.py").write_text(OWN)
    children = [
        f'[[child]]\nid = "c{n}"\nstart = "own_worker:main"\n[child.config]\n{section}\n'
        for n, section in enumerate(sections)
    ]
    return "\n".join(children)


@pytest.mark.req("O2")
@pytest.mark.parametrize("words", [["check"], ["start", "--preflight"]])
def test_each_section_is_judged_by_its_worker(shell: Shell, words: list[str]) -> None:
    """Every problem at once, with the file's name; exit status 2."""
    shell.write(tree(shell.cwd, "bad = 1\nworse = 2", "good = 1\nday = 2026-01-01", "die = true"))

    result = shell(*words)

    assert result.exit_code == 2
    told = result.stderr.strip().splitlines()
    assert [line.partition("supervisor.toml: ")[2] for line in told] == [
        "c0.config.bad: no such key",
        "c0.config.worse: no such key",
        "c2: its preflight failed: RuntimeError: boom",
    ]


@pytest.mark.req("O2")
def test_good_sections_are_told_as_good(shell: Shell) -> None:
    """Nothing to complain of: 0."""
    shell.write(tree(shell.cwd, "good = 1"))

    assert shell("check").exit_code == 0


@pytest.mark.req("O2")
@pytest.mark.parametrize(
    ("room", "section", "said"),
    [
        ("feed", 'sped = "max"', "did you mean 'speed'?"),
        ("feed", 'file = "absent.csv"', "no such file"),
        ("strategy", 'strategy = "absent.py:Mine"', "no such file"),
        ("broker", 'cash = "a lot"', "broker.config.cash"),
        ("broker", 'funding_file = "absent.csv"', "absent.csv"),
        ("notifier", 'telegram = { token = "123:abc" }', "TELEGRAM_BOT_TOKEN"),
    ],
)
def test_the_rooms_say_what_their_start_would_say(shell: Shell, room: str, section: str, said: str) -> None:
    """An unknown key, a missing file, a wrong value, a secret in the file: found before anything starts."""
    shell.write(f'[[child]]\nid = "{room}"\nstart = "workers.{room}:main"\n[child.config]\n{section}\n')

    result = shell("check")

    assert (result.exit_code, said in result.stderr) == (2, True), result.stderr
