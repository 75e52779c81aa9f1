"""The code that runs is the code that stands in the files."""

from __future__ import annotations

import os
import py_compile
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from workers.strategy.loading import load

OWN = """
from {where} import LENGTH
from workers.strategy.api import Strategy

class Mine(Strategy):
    warmup = LENGTH * {times}
"""


@pytest.fixture(autouse=True)
def a_process_of_its_own() -> Iterator[None]:
    """Forget what a test has imported, as the end of its process would."""
    path, hooks, modules = sys.path[:], sys.path_hooks[:], set(sys.modules)
    yield
    sys.path[:], sys.path_hooks[:] = path, hooks
    for name in set(sys.modules) - modules:
        del sys.modules[name]


def compiled(file: Path, text: str) -> None:
    """Leave what Python leaves behind when it imports ``text``, at a time of which only the second is
    kept."""
    file.parent.mkdir(exist_ok=True)
    file.write_text(text)
    os.utime(file, (1_600_000_000.1, 1_600_000_000.1))
    py_compile.compile(str(file))


def edited(file: Path, old: str, new: str) -> None:
    """Edit a file within the second in which it was imported."""
    file.write_text(file.read_text().replace(old, new))
    os.utime(file, (1_600_000_000.9, 1_600_000_000.9))


@pytest.mark.req("T4")
def test_an_edit_of_one_digit_within_a_second_runs(tmp_path: Path) -> None:
    """Python itself would go on with the compiled file of the old code: its size and second are the same."""
    compiled(tmp_path / "swift.py", OWN.format(where="swift_lengths", times=1))
    (tmp_path / "swift_lengths.py").write_text("LENGTH = 10")
    edited(tmp_path / "swift.py", "* 1", "* 3")

    assert 30 == load("swift.py:Mine", {}, child="strategy", folder=tmp_path).warmup


@pytest.mark.req("T4")
@pytest.mark.parametrize("where", ["edited_lengths", "edited_package.lengths", "edited_folder.lengths"])
def test_an_edit_of_a_helper_within_a_second_runs(tmp_path: Path, where: str) -> None:
    """Beside the file, in a package there, in a folder there: whatever a champion's fingerprint covers."""
    helper = tmp_path.joinpath(*where.split(".")).with_suffix(".py")
    compiled(helper, "LENGTH = 10")
    if "package" in where:
        compiled(helper.with_name("__init__.py"), "")
    (tmp_path / "swift.py").write_text(OWN.format(where=where, times=1))
    edited(helper, "10", "12")

    assert 12 == load("swift.py:Mine", {}, child="strategy", folder=tmp_path).warmup


def test_libraries_of_an_environment_in_the_folder_are_not_compiled_anew(tmp_path: Path) -> None:
    """They are many and large; what installed them has compiled them, too."""
    libraries = tmp_path / ".venv" / "site-packages"
    libraries.mkdir(parents=True)
    sys.path.append(str(libraries))
    compiled(libraries / "some_library.py", "LENGTH = 10")
    edited(libraries / "some_library.py", "10", "12")
    (tmp_path / "swift.py").write_text(OWN.format(where="some_library", times=1))

    assert 10 == load("swift.py:Mine", {}, child="strategy", folder=tmp_path).warmup


def test_nothing_compiled_is_left_in_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder of strategies holds what its owner has put there."""
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    (tmp_path / "swift_lengths.py").write_text("LENGTH = 10")
    (tmp_path / "swift.py").write_text(OWN.format(where="swift_lengths", times=1))

    load("swift.py:Mine", {}, child="strategy", folder=tmp_path)

    assert ["swift.py", "swift_lengths.py"] == sorted(it.name for it in tmp_path.iterdir())
