"""One broker at a time."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from workers.broker.fence import FenceBusy, hold


@pytest.mark.req("B1")
def test_the_second_broker_is_kept_out_until_the_first_is_gone(tmp_path: Path) -> None:
    """The lock goes with its holder; nothing has to be cleaned up."""
    path = tmp_path / "broker.lock"
    first = hold(path)
    with pytest.raises(FenceBusy, match=r"another broker holds .*broker\.lock"):
        hold(path)
    os.close(first)

    os.close(hold(path))
