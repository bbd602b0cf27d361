"""What fluxes add, by footprints: `Footprint.enhancement` of many at once."""

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from small_footprints import BINS, FOOTPRINTS, GRID, flux_of, made, target

from stilt import Footprint, PointReceptor
from stilt.errors import UsageError
from stilt.footprint.enhancement import Enhancement, enhancement, flux_factor
from stilt.footprint.jacobian import jacobian
from stilt.footprint.layers import Layers
from stilt.footprint.regions import Regions, regional_jacobian


def test_a_constant_flux_gives_flux_times_total() -> None:
    cover = target(0.4, -113.2, -110.8)
    flux = flux_of(np.full((4, 6), 3.0), cover["lon"].values, cover["lat"].values)
    found = enhancement(FOOTPRINTS, flux)
    expected = [3.0 * foot.total for foot in FOOTPRINTS]
    np.testing.assert_allclose(found["enhancement_ppm"], expected, rtol=1e-9)
    np.testing.assert_allclose(found["outside"], 0.0, atol=1e-12)
    assert list(found["time"]) == [foot.receptor.time for foot in FOOTPRINTS]


def even_flux(foot: Footprint, times, values) -> xr.DataArray:
    """A flux on a footprint's cells, the same everywhere, of some times."""
    lon, lat = foot.data["lon"].values, foot.data["lat"].values
    field = np.ones((len(values), lat.size, lon.size)) * np.asarray(values)[:, None, None]
    return flux_of(field, lon, lat, pd.DatetimeIndex(times))


def hourly(foot: Footprint) -> np.ndarray:
    """Influence of each hour."""
    return foot.data.sum(foot.data.dims[1:]).values


def test_each_flux_step_holds_until_the_next() -> None:
    foot = FOOTPRINTS[0]
    times = ["2023-07-15 17:00", "2023-07-15 15:00", "2023-07-15 16:30", "2023-07-15 18:00"]
    found = enhancement([foot], even_flux(foot, times, [100.0, 1.0, 10.0, 5.0]))
    hours = hourly(foot)  # 15, 16 and 17 h
    assert found["enhancement_ppm"].item() == pytest.approx(hours @ [1.0, 5.5, 100.0])
    with pytest.warns(UserWarning, match="The flux covers only"):
        found = enhancement([foot], even_flux(foot, times[:2], [100.0, 1.0]).assign_coords(
            time=pd.DatetimeIndex(times[:2]) + pd.Timedelta("1h")))  # fmt: skip
    assert found["outside"].item() == pytest.approx(hours[0])
    assert found["outside_share"].item() == pytest.approx(hours[0] / foot.total)


def test_a_receptor_between_hours_takes_its_share_of_each_hour_of_flux() -> None:
    base = FOOTPRINTS[0]
    receptor = PointReceptor("2023-07-15 14:37:00", -112.0, 40.6, 5.0)
    data = base.data.assign_coords(time=base.data["time"] - np.timedelta64(203, "m"))
    foot = Footprint(receptor, base.config, data)
    times = pd.date_range("2023-07-15 11:00", periods=4, freq="h")
    hours = hourly(foot)  # from 11:37, 12:37 and 13:37
    expected = hours @ (
        np.array([1.0, 10.0, 100.0]) * 23 / 60 + np.array([10.0, 100.0, 1000.0]) * 37 / 60
    )
    found = foot.enhancement(even_flux(foot, times, [1.0, 10.0, 100.0, 1000.0]))
    assert found == pytest.approx(expected)
    assert found.outside == pytest.approx(0.0, abs=1e-12)
    with pytest.warns(UserWarning, match="The flux covers only"):
        found = foot.enhancement(even_flux(foot, times[:3], [1.0, 10.0, 100.0]))
    assert found.outside == pytest.approx(hours[2] * 37 / 60)


@pytest.mark.parametrize("years", [-1, 1])
def test_a_flux_of_another_year_is_told_of(years: int) -> None:
    foot = FOOTPRINTS[0]
    times = pd.date_range("2023-07-15", periods=24, freq="h") + pd.DateOffset(years=years)
    with pytest.warns(UserWarning) as told:  # noqa: PT030
        found = foot.enhancement(even_flux(foot, times, np.ones(24)))
    assert len(told) == 1
    assert str(told[0].message) == (
        "The flux covers only 0% of the influence of 202307151800_-112_40.6_5 (its hours are "
        f"2023-07-15 15:00 to 2023-07-15 18:00, the flux's {2023 + years}-07-15 00:00 to "
        f"{2023 + years}-07-16 00:00); what it leaves out is not in the enhancement."
    )
    assert (found, found.outside_share) == (0.0, 1.0)
    assert found.outside == pytest.approx(foot.total)


