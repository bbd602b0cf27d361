import base64
import re
import struct
import zlib
from pathlib import Path

import numpy as np

from flows.picture import MAPPED, colours, footprint_map, png, touched
from stilt.model import Model


def test_a_png_holds_the_pixels_it_was_made_of() -> None:
    pixels = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
    content = png(pixels)
    assert content.startswith(b"\x89PNG\r\n\x1a\n")
    assert struct.unpack(">II", content[16:24]) == (3, 2)
    start = content.index(b"IDAT")
    (length,) = struct.unpack(">I", content[start - 4 : start])
    body = content[start + 4 : start + 4 + length]
    (check,) = struct.unpack(">I", content[start + 4 + length : start + 8 + length])
    assert check == zlib.crc32(b"IDAT" + body)
    rows = np.frombuffer(zlib.decompress(body), np.uint8).reshape(2, 1 + 9)
    assert np.array_equal(rows[:, 1:].reshape(2, 3, 3), pixels)


def test_north_is_up_and_more_is_darker() -> None:
    values = np.array([[1.0, 0.01], [0.0, 0.1]])
    drawn = colours(values)
    half = drawn.shape[0] // 2
    most, less = drawn[-1, 0].sum(), drawn[-1, -1].sum()
    assert most < drawn[0, -1].sum() < less
    assert (drawn[:half, : drawn.shape[1] // 2] == 255).all(), "nothing is white"


def test_the_map_of_a_run_is_small_and_absent_without_footprints(new_project, monkeypatch) -> None:
    import stilt

    model = Model(project=new_project("mapped"))
    ids = model.register_pending()
    assert footprint_map(model, ids) == ""
    assert footprint_map(model, []) == ""
    stilt.push_simulations(model, ids)
    text = footprint_map(model, ids)
    assert "Mean of 3 footprints `default`" in text
    found = re.search(r"\(data:image/png;base64,([^)]+)\)", text)
    assert found is not None
    assert base64.b64decode(found[1]).startswith(b"\x89PNG")
    assert len(text) < 20_000
    assert footprint_map(model, ids * 50).count("Mean of") == 1
    assert len(ids * 50) > MAPPED
    Path(model.layout.footprint(ids[0], "default")).write_bytes(b"damaged")
    assert footprint_map(model, ids[:1]) == ""


def test_a_map_shows_where_there_is_something_with_a_margin() -> None:
    values = np.zeros((40, 60))
    values[10:20, 30:34] = 1.0
    assert touched(values, axis=1) == slice(8, 22)
    assert touched(values, axis=0) == slice(28, 36)
    values[0, 0] = 1e-9
    assert touched(values, axis=0) == slice(28, 36), "too little to be drawn"
