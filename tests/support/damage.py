"""Ways in which files on a disk are found damaged."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path


def emptied(path: Path) -> None:
    """Leave nothing of it, as after a power failure."""
    path.write_bytes(b"")


def cut(path: Path) -> None:
    """Leave its first half, as on a full disk."""
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def zeroed(path: Path) -> None:
    """Put zeros in the place of up to 4,000 bytes in its middle."""
    content = bytearray(path.read_bytes())
    number = min(4000, len(content) // 4)
    begin = len(content) // 3
    content[begin : begin + number] = bytes(number)
    path.write_bytes(content)


def foreign(path: Path) -> None:
    """Put something else in its place."""
    path.write_bytes(b"<html>Not found</html>\n" * 50)


DAMAGE: dict[str, Callable[[Path], None]] = {
    kind.__name__: kind for kind in (emptied, cut, zeroed, foreign)
}
