"""Workers for tests: each does what the ``config`` of its launch says.

Named in a tree as ``start = "tests.support.puppets:exits_with"``.
"""

from __future__ import annotations

import faulthandler
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from protocol.messages.control import Launch

DEAF = "trap '' TERM HUP; echo deaf $$; while :; do sleep 60 & wait; done"
"""A shell script that survives SIGTERM, and says so with its pid."""
ESCAPE = "import os; os.fork() and os._exit(0); os.setsid(); os.fork() and os._exit(0); "
"""Python that leaves its parent and its session behind: fork, setsid, fork."""
ESCAPEE = f"{ESCAPE} import signal; print('escaped', os.getpid(), flush=True); signal.pause()"
"""An escapee that says its pid and stays."""


def exits_with(launch: Launch) -> Any:
    """Return ``config["code"]`` at once."""
    return launch.config.get("code")


def leaves_by_sys_exit(launch: Launch) -> None:
    """``sys.exit(config["code"])``."""
    sys.exit(launch.config.get("code"))


def raises(launch: Launch) -> None:
    """End with an exception whose message is ``config["message"]``."""
    raise RuntimeError(launch.config["message"])


def kills_itself(launch: Launch) -> None:
    """Send itself the signal ``config["signal"]``."""
    os.kill(os.getpid(), launch.config["signal"])
    signal.pause()


def prints(launch: Launch) -> None:
    """Say ``config["out"]`` on stdout and ``config["err"]`` on stderr."""
    sys.stdout.write(launch.config["out"] + "\n")
    sys.stderr.write(launch.config["err"] + "\n")


def runs(launch: Launch) -> None:
    """Say ``up PID`` and run until a signal ends it; ``config["deaf"]``: ignore SIGTERM."""
    if launch.config.get("deaf"):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    say(f"up {os.getpid()}")
    while True:
        signal.pause()


def stops_on_term(launch: Launch) -> int:
    """Say ``up PID``, wait for SIGTERM and return ``config["code"]``."""
    asked = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: asked.set())
    say(f"up {os.getpid()}")
    asked.wait()
    return int(launch.config.get("code", 0))


def suspends_itself(launch: Launch) -> int:
    """Like :func:`stops_on_term`, but sleeping by SIGSTOP."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(launch.config.get("code", 0)))
    say(f"up {os.getpid()}")
    os.kill(os.getpid(), signal.SIGSTOP)
    while True:
        signal.pause()


def has_deaf_child(launch: Launch) -> None:
    """Run beside a grandchild of the root that ignores SIGTERM; with ``config["leaves"]`` end at once."""
    with subprocess.Popen(["/bin/sh", "-c", DEAF], stdout=subprocess.PIPE, text=True) as grandchild:
        assert grandchild.stdout is not None
        say(grandchild.stdout.readline().strip())
        say(f"up {os.getpid()}")
        if launch.config.get("leaves"):
            os._exit(int(launch.config["leaves"]))
        signal.pause()


def has_escapee(launch: Launch) -> None:
    """Run after having let a descendant escape into a session of its own; it says ``escaped PID``."""
    with subprocess.Popen([sys.executable, "-I", "-S", "-c", ESCAPEE]) as middle:
        middle.wait()
    runs(launch)


def describes_itself(launch: Launch) -> None:
    """Say, as ``key=value`` lines, what this process was made to be."""
    import resource

    status = dict(line.split(":\t", 1) for line in Path("/proc/self/status").read_text().splitlines())
    main_module = sys.modules["__main__"]
    facts = {
        "session": os.getsid(0) == os.getpid(),
        "name": Path("/proc/self/comm").read_text().strip(),
        "stdin": str(Path("/proc/self/fd/0").readlink()),
        "blocked": status["SigBlk"].strip(),
        "term": signal.getsignal(signal.SIGTERM).name,  # type: ignore[union-attr]
        "main": getattr(main_module, "__file__", None),
        "cwd": str(Path.cwd()),
        "nice": os.getpriority(os.PRIO_PROCESS, 0),
        "files": resource.getrlimit(resource.RLIMIT_NOFILE)[0],
        "faults": faulthandler.is_enabled(),
        "child": os.environ["SUPERVISOR_CHILD"],
        "incarnation": os.environ["SUPERVISOR_INCARNATION"],
        "extra": os.environ.get("EXTRA"),
        "launched": launch.child,
        "deathsig": death_signal(),
    }
    for key, value in facts.items():
        say(f"{key}={value}")


def death_signal() -> int:
    """The signal that the kernel will send to this process when its parent dies."""
    import ctypes

    answer = ctypes.c_int(0)
    ctypes.CDLL(None).prctl(2, ctypes.byref(answer), 0, 0, 0)
    return answer.value


def fills_the_pipe_and_leaves(launch: Launch) -> int:
    """Leave a line unflushed that nobody will ever make room for, then return ``config["code"]``."""
    os.set_blocking(1, False)
    try:
        while True:
            os.write(1, b"x" * 4096)
    except BlockingIOError:
        os.set_blocking(1, True)
    sys.stdout.reconfigure(line_buffering=False)  # type: ignore[union-attr]
    sys.stdout.write("unheard")
    return int(launch.config["code"])


def leaves_a_thread(launch: Launch) -> int:
    """Return while a thread that is no daemon runs on."""
    threading.Thread(target=threading.Event().wait).start()
    return int(launch.config.get("code", 0))


def say(line: str) -> None:
    """One line on stdout."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


not_callable = "a string"
