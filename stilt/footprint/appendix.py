"""What a footprint file carries behind its NetCDF part: the same influence without the zeros.

A NetCDF file of compressed chunks takes ten times as long to read as the numbers in it. The
appendix holds these as plain bytes. Programs that read NetCDF do not see it, as the format says
where it ends; those that change the file cut it off, so it never holds anything else than the part
before it.

Layout, little endian: the arrays x, y, seconds of the stamps, starts, lengths and values of
:class:`stilt.footprint.layers.Layers`; a JSON text; and a trailer with the sizes of the NetCDF part
and of the text, a check sum of arrays and text, and ``MAGIC``.
"""

from __future__ import annotations

import json
import os
import struct
import zlib
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from stilt.footprint.layers import Layers
from stilt.receptors import Receptor

if TYPE_CHECKING:
    from stilt.config import Grid

MAGIC = b"STILTrun"
TRAILER = struct.Struct("<QQQ8s")
# Attribute of Layers, type on disk.
ARRAYS = (
    ("x", "<f8"),
    ("y", "<f8"),
    ("stamps", "<i8"),
    ("starts", "<i8"),
    ("lengths", "<i4"),
    ("values", "<f8"),
)


def append_layers(path: str | os.PathLike[str], layers: Layers) -> None:
    """Write layers behind the NetCDF part of a file.

    Args:
        path: a file without an appendix.
        layers: the influence in it.
    """
    arrays = {name: np.asarray(getattr(layers, name)) for name, _ in ARRAYS}
    arrays["stamps"] = arrays["stamps"].astype("datetime64[s]").astype(np.int64)
    text = json.dumps(
        {
            "receptor": layers.receptor.to_dict(),
            "grid": layers.grid.model_dump(),
            "integrated": layers.integrated,
            "sizes": [arrays[name].size for name, _ in ARRAYS],
        }
    ).encode()
    body = b"".join([*(arrays[name].astype(kind).tobytes() for name, kind in ARRAYS), text])
    with open(path, "ab") as file:
        file.write(body + TRAILER.pack(file.tell(), len(text), zlib.adler32(body), MAGIC))


def appended_layers(path: str | os.PathLike[str]) -> Layers | None:
    """Read the appendix of a file; None when it has none.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the appendix is damaged.
    """
    with open(path, "rb") as file:
        size = file.seek(0, os.SEEK_END)
        if size < TRAILER.size:
            return None
        file.seek(size - TRAILER.size)
        begin, text_size, checksum, magic = TRAILER.unpack(file.read())
        if magic != MAGIC or begin + text_size > size - TRAILER.size:
            return None
        file.seek(begin)
        body = file.read(size - TRAILER.size - begin)
    if zlib.adler32(body) != checksum:
        raise ValueError("the check sum of its appendix is wrong")
    about = json.loads(body[len(body) - text_size :])
    arrays: dict[str, Any] = {}
    offset = 0
    for (name, kind), count in zip(ARRAYS, about["sizes"], strict=True):
        arrays[name] = np.frombuffer(body, kind, count, offset)
        offset += arrays[name].nbytes
    arrays["stamps"] = arrays["stamps"].astype("datetime64[s]")
    return Layers(
        Receptor.from_dict(about["receptor"]),
        _grid(tuple(about["grid"].items())),
        bool(about["integrated"]),
        **arrays,
    )


@lru_cache(maxsize=64)
def _grid(numbers: tuple[tuple[str, Any], ...]) -> Grid:
    """A grid from its fields; checking them takes longer than reading the file."""
    from stilt.config import Grid

    return Grid(**dict(numbers))
