"""Whether the start of each worker can be imported is known before anything starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from supervisor.cli._importable import look_at_workers, understood
from supervisor.config import Source, Tree, load

MODULE = """
import sys
print("noise on stdout")
value = 3
def main(launch): ...
"""


def tree_of(directory: Path, *starts: str) -> Tree:
    """Load a tree with these workers."""
    text = "".join(f'[[child]]\nid = "c{n}"\nstart = "{start}"\n' for n, start in enumerate(starts))
    path = directory / "tree.toml"
    path.write_text(text)
    return load(Source(path=path, name="tree.toml", demo=False, home=directory), environ={}, cwd=directory)


@pytest.mark.req("S12")
def test_each_failure_is_one_sentence(tmp_path: Path) -> None:
    """What cannot be imported or called is told; a good module beside the file is found."""
    (tmp_path / "good_one.py").write_text(MODULE)
    (tmp_path / "bad_one.py").write_text("raise RuntimeError('no config')")
    (tmp_path / "leaver.py").write_text("raise SystemExit(3)")
    starts = (
        "good_one:main",
        "absent:main",
        "good_one:man",
        "good_one:value",
        "bad_one:main",
        "leaver:main",
    )

    assert list(look_at_workers(tree_of(tmp_path, *starts)).problems) == [
        f'child {child}: start = "{start}" cannot be used: {why}'
        for child, start, why in (
            ("c1", "absent:main", "ModuleNotFoundError: No module named 'absent'"),
            ("c2", "good_one:man", "AttributeError: module 'good_one' has no attribute 'man'"),
            ("c3", "good_one:value", "value is a int, not a callable"),
            ("c4", "bad_one:main", "RuntimeError: no config"),
            ("c5", "leaver:main", "SystemExit: 3"),
        )
    ]


@pytest.mark.req("S12")
def test_a_module_that_ends_the_process(tmp_path: Path) -> None:
    """A module that takes the whole process down while it is imported is told as that."""
    (tmp_path / "deadly.py").write_text(
        "import os, sys\nsys.stderr.write('boom')\nsys.stderr.flush()\nos._exit(9)"
    )

    (said,) = look_at_workers(tree_of(tmp_path, "deadly:main")).problems
    assert said.endswith("the process that tried it ended with 9: boom")


@pytest.mark.req("S12")
def test_a_section_that_ends_the_process_is_the_only_one_to_blame(tmp_path: Path) -> None:
    """A strategy that ends or hangs while it is imported stands for itself: its neighbours are as they are,
    and what was known before is told."""
    judging = (
        "main = print\ndef preflight(child, config, *_):\n import os\n"
        " return (f'{child}: odd',) if child != 'c2' else os._exit(9)"
    )
    (tmp_path / "judging_one.py").write_text(judging)
    (tmp_path / "bad_one.py").write_text("raise RuntimeError('no config')")
    tree = tree_of(tmp_path, "bad_one:main", "judging_one:main", "judging_one:main", "judging_one:main")

    assert list(look_at_workers(tree, sections=True).problems) == [
        'child c0: start = "bad_one:main" cannot be used: RuntimeError: no config',
        "tree.toml: c1: odd",
        "tree.toml: c2: its section cannot be judged: the process that tried it ended with 9: it said"
        " nothing; nor was what stands after it",
    ]


@pytest.mark.req("S12")
@pytest.mark.parametrize(
    ("said", "failures"),
    [
        (b"", {"a:main": "it hangs", "b:main": "it hangs"}),
        (b'[{}, [], {}, "a:main"]\n', {"a:main": "it hangs"}),
        (b'[{"a:main": "bad"}, [], {}, "b:main"]\n[{', {"a:main": "bad", "b:main": "it hangs"}),
        (b'[{"a:main": "bad"}, [], {}, ""]\n', {"a:main": "bad"}),
    ],
)  # fmt: skip
def test_an_answer_that_breaks_off_blames_what_was_tried_then(said: bytes, failures: dict[str, str]) -> None:
    """Wherever it breaks off."""
    assert (failures, [], {}) == understood(said, {"starts": ["a:main", "b:main"]}, "it hangs")


@pytest.mark.req("S12")
def test_a_folder_of_our_name_is_no_obstacle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a folder named like this package lies in the working directory, the installed one is used."""
    (tmp_path / "supervisor").mkdir()
    (tmp_path / "supervisor" / "__init__.py").write_text("raise RuntimeError('the wrong one')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))

    assert look_at_workers(tree_of(tmp_path, "supervisor.config.durations:parse_duration")).problems == ()


@pytest.mark.req("X2")
def test_who_a_run_cannot_end_without(tmp_path: Path) -> None:
    """The modules say it themselves; where nobody's work ends the run there are no members."""
    (tmp_path / "ending.py").write_text(
        "def main(launch): ...\ndef part_in_run(config): return config['part']"
    )
    text = "".join(
        f'[[child]]\nid = "{child}"\nstart = "ending:main"\nconfig = {{ part = "{part}" }}\n'
        for child, part in (("a", "ends"), ("b", "member"))
    )
    path = tmp_path / "tree.toml"
    found = []
    for content in (text, text.replace("ends", "member")):
        path.write_text(content + '[[child]]\nid = "c"\nstart = "json:dumps"\n')
        source = Source(path=path, name="tree.toml", demo=False, home=tmp_path)
        found.append(look_at_workers(load(source, environ={}, cwd=tmp_path)).members)

    assert found == [{"a", "b"}, set()]
