"""Tries the ``start`` of every Python worker in a short-lived process, before anything is started.

``python -m supervisor.cli._importable DIR a.b:main ...`` prints a JSON object of those that failed, each with
a sentence; modules are looked for in ``DIR`` too, after everything else. The root itself imports no worker:
user code must not run in it.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from functools import reduce
from pathlib import Path
from typing import Final

from supervisor.config import Tree, workers

PATIENCE: Final = 60.0
"""Seconds granted to all imports together; the heaviest science packages need a few."""


def module_command(module: str) -> list[str]:
    """Return the command line that runs one of this project's modules in a fresh interpreter.

    A folder named ``supervisor`` where the operator happens to stand must not shadow the installed
    package, hence ``-P``; :func:`allow_working_directory` gives user modules there their chance, last.
    """
    from_checkout = str(Path(__file__).absolute().parents[2]) == _working_directory()
    return [sys.executable, *([] if from_checkout else ["-P"]), "-m", module]


def allow_working_directory() -> None:
    """Let modules in the working directory be imported, after everything that is installed.

    This project's own directory comes before it: an editable install is found by a hook that Python asks
    only after the path, so that in children a folder of the same name would win.
    """
    for directory in (str(Path(__file__).absolute().parents[2]), _working_directory()):
        if directory is not None and directory not in sys.path:
            sys.path.append(directory)


def _working_directory() -> str | None:
    try:
        return str(Path.cwd())
    except FileNotFoundError:  # removed under our feet; commands that need it say so
        return None


def check_starts(tree: Tree) -> list[str]:
    """Return a sentence for each worker whose ``start`` cannot be imported; empty when all is well."""
    starts = {worker.id: worker.program.start for worker in workers(tree.root) if worker.program.start}
    if not starts:
        return []
    failures = _ask_another_process(tree.config_dir, sorted(set(starts.values())))
    return [
        f'child {child}: start = "{start}" cannot be used: {failures[start]}'
        for child, start in starts.items()
        if start in failures
    ]


def import_problem(target: str) -> str | None:
    """Import one ``module:callable`` in this process; return what is wrong with it, or None."""
    module, _, name = target.partition(":")
    try:
        found = reduce(getattr, name.split("."), importlib.import_module(module))
    # Whatever user code does while it is imported is an answer to the question asked here.
    except (Exception, SystemExit) as error:  # noqa: BLE001
        return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return None if callable(found) else f"{name} is a {type(found).__name__}, not a callable"


def _ask_another_process(config_dir: Path, targets: Sequence[str]) -> dict[str, str]:
    command = [*module_command("supervisor.cli._importable"), str(config_dir), *targets]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=PATIENCE, check=False
        )
    except subprocess.TimeoutExpired:
        return dict.fromkeys(targets, f"the imports took longer than {PATIENCE:g} s")
    try:
        return {str(key): str(value) for key, value in json.loads(done.stdout).items()}
    except (ValueError, AttributeError):
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        return dict.fromkeys(targets, f"the process that tried it ended with {done.returncode}: {last}")


def main(config_dir: str, targets: Sequence[str]) -> int:
    """Try each target and write the failures to stdout, whatever the imported code prints."""
    allow_working_directory()
    if config_dir not in sys.path:
        sys.path.append(config_dir)
    answer = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    with redirect_stdout(sys.stderr):
        problems = {target: import_problem(target) for target in targets}
    with answer:
        json.dump({target: problem for target, problem in problems.items() if problem}, answer)
    return 0


if __name__ == "__main__":
    code = main(sys.argv[1], sys.argv[2:])
    # Threads that an import has started must not keep the answer waiting.
    sys.stderr.flush()
    os._exit(code)
