"""The way of a command from the launcher's fork to its exec. A leaf, run in the launcher's child.

The launcher blocks SIGTERM and the like instead of ignoring them, so one that arrives early stays
pending, survives the exec and is delivered when the mask is lifted.
"""

# pathlib would double what the launcher imports.
# ruff: noqa: PTH110

from __future__ import annotations

import errno
import json
import os
import pwd
import resource
import signal
import warnings  # noqa: F401 - Python 3.12 imports it by need, too late where the user may not read the library
from typing import Any, NoReturn

from supervisor.host.prctl import die_with_parent

_PERMANENT = frozenset({errno.ENOENT, errno.EACCES, errno.ENOEXEC, errno.ENOTDIR, errno.EPERM, errno.E2BIG})
_UNSTARTED = 127
_OFTEN_IGNORED = (
    signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM,
    signal.SIGCHLD, signal.SIGPIPE, signal.SIGXFSZ,
)  # fmt: skip


class Refused(Exception):
    """The command cannot be run as it was asked for; the sentence says why."""

    def __init__(self, sentence: str, *, permanent: bool = True) -> None:
        super().__init__(sentence, permanent)
        self.sentence, self.permanent = sentence, permanent


def become(order: dict[str, Any], output: int, parent: int, report: int) -> NoReturn:
    """Turn this newly forked process into the command; never return.

    ``report``, close-on-exec, gets a JSON object ``{"sentence", "permanent"}`` when that fails.
    """
    try:
        os.setsid()
        _take_streams(output)
        _restore_signals()
        _apply_limits(order)
        environment = _environment(order)
        _enter_directory(order["directory"])
        die_with_parent(parent)
        _execute(order["argv"], environment)
    except Refused as refused:
        _report(report, refused.sentence, permanent=refused.permanent)
    except BaseException as error:  # noqa: BLE001 - told to the root; this process must end here
        _report(report, f"{type(error).__name__}: {error}", permanent=False)
    os._exit(_UNSTARTED)


def _take_streams(output: int) -> None:
    # Nothing else needs closing: all that the launcher holds is close-on-exec.
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (output, 1), (output, 2)):
        os.dup2(source, target)


def _restore_signals() -> None:
    # What Python, or whoever started the root (nohup, a shell's &), ignores would stay ignored over exec.
    for number in _OFTEN_IGNORED:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _apply_limits(order: dict[str, Any]) -> None:
    files, nice = order["open_files"], order["nice"]
    try:
        hard = files if order["strict"] else resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, hard))
        if nice is not None:
            os.setpriority(os.PRIO_PROCESS, 0, nice)
    except (OSError, ValueError) as error:
        raise Refused(f"cannot set limits open_files={files}, nice={nice}: {error}") from error


def _environment(order: dict[str, Any]) -> dict[str, str]:
    """What the command shall see; privileges are dropped on the way when a user is asked for."""
    user = order["user"]
    identity = {} if user is None else _become_user(user)
    return {**os.environ, **identity, **order["environment"]}


def _become_user(user: str) -> dict[str, str]:
    entry = _account(user)
    if entry.pw_uid != os.geteuid():
        try:
            os.initgroups(entry.pw_name, entry.pw_gid)
            os.setgid(entry.pw_gid)
            os.setuid(entry.pw_uid)
        except PermissionError as error:
            raise Refused(
                f"cannot become user {user!r}: only a root process that runs as uid 0 can"
            ) from error
    return {"HOME": entry.pw_dir, "USER": entry.pw_name, "LOGNAME": entry.pw_name}


def _account(user: str) -> pwd.struct_passwd:
    try:
        return pwd.getpwuid(int(user)) if user.isdigit() else pwd.getpwnam(user)
    except KeyError as error:
        raise Refused(f"no such user: {user!r}") from error


def _enter_directory(directory: str | None) -> None:
    if directory is None:
        return
    try:
        os.chdir(directory)
    except OSError as error:
        raise Refused(f"cannot work in directory {directory!r}: {error.strerror}") from error


def _execute(argv: list[str], environment: dict[str, str]) -> None:
    program = argv[0]
    try:
        os.execvpe(program, argv, environment)
    except OSError as error:
        permanent = error.errno in _PERMANENT
        raise Refused(_why_not(program, error), permanent=permanent) from error


def _why_not(program: str, error: OSError) -> str:
    if error.errno == errno.ENOENT and os.path.exists(program):
        return f"cannot run {program!r}: the interpreter named in its first line is not there"
    if error.errno == errno.ENOENT:
        return f"command not found: {program!r}"
    if error.errno == errno.EACCES:
        return f"cannot run {program!r}: it is not an executable file, or not allowed to this user"
    return f"cannot run {program!r}: {error.strerror}"


def _report(report: int, sentence: str, *, permanent: bool) -> None:
    os.write(report, json.dumps({"sentence": sentence, "permanent": permanent}).encode("ascii"))
