"""The first and last steps of a Python worker, run in the freshly forked child.

The order matters. First everything that makes sure that the child cannot outlive its root, then signals
and streams, then limits, and only then the code of the worker:

    alive pipe closed -> own session -> PDEATHSIG -> signals reset -> stdout and stderr -> lifeline
    -> fault handler -> name, environment, limits, directory -> signals let in -> ``module:callable``
"""

from __future__ import annotations

import contextlib
import faulthandler
import importlib
import json
import os
import resource
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NoReturn, TextIO

import msgspec
import multiprocess
from multiprocess import forkserver

from protocol.messages.control import Launch
from supervisor.host.prctl import die_with_parent, set_name
from supervisor.host.startable import importing, takes_nothing

STACKS_SIGNAL = signal.SIGUSR1
"""At this signal a worker writes the stacks of its threads to stderr."""
CRASHED = 1
PERSON_MUST_LOOK = 78
_FLUSH_PATIENCE = 2.0
_LEFT_ALONE = frozenset({signal.SIGKILL, signal.SIGSTOP, signal.SIGPIPE, signal.SIGXFSZ})


@dataclass(frozen=True, kw_only=True)
class Order:
    """All that a newborn worker is told by the root's host.

    ``launch`` is the encoded :class:`Launch` that its ``start`` (``module:callable``) is called with, if it
    takes an argument,
    ``open_files`` the soft limit (with ``strict``: the hard one too), ``parent`` the pid of the forkserver.
    """

    child: str
    start: str
    launch: bytes
    environment: Mapping[str, str]
    open_files: int
    strict: bool = False
    nice: int | None = None
    directory: str | None = None
    parent: int = 0


class Unfit(Exception):
    """The worker cannot run until a person changes something; the sentence says what."""


def enter(order: Order) -> NoReturn:
    """Turn this process, just forked and still a copy of the forkserver, into the worker; never return."""
    _cut_loose(order.parent)
    _reset_signals()
    _take_output()
    _watch_lifeline()
    faulthandler.enable()
    faulthandler.register(STACKS_SIGNAL, all_threads=True)
    set_name(order.child)
    os.environ.update(order.environment)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    leave(_work(order))


def leave(code: int) -> NoReturn:
    """End this process: streams flushed as far as that is possible in time, no exit handlers."""
    # A flush blocks when the pipe is full and the root does not read; exit handlers may wait for ever.
    flusher = threading.Thread(target=_flush, daemon=True)
    flusher.start()
    flusher.join(_FLUSH_PATIENCE)
    os._exit(code & 0xFF)


def _cut_loose(parent: int) -> None:
    # While a child holds this end, the forkserver believes that the root still wants it.
    os.close(forkserver._forkserver._forkserver_alive_fd)
    forkserver._forkserver._forkserver_alive_fd = None
    os.setsid()
    die_with_parent(parent)


def _reset_signals() -> None:
    signal.set_wakeup_fd(-1)
    for number in signal.valid_signals() - _LEFT_ALONE:
        if signal.getsignal(number) not in (signal.SIG_DFL, None):
            signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)


def _take_output() -> None:
    (output,) = forkserver.get_inherited_fds()
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (output, 1), (output, 2)):
        os.dup2(source, target)
    os.close(output)
    if nothing != 0:
        os.close(nothing)
    sys.stdout = _line_buffered(1)
    sys.stderr = _line_buffered(2)


def _line_buffered(descriptor: int) -> TextIO:
    # New objects: the inherited ones remember what the forkserver's streams were, seekable files perhaps.
    return open(descriptor, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)


def _watch_lifeline() -> None:
    lifeline = multiprocess.parent_process().sentinel
    threading.Thread(target=_end_with, args=(lifeline,), name="lifeline", daemon=True).start()


def _end_with(lifeline: int) -> None:
    # Only the root holds the other end, and it writes nothing more: this returns when the root is gone.
    while os.read(lifeline, 1):
        pass
    os.killpg(0, signal.SIGKILL)


def _work(order: Order) -> int:
    """Run the worker; return its exit code."""
    try:
        _apply_limits(order)
        _check_preloads(order.child)
        launch = msgspec.msgpack.decode(order.launch, type=Launch)
        return _exit_code(_call(order.start, launch))
    except Unfit as unfit:
        _log("CRITICAL", order.child, str(unfit))
        return PERSON_MUST_LOOK
    except SystemExit as exit_:
        return _exit_code(exit_.code)
    except BaseException:  # noqa: BLE001 - the worker's last words; its exit code tells the rest
        traceback.print_exc()
        return CRASHED


def _apply_limits(order: Order) -> None:
    try:
        hard = order.open_files if order.strict else resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (order.open_files, hard))
        if order.nice is not None:
            os.setpriority(os.PRIO_PROCESS, 0, order.nice)
    except (OSError, ValueError) as error:
        raise Unfit(f"cannot set limits open_files={order.open_files}, nice={order.nice}: {error}") from error
    if order.directory is not None:
        try:
            os.chdir(order.directory)
        except OSError as error:
            raise Unfit(f"cannot work in directory {order.directory!r}: {error.strerror}") from error


def _check_preloads(child: str) -> None:
    nursery = sys.modules.get("supervisor.host.nursery")
    for module, why in getattr(nursery, "failures", {}).items():
        _log("WARNING", child, f"preload {module!r} failed, so starts are slower than they could be: {why}")


def _resolve(start: str) -> Callable[..., object]:
    """Find the callable that ``module:callable`` names; raise Unfit when there is none."""
    module_name, _, attribute = start.partition(":")
    try:
        with importing(module_name):
            found: object = importlib.import_module(module_name)
    except Exception as error:
        if not isinstance(error, ModuleNotFoundError):
            traceback.print_exc()
        raise Unfit(
            f"start = {start!r}: module {module_name!r} cannot be imported: {type(error).__name__}: {error}"
        ) from error
    for name in attribute.split("."):
        found = getattr(found, name, None)
    if not callable(found):
        raise Unfit(f"start = {start!r}: {attribute!r} is not a callable of module {module_name!r}")
    return found


def _call(target: str, launch: Launch) -> object:
    """Call what ``module:callable`` names, with the launch if it takes one."""
    start = _resolve(target)
    if not takes_nothing(start):
        return start(launch)
    if launch.says_ready:
        raise Unfit(
            f"start = {target!r} takes no argument, so it can never say that it is ready: have it take the "
            'Launch, or give the child ready = "immediate"'
        )
    return start()


def _exit_code(result: object) -> int:
    """The exit code that ``sys.exit(result)`` would give; anything but an int or None is printed."""
    if result is None:
        return 0
    if isinstance(result, int):
        return result
    sys.stderr.write(f"{result}\n")
    return CRASHED


def _log(level: str, process: str, message: str) -> None:
    """Write one record to the root, as an RFC 7464 text sequence."""
    time = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    record = {"time": time, "level": level, "process": process, "message": message}
    sys.stdout.write(f"\x1e{json.dumps(record)}\n")


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        # A stream that the worker closed, or whose reader is gone, has nothing left to say.
        with contextlib.suppress(OSError, ValueError, AttributeError):
            stream.flush()
