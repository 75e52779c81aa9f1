"""Makes a test of every trace."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conformance.option import OPTION, TEST
from tests.conformance.traces import MalformedTraces, read_traces

DATA = Path(__file__).parent / "data"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test a trace. A file that is not one of traces is one error."""
    if metafunc.function.__name__ != TEST:
        return
    named = metafunc.config.getoption(OPTION, default=[])
    paths = [Path(name) for name in named] or sorted(DATA.glob("*.jsonl"))
    try:
        traces = [trace for path in paths for trace in read_traces(path)]
    except MalformedTraces as error:
        raise pytest.Collector.CollectError(str(error)) from error
    metafunc.parametrize("trace", [pytest.param(trace, id=trace.name) for trace in traces])
