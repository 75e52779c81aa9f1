"""Small file systems, for tests of what happens when they fill up or turn read-only."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

IMAGE_BYTES = 48 * 1024 * 1024


def _command(*words: str) -> str | None:
    """Run it; what it complains of, None when it worked."""
    if shutil.which(words[0]) is None:
        return f"there is no {words[0]}"
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    return None if done.returncode == 0 else f"{' '.join(words)}: {done.stderr.strip()}"


def _must_work(*words: str) -> None:
    if (trouble := _command(*words)) is not None:
        pytest.skip(f"a file system of its own cannot be had here: {trouble}")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Give a tmpfs of some megabytes; skip, visibly, where none may be mounted."""
    place = tmp_path / "small"
    place.mkdir()
    _must_work("mount", "-t", "tmpfs", "-o", "size=48m", "none", str(place))
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)


class FailingDisk:
    """An ext4 in a file. :meth:`fail` makes it read-only under everybody's hands, as errors of a disk do."""

    def __init__(self, place: Path, image: Path) -> None:
        self.place, self._image = place, image

    def mount(self) -> None:
        """Make it usable, for the first time or again."""
        _must_work("mount", "-o", "loop", str(self._image), str(self.place))

    def fail(self) -> None:
        """Turn it read-only now; what was written before is safe."""
        os.sync()
        _must_work("mount", "-o", "remount,abort", str(self.place))

    def unmount(self) -> None:
        """Take it away; what was written is checked."""
        subprocess.run(["umount", self.place], check=True)
        subprocess.run(["fsck.ext4", "-p", "-f", self._image], check=False, capture_output=True)


@pytest.fixture
def failing_disk(tmp_path: Path) -> Iterator[FailingDisk]:
    """Give a disk that can turn read-only; skip, visibly, where none may be mounted."""
    place, image = tmp_path / "disk", tmp_path / "disk.img"
    place.mkdir()
    with image.open("wb") as file:
        file.truncate(IMAGE_BYTES)
    _must_work("mkfs.ext4", "-q", "-F", str(image))
    disk = FailingDisk(place, image)
    disk.mount()
    try:
        yield disk
    finally:
        if os.path.ismount(place):
            subprocess.run(["umount", "--lazy", place], check=True)


def fill(place: Path, *, leave: int = 0) -> Callable[[], None]:
    """Use up all room but ``leave`` bytes; returns what makes room again."""
    ballast = place / "ballast"
    found = os.statvfs(place)
    with ballast.open("wb") as file:
        try:
            file.write(bytes(max(found.f_bavail * found.f_frsize - leave, 0)))
        except OSError:
            file.close()
    return ballast.unlink
