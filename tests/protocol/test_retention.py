"""What may be forgotten: only what every reader is done with, only when it is old, and never who is there."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from protocol.journal import Reader
from protocol.retention import MARK_S, Policy, Retention

POLICY = Policy(keep_s=600.0, max_bytes=1000, patience_s=3600.0)
SMALL, LARGE = 10, 1001


def retention(*, last_seq: int = 100, **readers: int) -> Retention:
    return Retention(
        POLICY, {name: Reader(seq, 0) for name, seq in readers.items()}, now=0.0, last_seq=last_seq
    )


def test_nothing_is_forgotten_before_its_time() -> None:
    """However far the readers are, records stay for a while."""
    kept = retention(broker=100)

    assert 1 == kept.below(599.0, SMALL)
    assert 101 == kept.below(600.0, SMALL)


def test_the_slowest_reader_holds_back_also_while_it_is_down() -> None:
    """A reader known from an earlier life counts though it was not heard of in this one."""
    kept = retention(broker=100, notifier=7)
    kept.heard("broker", 100, now=600.0, at_ms=0)

    assert 8 == kept.below(1e6, SMALL)
    kept.heard("notifier", 50, now=1e6, at_ms=1)
    assert 51 == kept.below(1e6, SMALL)


def test_without_a_known_reader_all_is_held_back_up_to_the_bound() -> None:
    """Who is configured and was never seen may still come: until the journal is too large."""
    kept = retention()

    assert 0 == kept.below(1e6, SMALL)
    assert 101 == kept.below(1e6, LARGE)


def test_beyond_the_bound_the_absent_hold_nothing_back_and_the_present_do() -> None:
    """A reader that was removed does not fill the disk; one that is there and behind loses nothing."""
    kept = retention(gone=3, slow=20)
    kept.heard("slow", 20, now=9000.0, at_ms=0)

    assert 4 == kept.below(9000.0, SMALL)
    assert 21 == kept.below(9000.0, LARGE)
    assert ("gone",) == kept.absent(9000.0)


def test_what_was_learned_is_told_once() -> None:
    """To be written down with the next bite."""
    kept = retention()
    kept.heard("broker", 5, now=1.0, at_ms=9)

    assert ({"broker": Reader(5, 9)}, {}) == (kept.news(), kept.news())


@given(
    told=st.lists(st.tuples(st.floats(0, 5000), st.integers(0, 50)), min_size=1, max_size=30),
    done=st.lists(st.integers(0, 200), min_size=1, max_size=4),
)
def test_never_what_a_reader_needs_nor_what_is_young(told: list[tuple[float, int]], done: list[int]) -> None:
    """Against the plain list of when each record came."""
    kept = retention(last_seq=0, **{f"r{n}": seq for n, seq in enumerate(done)})
    came: list[tuple[float, int]] = []
    now, last = 0.0, 0
    for pause, count in told:
        now += pause
        last += count
        kept.mark(now, last)
        came.append((now, last))
        below = kept.below(now, SMALL)
        old = max((seq for at, seq in came if now - at >= POLICY.keep_s), default=0)
        assert below <= min(done) + 1
        assert below <= old + 1
        if now - came[0][0] > POLICY.keep_s + 2 * MARK_S and pause > MARK_S:
            assert below >= 1


def test_a_size_can_cut_short_what_is_kept_for_its_age() -> None:
    """Kept for a week, they go after ten minutes when there are too many; readers still hold them."""
    policy = Policy(keep_s=7 * 86400.0, max_bytes=1000, patience_s=3600.0, keep_full_s=600.0)
    kept = Retention(policy, {"notifier": Reader(80, 0)}, now=0.0, last_seq=100)

    assert kept.below(601.0, size=1000) == 1
    assert kept.below(601.0, size=1001) == 81
    assert kept.below(3601.0, size=1001) == 101
    assert kept.below(8 * 86400.0, size=10) == 81


def test_a_stream_at_rest_needs_no_marks() -> None:
    """A root that runs for years with nothing to tell does not grow."""
    kept = retention()
    for minute in range(1, 10_000):
        kept.mark(minute * MARK_S, 100)

    assert len(kept._marks) == 1
