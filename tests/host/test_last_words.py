"""What a process said last: its own record, a traceback's end, or where it was when its stacks were
written."""

from __future__ import annotations

from supervisor.host.last_words import LastWords

STACKS = """\
Thread 0x00007f (most recent call first):
  File "/lib/threading.py", line 982 in run

Current thread 0x00007e (most recent call first):
  File "/home/me/own.py", line 4 in on_candle
  File "/srv/core.py", line 225 in <lambda>
  File "/srv/evaluation.py", line 30 in asked
  File "/srv/core.py", line 9 in step
"""


def word_after(*lines: str, level: str = "INFO") -> str | None:
    """Return the last word of a process that printed these lines."""
    words = LastWords()
    for line in lines:
        words.hear("a", 1, {"message": line, "level": level, "stream": "output"})
    return words.word("a", 1)


def test_the_stack_of_a_hung_process_says_where_it_was() -> None:
    """The innermost calls of its main thread; those of helpers say nothing."""
    expected = (
        "it was busy in on_candle (/home/me/own.py, line 4), called by <lambda> (/srv/core.py, line 225),"
        " called by asked (/srv/evaluation.py, line 30)"
    )

    assert expected == word_after(*STACKS.splitlines())


def test_a_fatal_error_says_where_it_was() -> None:
    """With the name of the error before it."""
    word = word_after("Fatal Python error: Segmentation fault", "", *STACKS.splitlines())

    assert word is not None
    assert word.startswith("Fatal Python error: Segmentation fault in on_candle (/home/me/own.py, line 4), ")


def test_what_follows_a_stack_is_heard_again() -> None:
    """A traceback after it has the last word."""
    trace = ["Traceback (most recent call last):", '  File "x.py", line 1, in f', "ValueError: no"]

    assert "ValueError: no" == word_after(*STACKS.splitlines(), *trace)
    assert "ValueError: no" == word_after(*STACKS.splitlines(), "", *trace)


def test_a_stack_without_calls_says_nothing() -> None:
    """A process that is not in Python at all."""
    assert word_after("Current thread 0x1 (most recent call first):", "  <no Python frame>") is None
