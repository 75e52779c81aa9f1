"""Every recorded trace of OTP's supervisor."""

from __future__ import annotations

import pytest

from tests.conformance.driver import difference
from tests.conformance.specs import NotUnderstood
from tests.conformance.traces import Trace


@pytest.mark.req("S2")
def test_engine_does_what_otp_did(trace: Trace) -> None:
    """The same start, steps, events, answers and states, to the last one."""
    found = explained(trace)
    if found is not None:
        pytest.fail(f"{found}\n  about:  {trace.about}", pytrace=False)


def explained(trace: Trace) -> str | None:
    """The first difference, or what the driver does not know."""
    try:
        return difference(trace)
    except NotUnderstood as error:
        return f"{trace.name}: {error}"
