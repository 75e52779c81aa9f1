"""The systemd unit: what it says, and that systemd takes it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisor.cli._unitfile import Service, command_line, quoted, unit_text
from supervisor.config import find_tree, load
from tests.cli.conftest import Shell

ROOT = Path(__file__).parents[2]
ANALYZE = shutil.which("systemd-analyze")
TREE = """
[[child]]
id = "slow"
command = ["sleep", "60"]
shutdown = "40s"
[[group]]
id = "both"
[[child]]
id = "quick"
parent = "both"
command = ["sleep", "60"]
shutdown = "brutal_kill"
limits = { nice = -5, open_files = 100000 }
"""


def unit(shell: Shell, tree: str, *arguments: str) -> dict[str, list[str]]:
    """Print the unit of a tree; return its settings."""
    result = shell("unit", "--config", str(shell.write(tree)), *arguments)
    assert result.exit_code == 0, result.stderr
    found: dict[str, list[str]] = {}
    for key, value in re.findall(r"^(\w+)=(.*)$", result.stdout, re.MULTILINE):
        found.setdefault(key, []).append(value)
    return found


@pytest.mark.req("O5", "X3")
def test_the_unit_fits_the_tree(shell: Shell) -> None:
    """Notify, watchdog, times from the tree's own, limits as large as the children's."""
    settings = unit(shell, TREE)

    assert settings["Type"] == ["notify"]
    assert settings["NotifyAccess"] == ["main"]
    assert settings["Restart"] == ["on-failure"]
    assert settings["KillMode"] == ["mixed"]
    assert settings["WatchdogSec"] == ["30"]
    assert settings["TimeoutStopSec"] == ["70"]
    assert settings["TimeoutStartSec"] == ["30"]
    assert (settings["LimitNOFILE"], settings["LimitNICE"]) == (["100000"], ["-5"])
    assert settings["StateDirectory"] == settings["RuntimeDirectory"] == ["supervisor-tree"]
    assert settings["NoNewPrivileges"] == ["yes"]
    assert settings["ProtectSystem"] == ["strict"]
    assert settings["ExecStart"][0].endswith(f"start --config {shell.cwd}/supervisor.toml")


@pytest.mark.req("O5")
def test_what_a_tree_may_ask_for(shell: Shell) -> None:
    """No limit to a stop; a command as another user; a state directory elsewhere; the user's own manager."""
    endless = unit(shell, TREE.replace('"40s"', '"infinity"'))
    assert endless["TimeoutStopSec"] == ["infinity"]
    changing = unit(shell, TREE.replace('shutdown = "40s"', 'user = "nobody"'))
    assert not {"User", "CapabilityBoundingSet"} & set(changing)
    elsewhere = unit(shell, TREE, "--state-dir", "/srv/tree")
    assert elsewhere["ReadWritePaths"] == ["/srv/tree"]
    assert "StateDirectory" not in elsewhere
    own = unit(shell, TREE, "--user")
    assert not {"User", "ProtectSystem", "PrivateTmp"} & set(own)
    assert own["WantedBy"] == ["default.target"]


@pytest.mark.req("O5")
@pytest.mark.req("B8")
def test_a_unit_for_a_real_account_names_it_at_each_start(shell: Shell) -> None:
    """The second of the two words that a real account takes; without it systemd would start in vain."""
    [start] = unit(shell, TREE, "--live")["ExecStart"]
    assert start.endswith(" --live")
    [start] = unit(shell, TREE)["ExecStart"]
    assert "--live" not in start


def test_a_unit_needs_a_named_tree(shell: Shell) -> None:
    """Also where a tree file lies about; nothing is printed, exit 2. A wrong tree is refused too."""
    shell.write()
    result = shell("unit")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "--config FILE" in result.stderr
    shell.write("[supervisor]\nunknown = 1\n")

    assert shell("unit", "--config", "supervisor.toml").exit_code == 2


@pytest.mark.req("O5", "X3")
@pytest.mark.skipif(ANALYZE is None, reason="systemd-analyze is not installed (apt install systemd)")
@pytest.mark.parametrize("arguments", [(), ("--user",), ("--state-dir", "/srv/a tree")])
@pytest.mark.parametrize("directory", ["plain", 'odd "100%" $HOME \\'])
def test_systemd_takes_the_unit(
    shell: Shell, tmp_path: Path, arguments: tuple[str, ...], directory: str
) -> None:
    """systemd-analyze verify has nothing to say, wherever the tree file lies."""
    shell.cwd = tmp_path / directory
    shell.cwd.mkdir()
    tree = shell.write(TREE)
    result = shell("unit", "--config", str(tree), *arguments)

    assert verified(result.stdout, tmp_path, user="--user" in arguments) == (0, "")


@pytest.mark.req("X3")
def test_the_unit_in_the_project_is_what_the_command_prints() -> None:
    """For the demo's times, with the places of a usual installation."""
    source = find_tree("demo", {}, ROOT)
    service = Service(
        root=load(source, environ={}, cwd=ROOT).root,
        config="/etc/supervisor-tree/supervisor.toml",
        program=Path("/opt/supervisor-tree/bin/supervisor"),
    )

    assert (ROOT / "ops/systemd/supervisor-tree.service").read_text() == unit_text(service)


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20))
def test_a_quoted_word_reads_back(word: str) -> None:
    """systemd's own rules, backwards: quotes off, escapes and specifiers resolved."""
    text = quoted(word)
    assert command_line(word, word).replace("$$", "$") == f"{text} {text}"
    if text.startswith('"'):
        text = re.sub(r"\\(.)", r"\1", text[1:-1])

    assert text.replace("%%", "%") == word
    assert "\n" not in text


def verified(text: str, directory: Path, *, user: bool) -> tuple[int, str]:
    """Have systemd read a unit; return its exit status and what it complains about."""
    assert ANALYZE is not None
    path = directory / "supervisor-tree.service"
    path.write_text(text)
    done = subprocess.run(
        [ANALYZE, *(["--user"] if user else []), "verify", str(path)],
        env={**os.environ, "XDG_RUNTIME_DIR": str(directory), "HOME": str(directory)},
        capture_output=True,
        text=True,
        check=False,
    )
    complaints = [line for line in done.stderr.splitlines() if path.name in line]
    return done.returncode, "\n".join(complaints)
