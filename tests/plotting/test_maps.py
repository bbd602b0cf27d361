"""Maps are drawn, say what they show, and cost nothing until asked for."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from stilt import Footprint, FootprintConfig, PointReceptor, Trajectories
from stilt.errors import UsageError

pytest.importorskip("matplotlib").use("Agg")
plt = pytest.importorskip("matplotlib.pyplot")

RECEPTOR = PointReceptor("2023-07-15 18:00:00", -112.0, 40.6, 5.0)
GRIDS = {
    "degrees": {"xres": 0.1, "yres": 0.1},
    "utm": {"xres": 8000, "yres": 8000, "projection": "+proj=utm +zone=12 +datum=WGS84"},
}


def particles(lon: float = -112.0) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    moves = rng.normal(0, 0.02, (2, 150, 20)).cumsum(axis=1)
    return pd.DataFrame(
        {
            "time": -np.repeat(np.arange(1.0, 151), 20),
            "indx": np.tile(np.arange(1, 21), 150),
            "long": lon + moves[0].ravel(),
            "lati": 40.6 + moves[1].ravel(),
            "zagl": rng.uniform(0, 900, 3000),
            "foot": rng.gamma(2.0, 1e-3, 3000),
        }
    )


def footprint(grid: str = "degrees", lon: float = -112.0) -> Footprint:
    bounds = {"xmin": -113, "xmax": -111, "ymin": 40, "ymax": 41.5}
    config = FootprintConfig(**bounds, **GRIDS[grid])
    return Footprint.calculate(particles(lon), RECEPTOR, config, "default")


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("options", [{}, {"log": False}, {"zoom": True}, {"time": 0}], ids=str)
def test_map_of_a_footprint(grid: str, options: dict, tmp_path) -> None:
    ax = footprint(grid).plot.map(**options)
    path = tmp_path / "map.png"
    ax.figure.savefig(path, dpi=40)
    assert path.stat().st_size > 2000
    assert "2023-07-15 18:00 UTC" in ax.get_title(loc="left")
    labels = [other.get_ylabel() for other in ax.figure.axes]
    assert any("ppm per" in label for label in labels)


def test_one_layer_by_its_time() -> None:
    ax = footprint().plot.map("2023-07-15 16:00")
    assert any("hour from 2023-07-15 16:00 UTC" in text.get_text() for text in ax.texts)
    with pytest.raises(UsageError, match=r"15\.07\.2023.*write it as YYYY-MM-DD"):
        footprint().plot.map("15.07.2023 16:00")


def test_empty_footprints_say_why() -> None:
    ax = footprint(lon=20.0).plot.map()
    assert any("outside_domain" in text.get_text() for text in ax.texts)


def test_a_single_row_or_column_is_drawn_as_wide_as_it_is() -> None:
    bounds = {"xmin": -112.1, "xmax": -112.0, "ymin": 40.5, "ymax": 41.0}
    config = FootprintConfig(**bounds, xres=0.1, yres=0.1)
    foot = Footprint.calculate(particles(), RECEPTOR, config)
    ax = foot.plot.map()
    assert ax.get_xlim() == pytest.approx((-112.1, -112.0))
    corners = ax.collections[0].get_coordinates()
    np.testing.assert_allclose(corners[0, :, 0], [-112.1, -112.0])


def test_two_columns_across_the_dateline_lie_side_by_side() -> None:
    bounds = {"xmin": 179.9, "xmax": -179.9, "ymin": 40.5, "ymax": 41.0}
    config = FootprintConfig(**bounds, xres=0.1, yres=0.1)
    ax = Footprint.calculate(particles(), RECEPTOR, config).plot.map()
    assert ax.get_xlim() == pytest.approx((179.9, 180.1))


def test_grids_across_the_dateline_are_drawn_without_a_jump() -> None:
    receptor = PointReceptor("2023-07-15 18:00:00", -179.9, 40.6, 5.0)
    bounds = {"xmin": 179.0, "xmax": -178.0, "ymin": 40, "ymax": 41.5}
    table = particles(180.0)
    table["long"] = (table["long"] + 180) % 360 - 180
    config = FootprintConfig(**bounds, xres=0.1, yres=0.1)
    ax = Footprint.calculate(table, receptor, config).plot.map()
    assert ax.get_xlim() == pytest.approx((179.0, 182.0))
    star = next(line for line in ax.lines if line.get_label() == "receptor")
    assert star.get_xdata()[0] == pytest.approx(180.1)


def test_facet_has_a_panel_per_layer() -> None:
    figure = footprint().plot.facet(ncols=2)
    titles = [ax.get_title() for ax in figure.axes if ax.get_title()]
    assert titles == ["2023-07-15 15:00", "2023-07-15 16:00", "2023-07-15 17:00"]


@pytest.mark.parametrize("column", ["time", "zagl", "foot"])
def test_map_of_particles(column: str, tmp_path) -> None:
    ax = Trajectories(particles(), RECEPTOR).plot.map(column)
    ax.figure.savefig(tmp_path / "map.png", dpi=40)
    with pytest.raises(UsageError, match="no column 'sigw'"):
        Trajectories(particles(), RECEPTOR).plot.map("sigw")


def test_without_matplotlib_one_sentence_says_what_to_install(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(UsageError, match=r"pip install 'stilt\[plots\]'"):
        footprint().plot.map()


def test_importing_footprints_loads_no_plots_and_no_jax() -> None:
    code = (
        "import sys, stilt.footprint, stilt.trajectories, stilt.transforms;"
        "print([m for m in ('matplotlib', 'jax', 'prefect', 'netCDF4') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
