"""A real account takes two words: the file's and the command line's."""

from __future__ import annotations

import pytest

from supervisor.config import ConfigError, live, workers
from tests.cli.conftest import TREE, Shell

REAL = '[defaults.config]\nmode = "live"\n' + TREE


@pytest.mark.req("B8")
@pytest.mark.parametrize("how", [(), ("--preflight",), ("--detach",)])
def test_a_file_that_says_live_is_not_enough(shell: Shell, how: tuple[str, ...]) -> None:
    """A real account takes the flag too, at each start."""
    shell.write(REAL)
    result = shell("start", *how)

    assert result.exit_code == 2
    assert 'mode = "live" for ' in result.stderr
    assert "--live" in result.stderr
    assert shell.runs == []


@pytest.mark.req("B8")
def test_the_flag_live_was_enough(shell: Shell) -> None:
    """It allows what the file says, and makes nothing live; with both the tree starts as the file says."""
    shell.write()
    result = shell("start", "--live")
    assert (result.exit_code, shell.runs) == (2, [])
    assert result.stderr.startswith("supervisor: --live: no child's config.mode is")

    shell.write(REAL)
    assert shell("start", "--live").exit_code == 0
    ((tree, options),) = shell.runs
    assert live(tree.root) == [worker.id for worker in workers(tree.root)]
    assert options.reader is not None
    shell.write()
    with pytest.raises(ConfigError, match="the flag and the file"):
        options.reader()


@pytest.mark.req("B8")
def test_a_reload_does_not_turn_paper_into_a_real_account(shell: Shell) -> None:
    """Whoever edits the file of a tree that was started without the flag is refused."""
    shell.write()
    assert shell("start").exit_code == 0
    ((_, options),) = shell.runs
    shell.write(REAL)

    assert options.reader is not None
    with pytest.raises(ConfigError, match="takes the flag --live too"):
        options.reader()


@pytest.mark.req("B8")
def test_another_mode_of_the_command_line_stands_above_live(shell: Shell) -> None:
    """The careful word wins."""
    shell.write(REAL)
    assert shell("start", "--paper").exit_code == 0
    ((tree, _),) = shell.runs

    assert live(tree.root) == []
