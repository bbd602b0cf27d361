"""A series says where and how high its receptors are, in numbers' order, and hides no curve."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from stilt import PointReceptor

pytest.importorskip("matplotlib").use("Agg")
plt = pytest.importorskip("matplotlib.pyplot")

from stilt.plotting.series import draw_series  # noqa: E402
from stilt.plotting.style import dress_dates  # noqa: E402

NIGHT = pd.date_range("2023-07-10", periods=24, freq="h")
TOWER = (5, 1000, 30, 200, 100, 500)


def one(time, lon=-111.85, lat=40.77, height=30.0, **more):
    receptor = PointReceptor(time, lon, lat, height, **more)
    return SimpleNamespace(name="near", receptor=receptor, total=1.0 + height / 1000)


def drawn(footprints):
    return draw_series(footprints, None, log=False)


def note_of(ax) -> str:
    return next(text.get_text() for text in ax.texts)


def legend_of(ax) -> list[str]:
    return [text.get_text() for text in ax.get_legend().get_texts()]


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


def test_heights_of_one_place_are_in_numerical_order() -> None:
    ax = drawn([one(time, height=height) for time in NIGHT for height in TOWER])
    assert legend_of(ax) == ["5 m", "30 m", "100 m", "200 m", "500 m", "1000 m"]
    assert note_of(ax) == "40.77°N 111.85°W, 6 heights"
    assert ax.get_title(loc="left").endswith("footprint 'near'")
    assert [line.get_ydata()[0] for line in ax.lines] == pytest.approx(
        [1.0 + height / 1000 for height in sorted(TOWER)]
    )


def test_the_legend_lies_beside_the_curves() -> None:
    ax = drawn([one(time, height=height) for time in NIGHT for height in TOWER])
    ax.figure.canvas.draw()
    renderer = ax.figure.canvas.get_renderer()
    legend = ax.get_legend().get_window_extent(renderer)
    assert legend.x0 >= ax.get_window_extent(renderer).x1
    assert legend.x1 <= ax.figure.bbox.x1


def test_places_are_told_apart_by_what_differs() -> None:
    sites = ((-113.3, 41.0), (-111.85, 40.77), (-112.05, 40.5))
    ax = drawn([one(time, lon, lat) for time in NIGHT for lon, lat in sites])
    assert legend_of(ax) == ["41°N 113.3°W", "40.5°N 112.05°W", "40.77°N 111.85°W"]
    assert note_of(ax) == "3 places, 30 m"
    heights = dict(zip(sites, (10, 20, 50), strict=True))
    ax = drawn([one(time, *at, height) for time in NIGHT for at, height in heights.items()])
    assert legend_of(ax)[0] == "41°N 113.3°W, 10 m"
    assert note_of(ax) == "3 places"
    ax = drawn([one(time, *at, height) for time in NIGHT for at in sites for height in (10, 20)])
    assert note_of(ax) == "3 places, 2 heights"
    ax = drawn([one(time, height=2000, altitude_ref="msl") for time in NIGHT])
    assert note_of(ax) == "40.77°N 111.85°W, 2000 m above sea level"


def test_sites_have_their_names() -> None:
    sites = {"WBB": (-111.85, 40.77), "HDP": (-111.65, 40.56)}
    ax = drawn(
        [one(time, *at, labels={"site": name}) for time in NIGHT for name, at in sites.items()]
    )
    assert legend_of(ax) == ["WBB", "HDP"]
    ax = drawn(
        [one(time, height=height, labels={"site": "WBB"}) for time in NIGHT for height in (30, 5)]
    )
    assert legend_of(ax) == ["5 m", "30 m"]
    assert note_of(ax) == "WBB, 2 heights"
    # One name for several places, as of a flight, tells none of them.
    ax = drawn([one(time, *at, labels={"site": "C130"}) for time in NIGHT for at in sites.values()])
    assert legend_of(ax) == ["40.77°N 111.85°W", "40.56°N 111.65°W"]


def test_a_single_receptor_is_drawn_within_hours_of_its_time() -> None:
    ax = drawn([one(NIGHT[3])])
    first, last = ax.get_xlim()
    assert last - first == pytest.approx(0.25)
    assert ax.get_legend() is None
    assert note_of(ax) == "40.77°N 111.85°W, 30 m"


def test_a_line_breaks_where_hours_are_missing() -> None:
    hours = [time for time in NIGHT if not 8 <= time.hour <= 12]
    (line,) = drawn([one(time) for time in hours]).lines
    values = line.get_ydata()
    assert np.flatnonzero(np.isnan(values)).tolist() == [8]
    assert values.size == len(hours) + 1
    (whole,) = drawn([one(time) for time in NIGHT]).lines
    assert not np.isnan(whole.get_ydata()).any()


def test_too_many_places_have_no_legend() -> None:
    ax = drawn([one(NIGHT[0], lon=-112 + number / 10) for number in range(20)])
    assert ax.get_legend() is None
    assert note_of(ax) == "20 places, 30 m"


def test_the_corner_does_not_repeat_the_day_of_a_tick() -> None:
    _, ax = plt.subplots()
    for first, corner in (("15:00", "2023"), ("08:00", "15 Jul 2023")):
        times = pd.date_range(f"2023-07-15 {first}", periods=10, freq="h")
        ax.clear()
        ax.plot(times, range(10))
        dress_dates(ax)
        ax.figure.canvas.draw()
        days = [tick.get_text() for tick in ax.get_xticklabels() if ":" not in tick.get_text()]
        assert days == (["16 Jul"] if first == "15:00" else [])
        assert ax.xaxis.get_offset_text().get_text() == corner


def test_the_first_day_of_a_month_is_written_as_a_day():
    _, ax = plt.subplots()
    ax.plot(pd.date_range("2023-05-30", "2023-06-04", freq="h"), range(121))
    dress_dates(ax)
    ax.figure.canvas.draw()
    written = [tick.get_text() for tick in ax.get_xticklabels()]
    assert "01 Jun" in written
    assert "Jun" not in written
    plt.close(ax.figure)
