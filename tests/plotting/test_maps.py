"""Maps are drawn, say what they show, and cost nothing until asked for."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from stilt import Footprint, FootprintConfig, PointReceptor, Trajectories
from stilt.errors import UsageError
from stilt.footprint.empty import empty_text
from stilt.plotting.style import receptor_text

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


def night() -> Footprint:
    """Influence of four cells in a square grid of 200 by 200, as of a calm night."""
    bounds = {"xmin": -113, "xmax": -111, "ymin": 39.6, "ymax": 41.6}
    table = particles().head(40).assign(long=-112.0, lati=40.6)
    config = FootprintConfig(**bounds, xres=0.01, yres=0.01)
    foot = Footprint.calculate(table, RECEPTOR, config, "default")
    foot.data[:] = 0.0
    foot.data[0, 100:102, 99:101] = [[0.1, 0.01], [0.02, 1e-4]]
    return foot


def mesh_of(ax):
    return next(one for one in ax.collections if hasattr(one, "get_coordinates"))


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize(
    "options",
    [{}, {"log": False}, {"zoom": False}, {"time": 0}, {"shares": (0.5, 0.9)}, {"outlines": False}],
    ids=str,
)
def test_map_of_a_footprint(grid: str, options: dict, tmp_path) -> None:
    ax = footprint(grid).plot.map(**options)
    path = tmp_path / "map.png"
    ax.figure.savefig(path, dpi=40)
    assert path.stat().st_size > 2000
    assert "2023-07-15 18:00 UTC" in ax.get_title(loc="left")
    labels = [other.get_ylabel() for other in ax.child_axes]
    assert any("ppm per" in label for label in labels)


def test_one_layer_by_its_time() -> None:
    ax = footprint().plot.map("2023-07-15 16:00")
    assert any("hour from 2023-07-15 16:00 UTC" in text.get_text() for text in ax.texts)
    with pytest.raises(UsageError, match=r"15\.07\.2023.*write it as YYYY-MM-DD"):
        footprint().plot.map("15.07.2023 16:00")
    with pytest.raises(UsageError, match="every hour from 2023-07-15 15:00 to 2023-07-15 17:00"):
        footprint().plot.map("2023-07-15 21:00")
    with pytest.raises(UsageError, match="no layer 3: there are 0 to 2"):
        footprint().plot.map(3)


def test_a_map_shows_where_the_influence_is() -> None:
    ax = night().plot.map()
    west, east = ax.get_xlim()
    assert west < -112.01
    assert east > -111.99
    assert 0.08 < east - west < 0.13, "four cells of 0.01 degrees are shown large"
    assert night().plot.map(zoom=False).get_xlim() == pytest.approx((-113, -111))
    given = (-112.5, -111.0, 40.0, 41.0)
    assert night().plot.map(extent=given).get_xlim() == pytest.approx(given[:2])


def test_plot_alone_draws_the_map() -> None:
    foot = footprint()
    extent = (-112.5, -111.0, 40.0, 41.0)
    for one, other in (
        (foot.plot(), foot.plot.map()),
        (foot.plot(1, extent=extent), foot.plot.map(1, extent=extent)),
    ):
        assert one.get_xlim() == other.get_xlim()
        assert [text.get_text() for text in one.texts] == [text.get_text() for text in other.texts]


def test_the_mark_of_the_receptor_hides_no_data() -> None:
    """Nine tenths of the pixels of the cell around the receptor are as without it."""
    pictures = []
    for marked in (True, False):
        ax = night().plot.map(receptor=marked, outlines=False, scale=False)
        ax.figure.canvas.draw()
        pictures.append(np.asarray(ax.figure.canvas.buffer_rgba())[..., :3].astype(int))
    corners = ax.transData.transform([(-112.01, 40.59), (-111.99, 40.62)]).astype(int)
    (x0, y0), (x1, y1) = corners
    height = pictures[0].shape[0]
    cells = [picture[height - y1 : height - y0, x0:x1] for picture in pictures]
    assert cells[0].size > 3000
    same = (cells[0] == cells[1]).all(axis=-1).mean()
    assert 0.9 < same < 1.0


def test_title_and_colour_bar_of_a_square_grid_do_not_overlap() -> None:
    ax = night().plot.map(zoom=False)
    ax.figure.canvas.draw()
    renderer = ax.figure.canvas.get_renderer()
    title = ax._left_title.get_window_extent(renderer)
    (bar,) = ax.child_axes
    colours = bar.get_tightbbox(renderer)
    assert not title.overlaps(colours)
    assert colours.x1 < ax.figure.bbox.x1
    assert bar.get_window_extent().height == pytest.approx(ax.get_window_extent().height, rel=0.01)


def test_outlines_lie_where_they_are_on_the_ground() -> None:
    """The same points of the Great Salt Lake, in degrees and on a projected grid."""
    from stilt.footprint.cell_grid import transformer

    extent = {"degrees": (-113.0, -111.0, 40.0, 42.0), "utm": None}
    places = {}
    for grid in GRIDS:
        ax = footprint(grid).plot.map(extent=extent[grid], zoom=False)
        lakes = [one for one in ax.collections if one.get_label() == "lakes"]
        points = np.concatenate(lakes[0].get_segments())
        if grid == "utm":
            x, y = transformer(GRIDS["utm"]["projection"]).transform(*points.T, direction="INVERSE")
            points = np.column_stack([x, y])
        places[grid] = points[(points[:, 1] > 40.7) & (points[:, 1] < 41.2)]
        assert len(places[grid]) > 30
    gaps = np.abs(places["utm"][:, None] - places["degrees"][None]).max(axis=-1).min(axis=1)
    assert np.median(gaps) < 0.01


def test_colours_get_darker_for_everybody() -> None:
    """Lightness falls in like steps, also without one kind of cones.

    Source of the matrices: Machado, Oliveira and Fernandes 2009, table 1.
    """
    from stilt.plotting.style import influence_colours

    # fmt: off
    seen = {
        "all": np.eye(3),
        "no red": [[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]],
        "no green": [[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]],
        "no blue": [[1.256, -0.077, -0.179], [-0.078, 0.931, 0.148], [0.005, 0.691, 0.304]],
    }
    # fmt: on
    colours = influence_colours()(np.linspace(0, 1, 15))[:, :3]
    linear = np.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4)
    for who, matrix in seen.items():
        luminance = np.clip(linear @ np.array(matrix).T, 0, 1) @ [0.2126, 0.7152, 0.0722]
        steps = np.diff(116 * np.cbrt(luminance) - 16)
        assert (steps < -2.5).all(), who


def test_empty_footprints_say_why() -> None:
    ax = footprint(lon=20.0).plot.map()
    assert any(empty_text("outside_domain") in text.get_text() for text in ax.texts)


def test_a_single_row_or_column_is_drawn_as_wide_as_it_is() -> None:
    bounds = {"xmin": -112.1, "xmax": -112.0, "ymin": 40.5, "ymax": 41.0}
    config = FootprintConfig(**bounds, xres=0.1, yres=0.1)
    foot = Footprint.calculate(particles(), RECEPTOR, config)
    ax = foot.plot.map()
    assert ax.get_xlim() == pytest.approx((-112.1, -112.0))
    corners = mesh_of(ax).get_coordinates()
    np.testing.assert_allclose(corners[0, :, 0], [-112.1, -112.0])


def test_two_columns_across_the_dateline_lie_side_by_side() -> None:
    bounds = {"xmin": 179.9, "xmax": -179.9, "ymin": 40.5, "ymax": 41.0}
    config = FootprintConfig(**bounds, xres=0.1, yres=0.1)
    ax = Footprint.calculate(particles(), RECEPTOR, config).plot.map()
    assert ax.get_xlim() == pytest.approx((179.9, 180.1))
    assert ax.get_title(loc="left").startswith("Footprint of 40.6°N")


def test_grids_across_the_dateline_are_drawn_without_a_jump() -> None:
    receptor = PointReceptor("2023-07-15 18:00:00", -179.9, 40.6, 5.0)
    bounds = {"xmin": 179.0, "xmax": -178.0, "ymin": 40, "ymax": 41.5}
    table = particles(180.0)
    table["long"] = (table["long"] + 180) % 360 - 180
    config = FootprintConfig(**bounds, xres=0.1, yres=0.1)
    ax = Footprint.calculate(table, receptor, config).plot.map(zoom=False)
    assert ax.get_xlim() == pytest.approx((179.0, 182.0))
    star = next(line for line in ax.lines if line.get_label() == "receptor")
    assert star.get_xdata()[0] == pytest.approx(180.1)


def test_facet_has_a_panel_per_layer() -> None:
    panels = footprint().plot.facet(ncols=2)
    assert panels.shape == (2, 2)
    titles = [ax.get_title() for ax in panels.flat if ax.get_title()]
    assert titles == ["2023-07-15 15:00", "2023-07-15 16:00", "2023-07-15 17:00"]


def test_a_long_title_above_one_narrow_panel_stays_on_the_figure() -> None:
    title = "Footprint of WBB, 40.77°N 111.85°W, 5 m above ground, 2019-05-30 10:00 UTC"
    panels = footprint().plot.facet(hours=3, title=title)
    assert panels.size == 1
    figure = panels.flat[0].figure
    figure.canvas.draw()
    box = figure._suptitle.get_window_extent()
    assert box.x0 >= 0
    assert box.x1 <= figure.bbox.width
    assert figure.get_suptitle().split() == title.split()


def test_facet_sums_hours_from_the_last_and_draws_on_given_axes() -> None:
    foot = footprint()
    _, given = plt.subplots(1, 2)
    axes = foot.plot.facet(hours=2, axes=given)
    assert [ax.get_title() for ax in axes] == ["2023-07-15 15:00", "2023-07-15 16:00, 2 hours"]
    assert axes[0] is given[0]
    drawn = [float(mesh_of(ax).get_array().sum()) for ax in axes]
    layers = foot.data.sum(("lat", "lon")).values
    assert drawn == pytest.approx([layers[0], layers[1] + layers[2]], rel=1e-5)
    with pytest.raises(UsageError, match="3 panels cannot be drawn on 2 axes"):
        foot.plot.facet(axes=given)
    with pytest.raises(UsageError, match="hours=0"):
        foot.plot.facet(hours=0)


@pytest.mark.parametrize("column", ["age", "height", "influence", "zagl"])
def test_map_of_particles(column: str, tmp_path) -> None:
    ax = Trajectories(particles(), RECEPTOR).plot.map(column)
    ax.figure.savefig(tmp_path / "map.png", dpi=40)
    with pytest.raises(UsageError, match="no column 'sigw'"):
        Trajectories(particles(), RECEPTOR).plot.map("sigw")


def test_particles_from_the_side_and_in_space() -> None:
    table = particles()
    table["mlht"] = 700.0
    plots = Trajectories(table, RECEPTOR).plot
    side = plots.profile(vmin=1e-4)
    assert side.get_ylabel() == "height above ground, m"
    assert side.lines[0].get_ydata() == pytest.approx(700.0)
    deep = plots.space("height")
    shown = np.asarray(deep.collections[0]._offsets3d)
    assert shown[2].max() == pytest.approx(table["zagl"].max())
    with pytest.raises(UsageError, match='projection="3d"'):
        plots.space(ax=side)


def test_degrees_on_a_projected_map_are_dark_with_a_white_edge() -> None:
    from matplotlib.colors import to_rgba

    from stilt.plotting.style import INK

    ax = footprint("utm").plot.map(outlines=False, scale=False)
    degrees = [text for text in ax.texts if "°" in text.get_text() and text.get_path_effects()]
    marks = {text.get_text()[-1] for text in degrees if to_rgba(text.get_color()) == to_rgba(INK)}
    assert marks == {"N", "W"}
    plt.close("all")


@pytest.mark.parametrize("share", [0.9, 1.0])
def test_steps_without_influence_are_grey_under_the_others(share: float) -> None:
    from matplotlib.colors import to_rgba

    from stilt.plotting.style import LINES

    table = particles()
    table.loc[: int(share * len(table)) - 1, "foot"] = 0.0
    plots = Trajectories(table, RECEPTOR).plot
    for ax in (plots.profile(alpha=1.0), plots.map("influence", alpha=1.0)):
        (dots,) = (one for one in ax.collections if len(one.get_offsets()) == len(table))
        ax.figure.canvas.draw()
        grey = (dots.get_facecolors() == to_rgba(LINES)).all(axis=1)
        assert grey[: int(share * len(table))].all()
        assert grey.mean() == pytest.approx(share)
        labels = [child.get_ylabel() for child in ax.child_axes]
        assert labels[0].endswith("grey: none")
    deep = plots.space("influence", outlines=False)
    assert len(deep.collections[0]._offsets3d[0]) == len(table)
    plt.close("all")


def test_a_long_title_stays_within_the_figure() -> None:
    receptor = PointReceptor("2019-05-30 10:00", -111.847672, 40.766189, 35.0)
    table = particles()
    small = {"xmin": -113, "xmax": -111, "ymin": 40, "ymax": 41.5, "xres": 0.1, "yres": 0.1}
    for ax in (
        Footprint.calculate(table, receptor, FootprintConfig(**small), "default").plot.map(
            shares=(0.5, 0.9)
        ),
        Trajectories(table, receptor).plot.map(letters=11.0),
        Trajectories(table, receptor).plot.map(figsize=(4.0, 6.0)),
    ):
        ax.figure.canvas.draw()
        title = ax._left_title.get_window_extent()
        assert title.x1 <= ax.figure.bbox.x1
        assert title.y1 <= ax.figure.bbox.y1
    plt.close("all")


def test_keywords_that_no_picture_takes_are_refused() -> None:
    with pytest.raises(TypeError, match="'colour'"):
        footprint().plot.map(colour="red")  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="'colour'"):
        Trajectories(particles(), RECEPTOR).plot.map(colour="red")  # type: ignore[call-arg]
    with pytest.raises(UsageError, match="0 < vmin < vmax"):
        footprint().plot.map(vmin=5.0)
    with pytest.raises(UsageError, match="is empty"):
        footprint().plot.map(extent=(-111, -112, 40, 41))
    for draw in (
        footprint().plot.map,
        footprint().plot.facet,
        Trajectories(particles(), RECEPTOR).plot.map,
    ):
        with pytest.raises(UsageError, match="are longitudes and latitudes exchanged"):
            draw(extent=(40, 41, -113, -111))
        with pytest.raises(UsageError, match="has nothing of what is drawn"):
            draw(extent=(0, 1, 40, 41))
    with pytest.raises(UsageError, match="between 0 and 1"):
        footprint().plot.map(shares=[90])
    for picture in (footprint(), Trajectories(particles(), RECEPTOR)):
        with pytest.raises(UsageError, match="extent takes the west, east, south and north"):
            picture.plot.map(extent=(-112, -111))


def test_one_share_stands_alone() -> None:
    (drawn,) = footprint().plot.map(shares=0.5).get_legend().get_texts()
    assert drawn.get_text() == "50% of the influence"


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


def test_a_film_shows_particles_move_and_the_footprint_grow(tmp_path) -> None:
    from PIL import Image

    from stilt.plotting import save_animation

    table = particles()
    film = Trajectories(table, RECEPTOR).plot.animate(footprint(), frames=4, figsize=(4, 3))
    ax = plt.gcf().axes[0]
    path = save_animation(film, tmp_path / "film.gif", dpi=40)
    with Image.open(path) as picture:
        assert picture.n_frames == 4
    clock = [text.get_text() for text in ax.texts if "measurement" in text.get_text()]
    assert clock == ["2 h 30 min before the measurement, 2023-07-15 15:30 UTC"]
    dots = next(line for line in ax.lines if line.get_marker() == "o")
    last = table[table["time"] == -150]
    np.testing.assert_allclose(dots.get_xdata(), last["long"])
    np.testing.assert_allclose(dots.get_ydata(), last["lati"])
    whole = footprint().data.sum()
    assert float(mesh_of(ax).get_array().sum()) == pytest.approx(float(whole), rel=1e-5)


@pytest.mark.parametrize("grid", GRIDS)
def test_the_footprint_of_a_film_grows_by_the_hours_passed(grid: str) -> None:
    foot = footprint(grid)
    film = Trajectories(particles(), RECEPTOR).plot.animate(foot, frames=150)
    ax = plt.gcf().axes[0]
    layers = foot.data.values.sum(axis=(1, 2))
    for minute, passed in ((59, 1), (61, 2), (119, 2), (121, 3)):
        film._func(minute - 1)
        drawn = float(mesh_of(ax).get_array().sum())
        assert drawn == pytest.approx(layers[-passed:].sum(), rel=1e-5), minute
    film._draw_was_started = True  # It is not to be drawn: matplotlib would warn.


def test_films_that_cannot_be_written_are_refused(monkeypatch, tmp_path) -> None:
    from stilt.plotting import animation

    with pytest.raises(UsageError, match=r"as '\.png': choose \.gif, \.webp, \.mp4, \.html"):
        animation.check_film(tmp_path / "film.png")
    monkeypatch.setattr(animation.shutil, "which", lambda name: None)
    with pytest.raises(UsageError, match=r"ffmpeg.*write a \.gif"):
        animation.check_film(tmp_path / "film.mp4")
    with pytest.raises(UsageError, match="no particles"):
        Trajectories(particles().head(0), RECEPTOR).plot.animate()


def test_a_map_of_particles_in_a_line_is_not_flat() -> None:
    from stilt.plotting.trajectories import SHAPES, bounds_of_dots, map_shape

    line, here = np.linspace(-115.0, -112.0, 50), np.full(50, 40.0)
    for x, y, shape in ((line, here, SHAPES[0]), (here - 152.0, -line - 73.0, SHAPES[1])):
        west, east, south, north = bounds_of_dots(x, y)
        assert west < x.min() <= x.max() < east
        assert south < y.min() <= y.max() < north
        middle = np.cos(np.deg2rad((south + north) / 2))
        assert (north - south) / (east - west) / middle == pytest.approx(shape, rel=1e-3)
        assert map_shape((west, east, south, north)) == pytest.approx(shape)


@pytest.mark.parametrize("value", [1e-4, 1e-2, 1.0])
def test_the_mark_of_the_receptor_is_seen_on_every_colour(value: float) -> None:
    """Its strokes and their halo differ from each other, and one of them from what is below."""
    foot = night()
    foot.data[:] = value
    ax = foot.plot.map(outlines=False, scale=False, graticule=False, vmin=1e-4, vmax=1.0)
    ax.figure.canvas.draw()
    picture = np.asarray(ax.figure.canvas.buffer_rgba())[..., :3].astype(int)
    x, y = ax.transData.transform((-112.0, 40.6)).astype(int)
    below = picture.shape[0] - y
    around = picture[below - 30 : below + 30, x - 30 : x + 30]
    bright = (around > 250).all(axis=-1)
    ink = np.abs(around - np.array([0x22, 0x30, 0x3C])).max(axis=-1) < 12
    assert bright.sum() > 120
    assert ink.sum() > 40


@pytest.mark.parametrize(("labels", "first"), [({"site": "WBB"}, "WBB, 40.6°N"), ({}, "40.6°N")])
def test_titles_begin_with_the_site_of_a_receptor(labels: dict[str, str], first: str) -> None:
    receptor = PointReceptor("2023-07-15 18:00:00", -112.0, 40.6, 5.0, labels=labels)
    assert receptor_text(receptor) == f"{first} 112°W, 5 m above ground, 2023-07-15 18:00 UTC"
