"""Commands as real processes, run by the launcher."""

from __future__ import annotations

import os
import pwd
import signal
from pathlib import Path

import pytest

from supervisor.engine.events import Exited, ExitStatus, SpawnFailed
from supervisor.engine.spec import Limits
from tests.host.rig import Rig, command, with_rig

NEEDS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only uid 0 can become somebody else")


@pytest.mark.req("S10")
@with_rig
async def test_exit_code_and_output(rig: Rig) -> None:
    """A command's exit code is told and its output arrives."""
    exited = await rig.ends(command("c", 1, "sh", "-c", "echo out; echo err >&2; exit 9"))

    assert exited.status == ExitStatus(code=9)
    assert await rig.last_words("c") == "out\nerr\n"


@pytest.mark.req("S10")
@with_rig
async def test_death_by_signal(rig: Rig) -> None:
    """A command ended by a signal is reported with the signal's name."""
    exited = await rig.ends(command("c", 1, "sh", "-c", "kill -ABRT $$"))

    assert exited.status == ExitStatus(signal="SIGABRT")


@pytest.mark.req("S9")
@with_rig
async def test_surroundings(rig: Rig, tmp_path: Path) -> None:
    """Environment, directory, niceness, open files and marks are as the program says."""
    script = "echo $EXTRA; pwd; nice; ulimit -n; echo $SUPERVISOR_CHILD $SUPERVISOR_INCARNATION"
    birth = command(
        "c",
        2,
        "sh",
        "-c",
        script,
        environment={"EXTRA": "yes"},
        directory=str(tmp_path),
        limits=Limits(nice=3, open_files=99),
    )
    await rig.ends(birth)

    assert (await rig.last_words("c", 2)).split("\n")[:-1] == [
        "yes",
        str(tmp_path),
        "3",
        "99",
        "c 2",
    ]


OF_THE_C_LIBRARY = 1 << 31 | 1 << 32
"""Signals 32 and 33. glibc's posix_spawn may leave them ignored, and no program can change that."""


@pytest.mark.req("S10")
@with_rig
async def test_nothing_is_inherited(rig: Rig) -> None:
    """A command has three descriptors, no blocked and no ignored signal, and leads its session."""
    await rig.ends(command("c", 1, "ls", "/proc/self/fd"))
    await rig.ends(command("c", 2, "grep", "-E", "Sig(Blk|Ign)", "/proc/self/status"))
    pid = await rig.runs(command("c", 3, "sleep", "1000"))

    assert (await rig.last_words("c", 1)).split() == ["0", "1", "2", "3"]  # the last one is that of ls
    blocked, ignored = (int(mask, 16) for mask in (await rig.last_words("c", 2)).split()[1::2])
    assert (blocked, ignored & ~OF_THE_C_LIBRARY) == (0, 0)
    assert os.getsid(pid) == pid


@pytest.mark.req("S9")
@NEEDS_ROOT
@with_rig
async def test_user(rig: Rig) -> None:
    """``user`` drops to that user, its group and its home; the death signal survives the change."""
    nobody = pwd.getpwnam("nobody")
    await rig.ends(command("c", 1, "sh", "-c", "id -u; id -g; echo $HOME $USER", user="nobody"))

    assert await rig.last_words("c") == f"{nobody.pw_uid}\n{nobody.pw_gid}\n{nobody.pw_dir} nobody\n"


@pytest.mark.req("S10")
@pytest.mark.parametrize(
    ("argv", "program", "told"),
    [
        (("no-such-command-anywhere",), {}, "command not found: 'no-such-command-anywhere'"),
        (("/etc",), {}, "cannot run '/etc': it is not an executable file, or not allowed to this user"),
        (
            ("true",),
            {"directory": "/nowhere"},
            "cannot work in directory '/nowhere': No such file or directory",
        ),
        (("true",), {"user": "nobody-at-all"}, "no such user: 'nobody-at-all'"),
        (("true",), {"limits": Limits(open_files=1 << 40)}, "cannot set limits open_files="),
    ],
)
@with_rig
async def test_refused(rig: Rig, argv: tuple[str, ...], program: dict[str, object], told: str) -> None:
    """What cannot be executed is SpawnFailed, for good, with a sentence that names it."""
    rig.host.spawn(command("c", 1, *argv, **program))

    failed = await rig.event(SpawnFailed, "c")
    assert failed.detail.startswith(told)
    assert failed.permanent


@pytest.mark.req("S10")
@with_rig
async def test_missing_interpreter(rig: Rig, tmp_path: Path) -> None:
    """A script whose interpreter is not there is told apart from a script that is not there."""
    script = tmp_path / "script"
    script.write_text("#!/nowhere/sh\n")
    script.chmod(0o755)
    rig.host.spawn(command("c", 1, str(script)))

    assert "interpreter" in (await rig.event(SpawnFailed, "c")).detail


@pytest.mark.req("S10")
@with_rig
async def test_order_too_long(rig: Rig) -> None:
    """Arguments beyond what a message holds are refused, and the launcher lives on."""
    rig.host.spawn(command("c", 1, "true", "x" * (4 << 20)))

    assert "Message too long" in (await rig.event(SpawnFailed, "c")).detail
    assert (await rig.ends(command("c", 2, "true"))).status.normal


@pytest.mark.req("S10")
@with_rig
async def test_stacks_are_not_asked_of_commands(rig: Rig) -> None:
    """The signal for stacks would end a foreign program; it is not sent."""
    await rig.runs(
        command("c", 1, "sh", "-c", "trap 'echo heard' USR1; echo up; read nothing; sleep 100 & wait")
    )
    await rig.word("up", "c")

    rig.host.dump_stacks("c", 1)
    rig.host.terminate("c", 1)

    assert (await rig.event(Exited, "c")).status == ExitStatus(signal=signal.SIGTERM.name)
    assert "heard" not in await rig.last_words("c")
