import base64
import io
import re

import matplotlib.image
import numpy as np

import stilt
from stilt.plotting.thumbnail import footprint_thumbnail, picture, touched


def test_north_is_up_and_more_is_darker() -> None:
    values = np.array([[1.0, 0.01], [0.0, 0.1]])
    drawn = matplotlib.image.imread(io.BytesIO(picture(values)), format="png")[..., :3]
    half = drawn.shape[0] // 2
    most, less = drawn[-1, 0].sum(), drawn[-1, -1].sum()
    assert most < drawn[0, -1].sum() < less
    assert (drawn[:half, : drawn.shape[1] // 2] == 1.0).all(), "nothing is white"


def test_the_thumbnail_is_small_and_absent_without_footprints(make_model) -> None:
    model = make_model(3)
    ids = model.register_pending()
    paths = [model.layout.footprint(sim_id, "default") for sim_id in ids]
    assert footprint_thumbnail(paths, "default") == ""
    assert footprint_thumbnail([], "default") == ""
    stilt.push_simulations(model, ids)
    text = footprint_thumbnail(paths, "default")
    assert "Mean of 3 footprints `default`" in text
    found = re.search(r"\(data:image/png;base64,([^)]+)\)", text)
    assert found is not None
    assert base64.b64decode(found[1]).startswith(b"\x89PNG")
    assert len(text) < 20_000
    paths[0].write_bytes(b"damaged")
    assert footprint_thumbnail(paths, "default") == ""


def test_a_map_shows_where_there_is_something_with_a_margin() -> None:
    values = np.zeros((40, 60))
    values[10:20, 30:34] = 1.0
    assert touched(values, axis=1) == slice(8, 22)
    assert touched(values, axis=0) == slice(28, 36)
    values[0, 0] = 1e-9
    assert touched(values, axis=0) == slice(28, 36), "too little to be drawn"
