"""Makes a test of every trace, and says at the end how many passed."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import pytest

from tests.conformance.option import OPTION
from tests.conformance.traces import MalformedTraces, read_traces

DATA = Path(__file__).parent / "data"
TEST = "test_engine_does_what_otp_did"


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


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> Generator[None, None, None]:
    """Say last of all how many traces passed, if any were run."""
    yield
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if not isinstance(reporter, pytest.TerminalReporter):
        return
    counts = {
        outcome: sum(f"::{TEST}[" in report.nodeid for report in reporter.stats.get(outcome, ()))
        for outcome in ("passed", "failed", "error")
    }
    total = sum(counts.values())
    if total:
        reporter.write_line(f"otp traces: {counts['passed']}/{total}")
