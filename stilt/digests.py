"""Digests of files that the program keeps for itself, to detect damage."""

from __future__ import annotations

import hashlib
import os
import zlib
from functools import lru_cache
from pathlib import Path

_BLOCK_BYTES = 1 << 18
_SAMPLE_BYTES = 65_536
FEW_SAMPLES, MANY_SAMPLES = 16, 256
"""For a chunk of many, and for a whole file: of 1 and of 16 MiB every byte counts."""

_known: dict[tuple[int, ...], str] = {}


def file_digest(path: str | os.PathLike[str]) -> str:
    """Return size and CRC-32 of a file, read at most once by this process while it stays as it is.

    Raises:
        OSError: it is not there, or cannot be read.
    """
    with open(path, "rb", buffering=0) as file:
        state = _state(os.fstat(file.fileno()))
        if state not in _known:
            crc, size = 0, 0
            block = memoryview(bytearray(_BLOCK_BYTES))
            while n_read := file.readinto(block):
                crc = zlib.crc32(block[:n_read], crc)
                size += n_read
            _known[state] = f"{size}-{crc:08x}"
    return _known[state]


def is_intact(path: Path, digest: str) -> bool:
    """Return whether a file is there and is what :func:`file_digest` gave for it.

    Raises:
        OSError: it is there and cannot be read, for lack of permission for example.
    """
    size, _, _ = digest.partition("-")
    try:
        return str(path.stat().st_size) == size and file_digest(path) == digest
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return False


def sampled_digest(path: str | os.PathLike[str], samples: int = MANY_SAMPLES) -> str:
    """Return a digest of a file's size and of some of its bytes, evenly spread.

    Reading all of a weather file would take as long as a run; compressed data hardly change
    without the size.

    Args:
        path: the file.
        samples: how many blocks of 64 KiB are read.
    """
    return _sampled(os.fspath(path), _state(os.stat(path)), samples)


@lru_cache(maxsize=4096)
def _sampled(path: str, state: tuple[int, ...], samples: int) -> str:
    del state
    size = os.path.getsize(path)
    digest = hashlib.sha256(str(size).encode())
    with open(path, "rb") as file:
        if size <= samples * _SAMPLE_BYTES:
            digest.update(file.read())
            return digest.hexdigest()[:16]
        for number in range(samples):
            file.seek((size - _SAMPLE_BYTES) * number // (samples - 1))
            digest.update(file.read(_SAMPLE_BYTES))
    return digest.hexdigest()[:16]


def _state(stat: os.stat_result) -> tuple[int, ...]:
    return (stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)
