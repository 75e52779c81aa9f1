"""What becomes of an orphan: the decision alone."""

from __future__ import annotations

import pytest

from supervisor.host.orphans import Key, Verdict, judge
from supervisor.host.proctable import Stat

FEED = ("feed", 3)


@pytest.mark.req("S7")
@pytest.mark.parametrize(
    ("state", "owner", "ours", "living", "verdict"),
    [
        ("S", FEED, True, False, "kill"),  # its child is dead
        ("T", FEED, True, False, "kill"),
        ("S", FEED, True, True, "leave"),  # the daemon of a child that lives
        ("S", None, True, False, "leave"),  # from below, but nobody knows whose: until the root closes
        ("S", None, False, False, "leave"),  # a helper
        ("Z", FEED, True, False, "reap"),
        ("Z", FEED, False, True, "reap"),
        ("Z", None, True, False, "reap"),
        ("Z", None, False, False, "leave"),  # a helper, or somebody else's subprocess
    ],
)
def test_verdict(state: str, owner: Key | None, ours: bool, living: bool, verdict: Verdict) -> None:
    """Only what certainly comes from a dead child is killed, only what nobody else waits for is reaped."""
    orphan = Stat(pid=100, state=state, parent=1, group=90, session=90)

    assert judge(orphan, owner=owner, ours=ours, living=living) == verdict
