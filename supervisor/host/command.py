"""The way of a command from its order to its exec. A leaf, run in the launcher's child.

The launcher blocks SIGTERM and the like instead of ignoring them, so one that arrives early stays
pending, survives the exec and is delivered when the mask is lifted.
"""

# pathlib would double what the launcher imports.
# ruff: noqa: PTH110

from __future__ import annotations

import contextlib
import errno
import marshal
import os
import pwd
import resource
import signal
import warnings  # noqa: F401 - Python 3.12 imports it by need, too late where the user may not read the library

from supervisor.host.prctl import die_with_parent

# What types need would take as much memory as the rest, and each exec has to give it back.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

_PERMANENT = frozenset({errno.ENOENT, errno.EACCES, errno.ENOEXEC, errno.ENOTDIR, errno.EPERM, errno.E2BIG})
_UNSTARTED = 127
Environment = dict[str, str]
_OFTEN_IGNORED = (
    signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM,
    signal.SIGCHLD, signal.SIGPIPE, signal.SIGXFSZ,
)  # fmt: skip


class Refused(Exception):
    """The command cannot be run as it was asked for; the sentence says why."""

    def __init__(self, sentence: str, *, permanent: bool = True) -> None:
        super().__init__(sentence, permanent)
        self.sentence, self.permanent = sentence, permanent


def prepare() -> Environment:
    """Do for a newly forked process what needs no order: a session of its own, signals as by default.

    The signals that the launcher blocks stay blocked. Returns the environment that it has inherited.
    What follows the order is rehearsed once: after a fork the first use of each page of memory is slow.
    """
    # A new session is a new group for the scheduler, which on a busy machine may first serve all others.
    os.setsid()
    # What Python, or whoever started the root (nohup, a shell's &), ignores would stay ignored over exec.
    for number in _OFTEN_IGNORED:
        signal.signal(number, signal.SIG_DFL)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    inherited = dict(os.environ)
    _rehearse(inherited)
    return inherited


def _rehearse(inherited: Environment) -> None:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    order: dict[str, Any] = {
        "environment": {},
        "user": None,
        "open_files": soft,
        "strict": False,
        "nice": None,
    }
    signal.sigpending()
    signal.pthread_sigmask(signal.SIG_BLOCK, ())
    _apply_limits(marshal.loads(marshal.dumps(order)))
    with contextlib.suppress(Refused):
        _execute(["."], _environment(order, inherited))  # a directory: never can be executed


def become(order: dict[str, Any], inherited: Environment, output: int, parent: int, report: int) -> NoReturn:
    """Turn this prepared process into the command; never return.

    ``report``, close-on-exec, gets the marshalled pair (sentence, whether it is permanent) when that fails.
    """
    try:
        _take_streams(order["input"], output)
        _let_signals_in()
        _apply_limits(order)
        environment = _environment(order, inherited)
        _enter_directory(order["directory"])
        if order["user"] is not None:
            die_with_parent(parent)  # again: a change of user has cleared it
        _execute(order["argv"], environment)
    except Refused as refused:
        _report(report, refused.sentence, permanent=refused.permanent)
    except BaseException as error:  # noqa: BLE001 - told to the root; this process must end here
        _report(report, f"{type(error).__name__}: {error}", permanent=False)
    os._exit(_UNSTARTED)


def _take_streams(given: bytes, output: int) -> None:
    if given:
        _put_on_stdin(given)
    # Nothing else needs closing: all that the launcher holds is close-on-exec.
    for target in (1, 2):
        os.dup2(output, target)


def _put_on_stdin(given: bytes) -> None:
    # A file in memory, not a pipe: nobody needs to stay to fill it.
    held = os.memfd_create("stdin")
    with open(held, "wb", closefd=False) as file:
        file.write(given)
    os.lseek(held, 0, os.SEEK_SET)
    os.dup2(held, 0)
    os.close(held)


def _let_signals_in() -> None:
    # What came before the order was not meant for the command: to ignore it for a moment drops it.
    for number in signal.sigpending():
        signal.signal(number, signal.SIG_IGN)
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


def _environment(order: dict[str, Any], inherited: Environment) -> Environment:
    """What the command shall see; privileges are dropped on the way when a user is asked for."""
    user = order["user"]
    identity = {} if user is None else _become_user(user)
    return {**inherited, **identity, **order["environment"]}


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


def _execute(argv: list[str], environment: Environment) -> None:
    program = argv[0]
    try:
        if "/" not in program:
            _execute_found(argv, environment)
        os.execvpe(program, argv, environment)
    except OSError as error:
        permanent = error.errno in _PERMANENT
        raise Refused(_why_not(program, error), permanent=permanent) from error


def _execute_found(argv: list[str], environment: Environment) -> None:
    """Execute the first that is found on the path; return when there is none that can be."""
    # To ask first is ten times quicker than to have each directory of the path refuse the whole execution.
    for directory in environment.get("PATH", os.defpath).split(os.pathsep):
        path = f"{directory or os.curdir}/{argv[0]}"
        if os.access(path, os.X_OK):
            with contextlib.suppress(OSError):
                os.execve(path, argv, environment)


def _why_not(program: str, error: OSError) -> str:
    if error.errno == errno.ENOENT and os.path.exists(program):
        return f"cannot run {program!r}: the interpreter named in its first line is not there"
    if error.errno == errno.ENOENT:
        return f"command not found: {program!r}"
    if error.errno == errno.EACCES:
        return f"cannot run {program!r}: it is not an executable file, or not allowed to this user"
    return f"cannot run {program!r}: {error.strerror}"


def _report(report: int, sentence: str, *, permanent: bool) -> None:
    os.write(report, marshal.dumps((sentence, permanent)))