def test_many_footprints_are_told_of_once() -> None:
    flux = flux_of(np.ones((2, 2)), [-112.0, -111.8], [40.5, 40.7])
    with pytest.warns(UserWarning) as told:  # noqa: PT030
        found = enhancement(FOOTPRINTS, flux)
    assert len(told) == 1
    assert "where the flux has no value" in str(told[0].message)
    assert str(told[0].message).endswith("For 3 of 5 footprints it leaves out more than a tenth.")
    assert (found["outside_share"] > 0.1).sum() == 3
    assert found["outside_share"].iloc[4] == 0.0  # an empty footprint lacks nothing


def test_less_than_a_tenth_is_not_told_of() -> None:
    foot = FOOTPRINTS[0]
    hours = hourly(foot)
    times = pd.date_range("2023-07-15 15:00", periods=36, freq="5min")
    most = times[int(12 * 0.15 * foot.total / hours[0]) // 2 :]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = foot.enhancement(even_flux(foot, most, np.ones(most.size)))
    assert 0.0 < found.outside_share < 0.1


def test_an_enhancement_is_a_number_that_can_be_sent_to_another_process() -> None:
    number = pickle.loads(pickle.dumps(Enhancement(1.5, 0.2, 0.1)))
    assert (number, number.outside, number.outside_share) == (1.5, 0.2, 0.1)
    assert number + 1 == 2.5


def test_two_fields_of_one_time_are_an_error() -> None:
    foot = FOOTPRINTS[0]
    times = ["2023-07-15 15:00", "2023-07-15 17:00", "2023-07-15 15:00"]
    with pytest.raises(UsageError, match="more than one field at 2023-07-15T15:00:00"):
        foot.enhancement(even_flux(foot, times, [1.0, 2.0, 3.0]))
    matrix = jacobian([foot], target(), BINS)
    flux = pd.Series(1.0, index=matrix.columns)
    with pytest.raises(UsageError, match="more than one value for"):
        matrix.enhancement(pd.concat([flux, flux[:1]]))


@pytest.mark.filterwarnings("ignore:The matrix holds only 20%")
def test_a_flux_of_cells_is_the_same_in_all_bins_of_a_jacobian() -> None:
    matrix = jacobian(FOOTPRINTS, target(), BINS)
    assert len(matrix.bins) > 1
    cells = np.random.default_rng(0).uniform(size=len(matrix.cells))
    wanted = matrix.matrix @ np.tile(cells, len(matrix.bins))
    ordered = pd.Series(cells, index=matrix.cells)
    field = ordered.to_xarray().transpose("lat", "lon").assign_attrs(units="umol m-2 s-1")
    in_time = field.expand_dims(time=matrix.bins).transpose("lat", "time", "lon")
    nmol = (1000.0 * field).assign_attrs(units="nmol m-2 s-1")
    for flux in (cells, cells.tolist(), ordered, ordered[::-1], field, in_time, nmol):
        np.testing.assert_allclose(matrix.enhancement(flux), wanted)
    for wrong in (cells[1:], ordered[1:]):
        with pytest.raises(UsageError, match=r"time bins, in each \d+ cells\), or for each cell"):
            matrix.enhancement(wrong)
    with pytest.raises(UsageError, match="dimensions cell; the Jacobian's are time, lon, lat"):
        matrix.enhancement(xr.DataArray(cells, dims="cell"))
    with pytest.raises(UsageError, match="must be numbers, not str"):
        matrix.enhancement("some")


@pytest.mark.parametrize("regions", [False, True])
def test_rows_outside_all_time_bins_are_told_of(regions: bool) -> None:
    day = pd.date_range("2023-07-13", periods=3, freq="12h")
    said = r"4 of 5 rows .* \(2023-07-13 00:00 to 2023-07-14 00:00 UTC\), as that of 2023071"
    layers = [Layers.of(one) for one in FOOTPRINTS]
    make, places = jacobian, target()
    if regions:
        box = pytest.importorskip("shapely").box(-113, 40, -111, 41.5)
        make, places = regional_jacobian, Regions.of({"all": box})
    with pytest.warns(UserWarning, match=said):
        matrix = make(layers, places, day)
    assert matrix.matrix.nnz == 0
    assert (matrix.outside_times > 0.0).sum() == 4  # one of the footprints is empty


@pytest.mark.filterwarnings("ignore:The matrix holds only 20%")
def test_a_flux_of_regions_is_the_same_in_all_bins_of_a_jacobian() -> None:
    box = pytest.importorskip("shapely").box
    halves = {"west": box(-113, 40, -112, 41.5), "east": box(-112, 40, -111, 41.5)}
    matrix = regional_jacobian([Layers.of(one) for one in FOOTPRINTS], Regions.of(halves), BINS)
    wanted = matrix.matrix @ np.tile([1.0, 2.0], len(matrix.bins))
    series = pd.Series({"east": 2.0, "west": 1.0})
    for flux in ([1.0, 2.0], series, xr.DataArray(series, dims="region")):
        np.testing.assert_allclose(matrix.enhancement(flux), wanted)


def test_times_and_dimensions_that_cannot_be_used_are_named() -> None:
    foot = FOOTPRINTS[0]
    flux = even_flux(foot, ["2023-07-15 15:00", "2023-07-15 16:00"], [1.0, 2.0])
    with pytest.raises(UsageError, match="must all be dates"):
        foot.enhancement(flux.assign_coords(time=[1, 2]))
    with pytest.raises(UsageError, match="'time' has no values: give its dates"):
        foot.enhancement(flux.drop_vars("time"))
    with pytest.raises(UsageError, match="dimension 'sector'"):
        foot.enhancement(flux.expand_dims(sector=["road", "power"]))


def test_a_flux_of_a_single_time_holds_always_and_another_year_is_told_of() -> None:
    foot = FOOTPRINTS[0]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert foot.enhancement(even_flux(foot, ["2023-01-01"], [2.0])) == pytest.approx(
            2.0 * foot.total
        )
    for when in ("2024-01-01", "2015-01-01"):
        with pytest.warns(UserWarning, match="a single time"):
            found = foot.enhancement(even_flux(foot, [when], [2.0]))
        assert found == pytest.approx(2.0 * foot.total)


def test_summed_hours_take_no_flux_that_changes() -> None:
    foot = made(0, grid={**GRID, "time_integrate": True})
    lon, lat = foot.data["lon"].values, foot.data["lat"].values
    times = pd.DatetimeIndex(["2023-07-15 15:00", "2023-07-15 16:00"])
    changing = flux_of(np.ones((2, lat.size, lon.size)), lon, lat, times)
    with pytest.raises(UsageError, match=r"sum of its hours \(time_integrate\)"):
        enhancement([foot], changing)
    found = enhancement([foot], changing.isel(time=0, drop=True))
    assert found["enhancement_ppm"].item() == pytest.approx(float(foot.data.sum()))


@pytest.mark.parametrize(
    ("units", "factor"),
    [
        ("umol m-2 s-1", 1.0),
        ("µmol m-2 s-1", 1.0),
        ("umol/m2/s", 1.0),
        ("umol m^-2 s^-1", 1.0),
        ("micromol m**-2 s**-1", 1.0),
        ("mol m-2 s-1", 1e6),
        ("nmol m-2 s-1", 1e-3),
        ("μmol m⁻² s⁻¹", 1.0),
        ("mol km-2 h-1", 1e6 / 1e6 / 3600),
        ("s-1 mol m-2", 1e6),
        ("umol m−2 s−1", 1.0),
    ],
)
def test_units_are_converted(units: str, factor: float) -> None:
    assert flux_factor(units) == pytest.approx(factor)


def test_mass_fluxes_need_a_molar_mass() -> None:
    assert flux_factor("kg m-2 s-1", 44.0095) == pytest.approx(1e9 / 44.0095)
    with pytest.raises(UsageError, match="molar_mass_g"):
        flux_factor("kg m-2 s-1")


@pytest.mark.parametrize("units", ["", "1", "ppm", "umol m-2", "umol m-2 s-1 K-1", "umol m2 s-1"])
def test_other_units_are_refused(units: str) -> None:
    with pytest.raises(UsageError, match="unit"):
        enhancement(FOOTPRINTS[:1], flux_of(np.ones((2, 2)), [1.0, 2.0], [1.0, 2.0], units=units))


@pytest.mark.parametrize(
    ("units", "advice"),
    [
        ("gC m-2 day-1", "leave the name of the gas out"),
        ("kg CO2 m-2 s-1", "leave the name of the gas out"),
        ("Mg month-1", "divided by the cell's area"),
        ("t/cell/year", "divided by the cell's area"),
        ("kg m-2", "divided by that time"),
        ("ton km-2 yr-1", "write tonne"),
        ("kton km-2 yr-1", "write tonne"),
        ("ppm (umol-1 m2 s)", "the inverse of one, as the unit of a footprint is"),
        ("m2 s kg-1", "the inverse of one"),
        ("umol CO2 m-2 s-1", "leave the name of the gas out"),
    ],
)
def test_refused_units_come_with_advice(units: str, advice: str) -> None:
    with pytest.raises(UsageError, match=advice):
        flux_factor(units, 44.0)


@pytest.mark.parametrize("fill", [-9999.0, 1e20, 9.96921e36])
def test_numbers_that_stand_for_missing_values_are_refused(fill: float) -> None:
    flux = even_flux(FOOTPRINTS[0], ["2023-07-15 15:00", "2023-07-15 16:00"], [1.0, 1.0])
    flux[0, 0, 0] = fill
    with pytest.raises(UsageError, match="stand for missing values"):
        enhancement(FOOTPRINTS[:1], flux)


@pytest.mark.parametrize(
    "names", [("Lat", "Lon"), ("nav_lat", "nav_lon"), ("LATITUDE", "LONGITUDE")]
)
def test_like_names_of_axes_are_understood(names: tuple[str, str]) -> None:
    foot = FOOTPRINTS[0]
    flux = even_flux(foot, ["2023-07-15 15:00"], [2.0]).isel(time=0, drop=True)
    renamed = flux.rename(dict(zip(("lat", "lon"), names, strict=True)))
    assert foot.enhancement(renamed) == pytest.approx(foot.enhancement(flux))


def test_a_flux_elsewhere_adds_nothing_and_says_so() -> None:
    flux = xr.DataArray(
        np.ones((3, 4)),
        coords={"lat": [40.0, 41.0, 42.0], "lon": [10.0, 11.0, 12.0, 13.0]},
        dims=("lat", "lon"),
        attrs={"units": "umol m-2 s-1"},
    )
    foot = made(0)
    with pytest.warns(UserWarning, match="leaves out"):
        found = enhancement([foot], flux)
    assert found["enhancement_ppm"].item() == 0.0
    assert found["outside"].item() == pytest.approx(foot.total)
    assert found["outside_share"].item() == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("flux", "said"),
    [
        (xr.Dataset({"co2": ("x", [1.0])}), r"data\[NAME\]\. It has 'co2'"),
        ("flux.nc", "not a str; a file is opened with xarray.open_dataset"),
        (np.ones((2, 2)), "not a ndarray"),
    ],
)
def test_what_is_no_flux_is_one_sentence(flux: object, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        enhancement([made(0)], flux)


def test_exchanged_latitudes_and_longitudes_are_refused() -> None:
    flux = xr.DataArray(
        np.ones((3, 4)),
        coords={"lat": [-111.5, -111.0, -110.5], "lon": [40.0, 41.0, 42.0, 43.0]},
        dims=("lat", "lon"),
        attrs={"units": "umol m-2 s-1"},
    )
    with pytest.raises(UsageError, match=r"flux has the latitude -111\.5, beyond 90.*exchanged\?"):
        enhancement([made(0)], flux)
    with pytest.raises(UsageError, match="latitude -111"):
        enhancement([made(0)], flux.rename(lat="latitude", lon="longitude"))
    with pytest.raises(UsageError, match="target has the latitude -111"):
        made(0).aggregate([(40.0, -111.0)], pd.date_range("2023-07-15", periods=2))


def test_a_gap_at_some_times_is_refused() -> None:
    times = pd.date_range("2023-07-15", periods=2, freq="1h")
    gaps = flux_of(np.ones((2, 2, 2)), [1.0, 2.0], [1.0, 2.0], times)
    gaps[0, 0, 0] = np.nan
    with pytest.raises(UsageError, match="NaN at some times only"):
        enhancement(FOOTPRINTS, gaps)
