"""Every recorded trace of OTP's supervisor."""

from __future__ import annotations

import pytest

from tests.conformance.driver import difference
from tests.conformance.specs import NotUnderstood
from tests.conformance.traces import Trace


@pytest.mark.req("S2")
def test_engine_does_what_otp_did(trace: Trace) -> None:
    """The same start, steps, events, answers and states, to the last one."""
    try:
        found = difference(trace)
    except NotUnderstood as error:
        pytest.fail(f"{trace.name}: {error}", pytrace=False)
    if found is not None:
        pytest.fail(f"{found}\n  about:  {trace.about}", pytrace=False)
