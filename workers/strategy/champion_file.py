"""Champions on disk: reading, and watching that what runs is still what stands there."""

from __future__ import annotations

import os
from pathlib import Path

from workers.strategy.champion import Champion, UnfitChampion, check, check_market, parse
from workers.strategy.source import Digests, Source

Seen = tuple[int, int, int]


class ChampionFile:
    """One champion in use: a guard for the core. Looks at the files' dates, and into them when those
    change."""

    def __init__(self, path: Path, champion: Champion, source: Source) -> None:
        self._path, self._champion, self._source = path, champion, source
        folder = source.own.parent
        self._files = (path, source.own, *(folder / name for name in champion.helpers))
        self._seen: tuple[Seen, ...] | None = None
        self.verify()

    def fits(self, symbol: str, timeframe: str) -> None:
        """Raise UnfitChampion when it was chosen for another market."""
        check_market(self._champion, symbol, timeframe, str(self._path))

    def verify(self) -> None:
        """Raise UnfitChampion when the file, or the strategy's source, is not what it was."""
        now = tuple(_seen(file, self._path) for file in self._files)
        if now == self._seen:
            return
        found = read(self._path)
        check(found, digests_of(self._source, self._path), str(self._path))
        if found != self._champion:
            raise UnfitChampion(str(self._path), "another one was put in its place while it was in use")
        self._seen = now


def read(path: Path) -> Champion:
    """Read a champion. Raises UnfitChampion."""
    try:
        return parse(path.read_bytes(), str(path))
    except OSError as error:
        raise UnfitChampion(str(path), f"it cannot be read ({error.strerror})") from error


def find(path: Path, symbol: str | None, timeframe: str | None) -> Path:
    """Return the file: ``path`` itself, or of a folder the one for the market. Raises UnfitChampion."""
    if not path.is_dir():
        return path
    files = sorted(it for it in path.iterdir() if it.suffix in {".json", ".toml"})
    fitting = [it for it in files if (read(it).symbol, read(it).timeframe) == (symbol, timeframe)]
    if len(fitting) == 1:
        return fitting[0]
    names = ", ".join(it.name for it in fitting or files) or "no file"
    wanted = f"{symbol} {timeframe}" if symbol and timeframe else "symbol and timeframe (name both)"
    problem = f"{len(fitting)} champions of this folder are for {wanted}, one is needed; found {names}"
    raise UnfitChampion(str(path), problem)


def digests_of(source: Source, champion: Path) -> Digests:
    """Return the digests of a strategy's files. Raises UnfitChampion when one cannot be read."""
    try:
        return source.digests()
    except OSError as error:
        raise UnfitChampion(str(champion), f"{error.filename} cannot be read ({error.strerror})") from error


def _seen(path: Path, champion: Path) -> Seen:
    try:
        found = os.stat(path)  # noqa: PTH116 - with every candle, and Path.stat takes twice as long
    except OSError as error:
        raise UnfitChampion(str(champion), f"{path} cannot be read ({error.strerror})") from error
    return (found.st_mtime_ns, found.st_size, found.st_ino)
