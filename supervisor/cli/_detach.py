"""Starting a root in the background: the parent waits until it says that all is ready."""

from __future__ import annotations

import select
import subprocess
import time
from collections.abc import Sequence
from typing import Final

import click

from supervisor.cli._announcing import NOT_READY, READY
from supervisor.cli._failure import FAILED, INTERRUPTED, TIMED_OUT, Failure
from supervisor.cli._importable import module_command
from supervisor.config import Tree, workers

_GRACE: Final = 30.0
_UNLIMITED: Final = 300.0
"""Seconds to wait for a tree in which some child may take for ever to be ready."""
_ENDING: Final = 10.0
_MOST_SAID: Final = 64 * 1024


def start_detached(tree: Tree, arguments: Sequence[str], members: frozenset[str]) -> None:
    """Start the root in a session of its own and wait until all is ready.

    Raises Failure with the root's own exit status when it ends before, with 1 when a child cannot become
    ready by itself (the root goes on, like every supervisor that has given up on a child), with 5 when it
    takes too long (it goes on), with 130 at Ctrl+C (it goes on).
    """
    command = [*module_command("supervisor"), *background_arguments(arguments, members)]
    root = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        bufsize=0,
        start_new_session=True,
    )
    try:
        wait_until_ready(root, patience(tree))
    except KeyboardInterrupt:
        raise Failure(f"no longer waiting; the root (pid {root.pid}) goes on", INTERRUPTED) from None
    click.echo(f"started: {len(workers(tree.root))} children are ready, root pid {root.pid}")


def background_arguments(arguments: Sequence[str], members: frozenset[str] = frozenset()) -> list[str]:
    """Return the arguments of the background process for those of this one, and what was found out here."""
    kept = [argument for argument in arguments if argument != "--detach"]
    return [*kept, "--detached-child", *(f"--member={member}" for member in sorted(members))]


def patience(tree: Tree) -> float:
    """How many seconds to wait for all to be ready."""
    times = [worker.ready_timeout for worker in workers(tree.root)]
    return max(time if time is not None else _UNLIMITED for time in times) + _GRACE


def wait_until_ready(root: subprocess.Popen[bytes], timeout: float) -> None:
    """Read what the root says until it says that it is ready; raises Failure when it does not."""
    pipe = root.stdout
    if pipe is None:
        raise ValueError("the root was started without a pipe to hear it through")
    deadline = time.monotonic() + timeout
    said = b""
    while not (b"\n" + said).endswith(b"\n" + READY):
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([pipe], [], [], left)[0]:
            raise Failure(_late(root, said, timeout), TIMED_OUT)
        chunk = pipe.read(4096)
        if not chunk:
            raise Failure(_text(said) or "the root ended without a word", _exit_code(root))
        said = (said + chunk)[-_MOST_SAID:]
        if (b"\n" + said).endswith(b"\n" + NOT_READY):
            raise Failure(_not_ready(root, said.removesuffix(NOT_READY)), FAILED)


def _not_ready(root: subprocess.Popen[bytes], reasons: bytes) -> str:
    return (
        f"{_text(reasons)}\nnot all children are ready; the root (pid {root.pid}) goes on with the others: "
        "`supervisor start NAME` tries one again, `supervisor stop` ends it all"
    )


def _late(root: subprocess.Popen[bytes], said: bytes, timeout: float) -> str:
    hint = f"not all ready within {timeout:g} s; the root (pid {root.pid}) goes on, see `supervisor status`"
    return f"{_text(said)}\n{hint}" if said else hint


def _exit_code(root: subprocess.Popen[bytes]) -> int:
    try:
        code = root.wait(_ENDING)
    except subprocess.TimeoutExpired:
        return FAILED
    return code if code > 0 else FAILED


def _text(said: bytes) -> str:
    return said.decode("utf-8", "replace").strip().removeprefix("supervisor: ")
