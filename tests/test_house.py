"""The rules of the house that a script can check: sizes, words, waits, and what lies where."""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path, PurePosixPath

import pytest

ROOT = Path(__file__).parents[1]
MAX_FILE_LINES = 600
MAX_FUNCTION_LINES = 60
PRODUCT = ("supervisor", "workers", "protocol")
TOP_LEVEL = {*PRODUCT, "tests", "ops", "pyproject.toml", "README.md", "ARCHITECTURE.md", "LICENSE"}
MAY_PRINT = ("supervisor/cli/", "workers/paper/", "tests/api/example.py")
MAY_SLEEP = "tests/support/deadline.py"
PROSE = {".py", ".md", ".toml", ".sh", ".service", ".yaml", ""}
DIARY = ("TO" + "DO", "FIX" + "ME")

Function = ast.FunctionDef | ast.AsyncFunctionDef


@cache
def files() -> tuple[str, ...]:
    """Return the paths of all files of the project: those in git, and new ones that git does not ignore."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    try:
        listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this copy of the project is not under git")
    return tuple(sorted(path for path in listed.split("\0") if path and (ROOT / path).is_file()))


def sources(*tops: str) -> Iterator[tuple[str, ast.Module]]:
    """Yield path and syntax tree of the Python files below the directories named; of all when none is."""
    for path in files():
        if path.endswith(".py") and (not tops or path.startswith(tuple(f"{top}/" for top in tops))):
            yield path, ast.parse((ROOT / path).read_text())


def length(function: Function) -> int:
    """Count the lines of a function without those of its docstring."""
    lines = (function.end_lineno or function.lineno) - function.lineno + 1
    first = function.body[0]
    if ast.get_docstring(function) is not None:
        lines -= (first.end_lineno or first.lineno) - first.lineno + 1
    return lines


def long_functions(tree: ast.AST) -> Iterator[str]:
    """Name the functions that are too long."""
    for node in ast.walk(tree):
        if isinstance(node, Function) and length(node) > MAX_FUNCTION_LINES:
            yield f"{node.name} has {length(node)} lines"


def calls(tree: ast.AST, *names: str) -> Iterator[str]:
    """Name the calls of the functions named, dotted or imported by name."""
    imported = {
        alias.asname or alias.name: f"{node.module}.{alias.name}"
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            if imported.get(called, called) in names:
                yield f"line {node.lineno} calls {called}"


def swallowers(tree: ast.AST) -> Iterator[str]:
    """Name the handlers that catch everything, or that catch any error and say nothing."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ExceptHandler):
            broad = node.type is not None and ast.unparse(node.type) in {"Exception", "BaseException"}
            if node.type is None or (broad and all(isinstance(it, ast.Pass) for it in node.body)):
                yield f"line {node.lineno} swallows what it catches"


def undocumented(tree: ast.Module) -> Iterator[str]:
    """Name the public classes and functions at the top of a module that have no docstring."""
    for node in tree.body:
        if not isinstance(node, Function | ast.ClassDef) or node.name.startswith("_"):
            continue
        if ast.get_docstring(node) is None:
            yield f"{node.name} has no docstring"


def test_no_file_is_too_long() -> None:
    """A Python file that grows beyond 600 lines has more than one noun in it."""
    counts = {path: len((ROOT / path).read_text().splitlines()) for path in files() if path.endswith(".py")}

    assert {path: count for path, count in counts.items() if count > MAX_FILE_LINES} == {}


def test_no_function_is_too_long() -> None:
    """A function fits on a screen."""
    assert [f"{path}: {what}" for path, tree in sources() for what in long_functions(tree)] == []


def test_nothing_prints_but_the_commands() -> None:
    """What is not a command for a person logs, or returns."""
    found = [(path, what) for path, tree in sources() for what in calls(tree, "print")]

    assert [f"{path}: {what}" for path, what in found if not path.startswith(MAY_PRINT)] == []


def test_no_diary_in_the_code() -> None:
    """An open point is an issue or a decision, never a remark that stays for years."""
    texts = {path: (ROOT / path).read_text() for path in files() if PurePosixPath(path).suffix in PROSE}

    assert [path for path, text in texts.items() if any(word in text for word in DIARY)] == []


def test_tests_wait_for_something_never_for_a_time() -> None:
    """One file waits, for all the others; sleeping is guessing."""
    found = [(path, what) for path, tree in sources("tests") for what in calls(tree, "time.sleep")]

    assert [f"{path}: {what}" for path, what in found if path != MAY_SLEEP] == []


def test_no_exception_is_swallowed() -> None:
    """What is caught is named, or dealt with."""
    assert [f"{path}: {what}" for path, tree in sources() for what in swallowers(tree)] == []


def test_every_module_says_what_it_is() -> None:
    """Each module and package of the product opens with a docstring."""
    assert [path for path, tree in sources(*PRODUCT) if ast.get_docstring(tree) is None] == []


def test_public_names_are_documented() -> None:
    """Each public class and function of the product says what it is."""
    assert [f"{path}: {what}" for path, tree in sources(*PRODUCT) for what in undocumented(tree)] == []


def test_the_top_level_holds_only_what_belongs_there() -> None:
    """A newcomer sees the packages, the documents and nothing else."""
    tops = {path.partition("/")[0] for path in files()}

    assert {top for top in tops if not top.startswith(".")} - TOP_LEVEL == set()


@pytest.mark.parametrize(
    ("check", "bad"),
    [
        (long_functions, "def f():\n" + "    x = 1\n" * MAX_FUNCTION_LINES),
        (swallowers, "try:\n    f()\nexcept:\n    g()"),
        (swallowers, "try:\n    f()\nexcept Exception:\n    pass"),
        (undocumented, "class A:\n    x: int"),
        (lambda tree: calls(tree, "time.sleep"), "import time\ntime.sleep(1)"),
        (lambda tree: calls(tree, "time.sleep"), "from time import sleep as rest\nrest(1)"),
        (lambda tree: calls(tree, "print"), "print('x')"),
    ],
)
def test_the_checks_can_fail(check: object, bad: str) -> None:
    """Each check finds what it is there for."""
    assert callable(check)
    assert len(list(check(ast.parse(bad)))) == 1


@pytest.mark.parametrize(
    ("check", "good"),
    [
        (long_functions, 'def f():\n    """a\n' + "\n" * MAX_FUNCTION_LINES + '    """\n    return 1'),
        (swallowers, "try:\n    f()\nexcept ValueError:\n    pass"),
        (undocumented, 'def _f(): ...\ndef g():\n    """Do."""'),
        (lambda tree: calls(tree, "time.sleep"), "import asyncio\nasyncio.sleep(0)\nprint('time.sleep()')"),
    ],
)
def test_the_checks_leave_the_rest_in_peace(check: object, good: str) -> None:
    """No check objects to what is allowed."""
    assert callable(check)
    assert list(check(ast.parse(good))) == []
