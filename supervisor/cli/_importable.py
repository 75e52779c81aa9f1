"""Tries the ``start`` of every Python worker in a short-lived process, before anything is started.

``python -m supervisor.cli._importable`` reads a :class:`Question` as JSON from stdin and writes a
:class:`Progress` a line, the last of which holds the :class:`Answer`: a sentence for each ``start`` that
cannot be used, and sentences on the sections of workers. Modules are looked for in the directory of the tree
file too, after everything else. The root itself imports no worker: user code must not run in it.

A worker's module may offer ``preflight(child, config, config_dir, state_dir)``: it returns a sentence for
each thing in the worker's section, or that the section names, with which the worker could not start. It must
change nothing and be quick.

It may offer ``part_in_run(config)`` too: "ends" when the run ends by itself, with what this worker has to do,
"member" when such a run cannot end without this worker, None otherwise.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import Any, Final

from supervisor.config import Tree, workers
from supervisor.engine.spec import WorkerSpec

Question = dict[str, Any]
Answer = tuple[dict[str, str], list[str], dict[str, str]]
"""Failures by target, sentences, and the parts in the run by child."""
Progress = tuple[dict[str, str], list[str], dict[str, str], str | None]
"""An answer so far, and the target or the child that is tried next (``DONE``: that is all)."""
DONE: Final = ""
PATIENCE: Final = 60.0
"""Seconds granted to all of it together; the heaviest science packages need a few."""


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


@dataclass(frozen=True)
class Findings:
    """A sentence for each problem. ``members``: without one of them the run, which ends by itself, cannot."""

    problems: tuple[str, ...] = ()
    members: frozenset[str] = frozenset()


def look_at_workers(tree: Tree, *, sections: bool = False) -> Findings:
    """Try each ``start`` and ask the workers; ``sections``: also whether they could start with theirs."""
    asked = [worker for worker in workers(tree.root) if worker.program.start]
    if not asked:
        return Findings()
    failures, unfit, parts = _ask_another_process(_question(tree, asked, judge=sections))
    return Findings(
        (*_failed(asked, failures), *(f"{tree.name}: {sentence}" for sentence in unfit)),
        frozenset(parts) if "ends" in parts.values() else frozenset(),
    )


def _failed(asked: Sequence[WorkerSpec], failures: Mapping[str, str]) -> list[str]:
    starts = {worker.id: str(worker.program.start) for worker in asked}
    return [
        f'child {child}: start = "{start}" cannot be used: {failures[start]}'
        for child, start in starts.items()
        if start in failures
    ]


def _question(tree: Tree, asked: Sequence[WorkerSpec], *, judge: bool) -> Question:
    return {
        "config_dir": str(tree.config_dir),
        "state_dir": str(tree.state_dir),
        "judge": judge,
        "starts": sorted({str(worker.program.start) for worker in asked}),
        "sections": [
            {"child": worker.id, "start": worker.program.start, "config": dict(worker.program.config)}
            for worker in asked
        ],
    }


def import_problem(target: str) -> str | None:
    """Import one ``module:callable`` in this process; return what is wrong with it, or None."""
    module, _, name = target.partition(":")
    try:
        found = reduce(getattr, name.split("."), importlib.import_module(module))
    # Whatever user code does while it is imported is an answer to the question asked here.
    except (Exception, SystemExit) as error:  # noqa: BLE001
        return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return None if callable(found) else f"{name} is a {type(found).__name__}, not a callable"


def ask(section: Question, name: str, *arguments: object) -> tuple[Any, str | None]:
    """Call what a worker's module offers under that name: the answer (None: no offer), or a problem."""
    offer = getattr(importlib.import_module(section["start"].partition(":")[0]), name, None)
    try:
        return None if offer is None else offer(*arguments), None
    except (Exception, SystemExit) as error:  # noqa: BLE001 - as above
        return None, f"{section['child']}: its {name} failed: {type(error).__name__}: {error}"


def _ask_another_process(question: Question) -> Answer:
    command = module_command("supervisor.cli._importable")
    try:
        done = subprocess.run(
            command, input=json.dumps(question, default=str).encode(), capture_output=True,
            timeout=PATIENCE, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        return understood(error.stdout or b"", question, f"it took longer than {PATIENCE:g} s")
    last = (done.stderr.decode(errors="replace").strip().splitlines() or ["it said nothing"])[-1]
    return understood(
        done.stdout, question, f"the process that tried it ended with {done.returncode}: {last}"
    )


def understood(said: bytes, question: Question, ended: str) -> Answer:
    """Return the answer of which ``said`` is the whole or a beginning; ``ended``: why there is no more of
    it."""
    so_far: Progress = ({}, [], {}, None)
    for line in said.splitlines(keepends=True):
        if line.endswith(b"\n"):
            so_far = json.loads(line)
    failures, unfit, parts, trying = so_far
    if trying == DONE:
        return failures, unfit, parts
    if trying is None:
        return dict.fromkeys(question["starts"], ended), [], {}
    if trying in question["starts"]:
        return {**failures, trying: ended}, unfit, parts
    sentence = f"{trying}: its section cannot be judged: {ended}; nor was what stands after it"
    return failures, [*unfit, sentence], parts


def answer(question: Question, say: Callable[[Progress], None]) -> None:
    """Try each target, and ask those that can be imported about their sections.

    What is known and what is tried next is said again and again: what user code does may be the end of it.
    """
    failures: dict[str, str] = {}
    unfit: list[str] = []
    parts: dict[str, str] = {}
    for target in question["starts"]:
        say((failures, unfit, parts, target))
        if problem := import_problem(target):
            failures[target] = problem
    for section in question["sections"]:
        if section["start"] not in failures:
            say((failures, unfit, parts, section["child"]))
            unfit += _judged(section, question, parts)
    say((failures, unfit, parts, DONE))


def _judged(section: Question, question: Question, parts: dict[str, str]) -> list[str]:
    child, config = section["child"], section["config"]
    part, problem = ask(section, "part_in_run", config)
    if part is not None:
        parts[child] = str(part)
    sentences: Sequence[object] | None = ()
    if question["judge"] and problem is None:
        places = question["config_dir"], question["state_dir"]
        sentences, problem = ask(section, "preflight", child, config, *places)
    return [str(sentence) for sentence in (*(sentences or ()), problem) if sentence is not None]


def main() -> int:
    """Answer the question on stdin, on stdout, whatever the imported code prints."""
    question = json.load(sys.stdin)
    allow_working_directory()
    if question["config_dir"] not in sys.path:
        sys.path.append(question["config_dir"])
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def say(progress: Progress) -> None:
        out.write(json.dumps(progress) + "\n")
        out.flush()

    with out, redirect_stdout(sys.stderr):
        answer(question, say)
    return 0


if __name__ == "__main__":
    code = main()
    # Threads that an import has started must not keep the answer waiting.
    sys.stderr.flush()
    os._exit(code)
