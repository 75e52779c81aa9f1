"""The option with which the conformance tests are run on other traces."""

from __future__ import annotations

import pytest

OPTION = "--otp-traces"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option. It must be known before the tests are collected: hence the conftest at the top."""
    parser.addoption(
        OPTION,
        action="append",
        default=[],
        metavar="FILE",
        help="run the conformance tests on the traces in FILE (repeatable) in place of those of the project",
    )
