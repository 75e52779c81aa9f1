"""How a process ended, in words: exit codes, signals, and the reasons that the root gives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

PLANNED: Final = frozenset({"stopped", "restarted", "max_runtime"})
"""Reasons of ends that somebody, or the tree file, asked for."""
_BY_ROOT: Final = PLANNED | {"hung", "memory", "start_timeout"}
"""Reasons of ends that the root brought about."""

CODES: Final[Mapping[int, str]] = {
    0: "it ended well",
    1: "a failure; its last lines say which",
    2: "wrong usage: its arguments or its configuration were refused",
    64: "wrong usage (EX_USAGE)",
    65: "bad input (EX_DATAERR)",
    66: "an input file is missing (EX_NOINPUT)",
    69: "something it needs is not available (EX_UNAVAILABLE)",
    70: "an internal defect (EX_SOFTWARE)",
    71: "the system refused something (EX_OSERR)",
    73: "it cannot write its output (EX_CANTCREAT)",
    74: "an error of input or output (EX_IOERR)",
    75: "its data went stale, or a temporary failure (EX_TEMPFAIL)",
    77: "it lacks a permission (EX_NOPERM)",
    78: "a person must look: its configuration or its data are not fit (EX_CONFIG)",
    126: "the command was found but cannot be executed",
    127: "command not found",
    255: "a failure, often that of a remote shell or of a code below 0",
}  # fmt: skip
SIGNALS: Final[Mapping[str, str]] = {
    "SIGKILL": "killed from outside, or by the kernel for lack of memory",
    "SIGTERM": "asked to end by somebody outside of this tree",
    "SIGINT": "interrupted, as by Ctrl+C, by somebody outside of this tree",
    "SIGHUP": "its terminal or its session went away, or somebody sent it",
    "SIGQUIT": "asked to quit, with a core dump",
    "SIGSEGV": "a memory error of its own: it touched what it may not (often a native library)",
    "SIGBUS": "a memory error of its own: a mapped file was cut, or the disk is full",
    "SIGILL": "an instruction that this processor does not have",
    "SIGFPE": "an arithmetic error in native code, such as a division by zero",
    "SIGABRT": "it aborted itself: a native library or an assertion gave up",
    "SIGPIPE": "it wrote to a pipe or a socket that nobody reads",
    "SIGSYS": "a system call that it may not make (seccomp)",
    "SIGTRAP": "a trap of a debugger",
    "SIGXCPU": "it used up the processor time that it may have",
    "SIGXFSZ": "a file grew beyond the size that it may have",
    "SIGALRM": "an alarm that it had set and did not handle",
    "SIGUSR1": "a user's signal that it does not handle",
    "SIGUSR2": "a user's signal that it does not handle",
}
REASONS: Final[Mapping[str, str]] = {
    "normal": "it ended by itself",
    "crashed": "it crashed",
    "killed": "a signal killed it",
    "hung": "it was hung: no heartbeat came any more",
    "stale": "its data went stale",
    "start_timeout": "it did not become ready in time",
    "start_failed": "no process came to be",
    "memory": "its memory stayed above its limit",
    "config": "a person must look",
    "stopped": "it was stopped",
    "restarted": "it was restarted",
    "max_runtime": "its max_runtime was over",
    "forkserver": "the process that Python workers are forked from was lost",
}


def how(end: Mapping[str, Any]) -> str:
    """The bare fact: ``SIGKILL``, ``code 78``, or that there was no process."""
    if end.get("signal") is not None:
        return str(end["signal"])
    return f"code {end['code']}" if end.get("code") is not None else "no exit status"


def in_words(end: Mapping[str, Any]) -> str:
    """What code or signal mean; ``end`` has the facts of an ``exited`` event. Empty when there is neither."""
    if end.get("oom"):
        return "killed by the kernel: memory ran out"
    if end.get("signal") is not None:
        return _signal(str(end["signal"]), by_root=end.get("reason") in _BY_ROOT)
    return _code(end["code"]) if end.get("code") is not None else ""


def reason_in_words(reason: str) -> str:
    """One of the root's reasons as a clause; an unknown one as it is."""
    return REASONS.get(reason, reason)


def _signal(signal: str, *, by_root: bool) -> str:
    if by_root and signal == "SIGTERM":
        return "ended by the root's request"
    if by_root and signal == "SIGKILL":
        return "killed by the root: it did not end within its shutdown time, or was to be killed at once"
    return SIGNALS.get(signal, "a signal that it does not handle")


def _code(code: int) -> str:
    if code in CODES:
        return CODES[code]
    if 128 < code < 128 + 65:
        return f"a shell's word for: its command was ended by signal {code - 128}"
    return "a code of its own; its documentation says which"
