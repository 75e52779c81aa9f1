"""The marks in the environment."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisor.host import marks

IDS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=20)


def block(environment: dict[str, str]) -> bytes:
    """An environment as /proc shows it."""
    return b"".join(f"{name}={value}".encode() + b"\0" for name, value in environment.items())


@pytest.mark.req("S7")
@given(IDS, st.integers(1, 10**6), st.integers(1, 1 << 22), st.integers(0, 1 << 40))
def test_marks_are_found_again(child: str, incarnation: int, pid: int, started: int) -> None:
    """What is written into an environment is read from it, whatever surrounds it."""
    root = marks.identity(pid, started)
    environment = block({"A": "b=c", **marks.marks(child, incarnation, root), "Z": ""})

    assert marks.is_marked(environment, root)
    assert not marks.is_marked(environment, marks.identity(pid, started + 1))
    assert marks.owner(environment) == (child, incarnation)


@pytest.mark.req("S7")
@given(st.binary(max_size=60))
def test_any_block_can_be_read(environment: bytes) -> None:
    """A process may write anything over its environment; nothing raises for that."""
    marks.is_marked(environment, "1-1")
    marks.owner(environment)


@pytest.mark.req("S7")
def test_helpers_are_nobodys_incarnation() -> None:
    """A root that is itself supervised does not hand the marks of its own incarnation to its helpers."""
    environment = marks.inherited({**marks.marks("outer", 1, "7-1"), "PATH": "/bin"}, "8-2")

    assert environment == {"PATH": "/bin", marks.ROOT: "8-2"}
