"""Maps for the browser keep their numbers, stay small, and ask nothing of any other place."""

import html
import re

import numpy as np
import pytest
from stilt_fakes import GRID

from stilt import Footprint, FootprintConfig, PointReceptor
from stilt.footprint.layers import Layers
from stilt.plotting.encoded_maps import (
    CODES,
    DECADES,
    STEPS,
    Coarseness,
    decode,
    encode,
    encode_maps,
)
from stilt.plotting.interactive import InteractiveMap
from stilt.plotting.natural_earth import outlines
from stilt.report.write import MOST_BYTES

RECEPTOR = PointReceptor("2023-07-15 18:00:00", -112.0, 40.6, 5.0)
FACTOR = 10 ** (0.5 * DECADES / CODES)


def plume(seed: int, hours: int = 24, rows: int = 200, columns: int = 250) -> Layers:
    """A footprint as wide as real ones: a plume that spreads from hour to hour."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:rows, :columns]
    heading = rng.uniform(0, 2 * np.pi)
    values = np.zeros((hours, rows, columns))
    for hour in range(hours):
        away, wide = 3.5 * hour, 3 + 0.9 * hour
        at = rows / 2 + away * np.sin(heading), columns / 2 + away * np.cos(heading)
        near = np.exp(-((y - at[0]) ** 2 + (x - at[1]) ** 2) / (2 * wide**2))
        noisy = near * rng.lognormal(0, 1, near.shape) / (1 + hour) ** 2
        values[hours - 1 - hour] = np.where(near > 0.05, noisy * 1e-2, 0.0)
    grid = {"xmin": -113, "xmax": -113 + columns / 100, "ymin": 40, "ymax": 40 + rows / 100}
    config = FootprintConfig(**grid, xres=0.01, yres=0.01)
    empty = Footprint.calculate(table(), RECEPTOR, config, warn=False)
    foot = Layers.of(empty)
    stamps = np.datetime64("2023-07-15T18") - np.arange(hours, 0, -1).astype("timedelta64[h]")
    from stilt.footprint.layers import runs_of

    runs = runs_of(values)
    return Layers(RECEPTOR, foot.grid, False, foot.x, foot.y, stamps, *runs)


def table():
    import pandas as pd

    rows = {"time": [-1.0, -2.0], "indx": [1, 1], "long": [-112.0] * 2, "lati": [40.6] * 2}
    return pd.DataFrame({**rows, "zagl": [5.0] * 2, "foot": [1e-3] * 2})


def dense(layers: Layers) -> np.ndarray:
    values = np.zeros(layers.stamps.size * layers.cells)
    at = np.repeat(layers.starts - layers.first_value[:-1], layers.lengths)
    values[at + np.arange(layers.values.size)] = layers.values
    return values.reshape(layers.stamps.size, layers.y.size, layers.x.size)


def test_values_survive_packing_within_half_a_code() -> None:
    layers = plume(0, hours=5)
    packed = encode(layers, Coarseness(1, 1))
    row, column, rows, columns = packed["box"]
    expected = dense(layers)[:, row : row + rows, column : column + columns]
    found = decode(packed)
    large = expected > expected.max() / 10**DECADES
    ratio = found[large] / expected[large]
    assert 1 / FACTOR - 1e-3 < ratio.min() <= ratio.max() < FACTOR + 1e-3
    assert ((found > 0) == (expected > 0)).all()
    assert expected.sum() == pytest.approx(dense(layers).sum()), "the box holds all"


def test_coarser_maps_hold_the_same_sum_and_end_with_the_same_hour() -> None:
    layers = plume(1, hours=7)
    packed = encode(layers, Coarseness(4, 3))
    assert decode(packed).sum() == pytest.approx(dense(layers).sum(), rel=0.01)
    stamps = np.array(packed["stamps"], "datetime64[s]")
    hours = (np.datetime64("2023-07-15T18") - stamps) / np.timedelta64(1, "h")
    assert hours.tolist() == [7, 6, 3], "groups of three, counted back from the receptor"
    last = dense(layers)[-3:].sum()
    assert decode(packed)[-1].sum() == pytest.approx(last, rel=0.01)


@pytest.mark.parametrize("coarse", [Coarseness(1, 1), Coarseness(2, 1)])
def test_a_grid_across_the_date_line_goes_on_eastward(coarse: Coarseness) -> None:
    receptor = PointReceptor("2023-07-15 18:00:00", -179.95, 40.65, 5.0)
    particles = table().assign(long=[179.95, -179.95], foot=[1e-3, 3e-3])
    bounds = {"xmin": 179.0, "xmax": -179.0, "ymin": 40, "ymax": 41}
    config = FootprintConfig(**bounds, xres=0.1, yres=0.1, smooth_factor=0)
    foot = Footprint.calculate(particles, receptor, config)
    encoded = encode_maps({"a": lambda: Layers.of(foot)}, budget_bytes=1e6)
    assert encoded.grid["x"] == pytest.approx(179.0)
    one = encode(Layers.of(foot), coarse)
    values = decode(one).sum(axis=(0, 1))
    across = encoded.grid["x"] + encoded.grid["dx"] * coarse.cells * (
        one["box"][1] + np.arange(values.size)
    )
    west = values[across < 179.99].sum()
    east = values[across > 179.99].sum()
    by_lon = foot.data.sum(("time", "lat"))
    assert west == pytest.approx(float(by_lon[by_lon.lon > 0].sum()), rel=0.03)
    assert east == pytest.approx(float(by_lon[by_lon.lon < 0].sum()), rel=0.03)
    assert min(east, west) > 0


def test_an_empty_footprint_is_packed_too() -> None:
    layers = plume(2, hours=2)
    nothing = Layers(
        RECEPTOR, layers.grid, False, layers.x, layers.y, layers.stamps,
        np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0),
    )  # fmt: skip
    packed = encode(nothing, Coarseness(1, 1))
    assert packed["box"] == [0, 0, 0, 0]
    assert packed["largest"] == 0.0
    assert len(packed["stamps"]) == 2


def test_a_thousand_receptors_fit_into_the_budget() -> None:
    few = [plume(seed) for seed in range(6)]
    read = {f"sim{number}": lambda n=number: few[n % 6] for number in range(1000)}
    found = encode_maps(read, budget_bytes=MOST_BYTES)
    assert len(found.maps) == 1000
    whole = InteractiveMap({**found.to_dict(), "receptors": []}, "a thousand").to_html()
    assert len(whole.encode()) < 9_000_000, "the rest of a report takes less than a megabyte"
    assert sum(len(one["data"]) for one in found.maps) < MOST_BYTES
    assert 1 < found.coarseness.cells < STEPS[-1].cells
    total = sum(decode(one).sum() for one in found.maps[:6])
    assert total == pytest.approx(sum(dense(layers).sum() for layers in few), rel=0.01)


def test_few_receptors_are_not_simplified() -> None:
    found = encode_maps({"one": lambda: plume(3)}, budget_bytes=7_500_000)
    assert found.coarseness == (1, 1)


def test_footprints_on_another_grid_are_left_out() -> None:
    read = {
        "a": lambda: plume(4, 2),
        "b": lambda: plume(4, 2, columns=100),
        "c": lambda: plume(5, 2),
    }
    found = encode_maps(read, budget_bytes=1e6)
    assert [one["id"] for one in found.maps] == ["a", "c"]


@pytest.mark.parametrize("projection", ["+proj=longlat", "+proj=utm +zone=12 +datum=WGS84"])
def test_outlines_of_a_page_lie_where_they_are(projection: str) -> None:
    from stilt.footprint.cell_grid import transformer

    size = 0.01 if "longlat" in projection else 1000
    bounds = {"xmin": -113, "xmax": -111, "ymin": 40, "ymax": 42}
    config = FootprintConfig(**bounds, xres=size, yres=size, projection=projection)
    foot = Footprint.calculate(table(), RECEPTOR, config, warn=False)
    data = foot.plot.interactive().data
    lines = data["outlines"]
    points = []
    for line in lines["lakes"]:
        steps = np.cumsum(np.reshape(line, (-1, 2)), axis=0)
        points.append(steps * lines["step"] + [lines["x"], lines["y"]])
    x, y = np.concatenate(points).T
    if size > 1:
        x, y = transformer(projection).transform(x, y, direction="INVERSE")
    known = np.concatenate(outlines("lakes", (-113, -111, 40, 42)))
    gaps = np.abs(known[:, None] - np.column_stack([x, y])[None]).max(axis=-1).min(axis=1)
    assert np.quantile(gaps, 0.95) < 0.003
    assert data["receptors"][0]["text"].startswith("40.6°N 112°W, 5 m above ground")


def test_a_page_asks_nothing_of_any_other_place(tmp_path) -> None:
    config = FootprintConfig(**GRID)
    foot = Footprint.calculate(table(), RECEPTOR, config, warn=False)
    shown = foot.plot.interactive()
    text = shown.save(tmp_path / "map.html").read_text()
    assert "default-src 'none'" in text
    assert not re.findall(r"https?://|src=|@import|url\(|<link", text)
    framed = shown._repr_html_()
    assert html.unescape(re.search(r'srcdoc="([^"]*)"', framed)[1]) == text
    assert repr(shown) == "<InteractiveMap of 1 footprint: .save(path) writes it>"


def test_texts_cannot_end_the_script(tmp_path) -> None:
    from stilt.plotting.interactive import page

    made = page("a<b", "", "", {"X": "</script><b>"}, "")
    assert made.count("</script>") == 1
    assert "<title>a&lt;b</title>" in made
