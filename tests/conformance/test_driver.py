"""The driver and the reader of traces: they notice what is wrong, and say it well."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.driver import difference
from tests.conformance.specs import NotUnderstood
from tests.conformance.traces import MalformedTraces, Trace, read_traces

WORKER = {"id": "a", "type": "worker", "restart": "permanent", "significant": False}
TREE = {
    "id": "root",
    "type": "supervisor",
    "strategy": "one_for_one",
    "intensity": 1,
    "period": 5,
    "auto_shutdown": "never",
    "children": [WORKER],
}
QUIET = {"supervisors": {"root": "running"}, "children": {"root": [["a", "running"]]}}
ROW: dict[str, Any] = {
    "name": "one",
    "about": "a crash",
    "tree": TREE,
    "steps": [{"do": "exit", "id": "a", "reason": "abnormal"}],
    "observed": [
        {"result": "ok", "events": [["start", "a"], ["start", "root"]], **QUIET},
        {"result": "ok", "events": [["stop", "a", "abnormal"], ["start", "a"]], **QUIET},
    ],
}


def written(path: Path, *rows: object) -> Path:
    """A file with these lines; what is not text is written as JSON."""
    path.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows))
    return path


def trace(tmp_path: Path, **changes: object) -> Trace:
    """The trace of one crash, with changes."""
    return read_traces(written(tmp_path / "one.jsonl", {**ROW, **changes}))[0]


@pytest.mark.req("S2")
def test_first_difference_names_step_key_and_both_sides(tmp_path: Path) -> None:
    """What was done, what OTP did, what the engine did; nothing of what is equal."""
    observed = deepcopy(ROW["observed"])
    observed[1]["events"][0] = ["stop", "a", "killed"]
    found = difference(trace(tmp_path, observed=observed))

    assert found is not None
    assert found.startswith("one: step 1, {'do': 'exit', 'id': 'a', 'reason': 'abnormal'}")
    assert "    OTP:    [['stop', 'a', 'killed'], ['start', 'a']]" in found
    assert "    engine: [['stop', 'a', 'abnormal'], ['start', 'a']]" in found
    assert "children" not in found


@pytest.mark.req("S2")
def test_equal_trace_has_no_difference(tmp_path: Path) -> None:
    """The form of what is seen is that of the file, to the last key."""
    assert difference(trace(tmp_path)) is None


@pytest.mark.req("S2")
@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"features": ["hibernate"]}, "the feature 'hibernate' is not known; known are: together, timed"),
        ({"steps": [{"do": "upgrade"}]}, "the kind of step 'upgrade' is not known; known are: exit, start"),
        (
            {"steps": [{"do": "exit", "id": "a", "reason": "tired"}]},
            "the reason 'tired' is not known; known are: normal",
        ),
        ({"tree": {**TREE, "strategy": "all_for_none"}}, "the strategy 'all_for_none' is not known"),
    ],
)
def test_what_is_not_known_fails_its_trace_with_a_sentence(
    tmp_path: Path, changes: dict[str, object], sentence: str
) -> None:
    """It names what was found and what is known."""
    with pytest.raises(NotUnderstood) as caught:
        difference(trace(tmp_path, **changes))

    assert str(caught.value).startswith(sentence)


@pytest.mark.req("S2")
@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        ([ROW, '{"name": '], "line 2: this is not JSON"),
        ([[1, 2]], "line 1: the trace is list, not an object"),
        ([{"name": "x"}], "line 1: the trace has no key 'tree'"),
        ([{**ROW, "tree": {"type": "supervisor", "id": "r"}}], "trace 'one', the tree has no key 'strategy'"),
        ([{**ROW, "steps": [{"id": "a"}]}], "trace 'one', step 1 has no key 'do'"),
        ([{**ROW, "steps": [{"do": "exit", "id": "a"}]}], "step 1 (exit) has no key 'reason'"),
        ([{**ROW, "observed": []}], "has 1 steps and 0 observations; one more is needed"),
        ([{**ROW, "observed": [{}, {}]}], "trace 'one', observed 0 has no key 'result'"),
        ([""], "it holds no trace"),
        ([{**ROW, "name": 7}], "line 1: the trace, 'name' is int, not a string"),
        ([{**ROW, "tree": WORKER}], "trace 'one', the tree is a worker, not a supervisor"),
        ([{**ROW, "tree": {**TREE, "intensity": "1"}}], "the tree, 'intensity' is str, not a whole number"),
        ([{**ROW, "tree": {**TREE, "intensity": True}}], "'intensity' is bool, not a whole number"),
        ([{**ROW, "tree": {**TREE, "strategy": "simple_one_for_one"}}], "the tree has no key 'template'"),
        ([{**ROW, "steps": [{"do": ["exit"]}]}], "trace 'one', step 1, 'do' is list, not a string"),
        ([{**ROW, "steps": [{"do": "sleep", "ms": None}]}], "(sleep), 'ms' is NoneType, not a whole number"),
        (['{"name": NaN}'], "line 1: NaN is no number of JSON"),
        (['{"name": ' + "[" * 100_000], "line 1: this is not JSON: "),
    ],
)
def test_malformed_file_is_one_error_that_says_where(
    tmp_path: Path, lines: list[object], sentence: str
) -> None:
    """File, line, what was found."""
    path = written(tmp_path / "bad.jsonl", *lines)
    with pytest.raises(MalformedTraces) as caught:
        read_traces(path)

    assert str(caught.value).startswith(str(path))
    assert sentence in str(caught.value)


@pytest.mark.req("S2")
def test_line_ends_at_a_newline_and_nowhere_else(tmp_path: Path) -> None:
    """A string of JSON may hold U+2028 and its like as they are."""
    row = json.dumps({**ROW, "about": "a\u2028b\x85c"}, ensure_ascii=False)

    assert ["a\u2028b\x85c"] == [it.about for it in read_traces(written(tmp_path / "one.jsonl", row))]


@pytest.mark.req("S2")
def test_file_that_is_not_there_is_said_to_be_missing(tmp_path: Path) -> None:
    """No trace at all is never a success."""
    with pytest.raises(MalformedTraces, match="it cannot be read"):
        read_traces(tmp_path / "none.jsonl")
