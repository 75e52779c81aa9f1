"""Programs whose whole purpose is a tree, run as a user would run them."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.deadline import wait_until

EXAMPLE = Path(__file__).with_name("example.py")
README = Path(__file__).parents[2] / "README.md"

SCRIPT = """
from supervisor import Child, Supervisor

print("once", flush=True)

if __name__ == "__main__":
    worker = Child("worker", start="tests.api.puppets:serves")
    raise SystemExit(Supervisor([worker, Child("sleeper", command=["sleep", "1000"])]).run())
"""
OWN_CALLABLE = """
import signal

from supervisor import Child, Supervisor


def wait():
    print("in the child as", __name__, flush=True)
    signal.pause()


if __name__ == "__main__":
    print("once", flush=True)
    raise SystemExit(Supervisor([Child("waiter", start=wait, ready="immediate")]).run())
"""

pytestmark = pytest.mark.usefixtures("runtime_dir")


def run_until(script: Path, sign: str) -> tuple[int, str]:
    """Run a script in its directory, press Ctrl+C when it has said ``sign``; exit status and all it said."""
    console = script.with_suffix(".txt")
    with console.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, script.name], cwd=script.parent, stdout=output, stderr=output,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}, start_new_session=True,
        )  # fmt: skip
    try:
        wait_until(lambda: sign in console.read_text(), what=f"{sign!r} to be said", state=console.read_text)
        process.send_signal(signal.SIGINT)
        return process.wait(30), console.read_text()
    finally:
        process.kill()
        process.wait()


@pytest.mark.req("S1")
def test_script_that_is_the_root(tmp_path: Path) -> None:
    """In the foreground, its log on the terminal; Ctrl+C ends it with 0; no child runs the script again."""
    script = tmp_path / "app.py"
    script.write_text(SCRIPT)
    code, said = run_until(script, "all children are ready")

    assert code == 0, said
    assert said.count("once") == 1
    assert "root started with app.py" in said
    assert re.search(r"worker ended: stopped \(code 0\)", said)
    assert (tmp_path / "var" / "events.db").exists()


@pytest.mark.req("S1")
def test_callable_of_the_script_itself(tmp_path: Path) -> None:
    """It is found under the script's own name, so that what is under ``__main__`` runs once."""
    script = tmp_path / "app.py"
    script.write_text(OWN_CALLABLE)
    code, said = run_until(script, "in the child as app")

    assert code == 0, said
    assert said.count("once") == 1


@pytest.mark.req("S6")
def test_script_without_a_guard(tmp_path: Path) -> None:
    """The child that would run the tree again is parked at once, and says what to write."""
    script = tmp_path / "app.py"
    script.write_text(OWN_CALLABLE.replace("if __name__", "if True or __name__"))
    code, said = run_until(script, "waiter is parked")

    assert code == 0, said
    assert "put that under `if __name__" in said


@pytest.mark.req("S2")
def test_example(tmp_path: Path) -> None:
    """It runs as written, and ends with nothing left."""
    done = subprocess.run(
        [sys.executable, EXAMPLE], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "root/counter is ready",
        "root/clock is ready",
        "root/pool is ready",
        "root/pool/extra is ready",
    ]
    assert (tmp_path / "counting" / "events.db").exists()


def test_readme_quotes_the_example() -> None:
    """What README shows of the Python API is the file that was run above."""
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    shown = [block for block in blocks if "from supervisor import" in block]

    assert [block for block in shown if block not in EXAMPLE.read_text()] == []
