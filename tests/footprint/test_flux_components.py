"""Several fluxes at once, and fluxes that come again every day or year."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import stilt
from stilt.errors import UsageError
from stilt.footprint.components import components
from stilt.footprint.enhancement import enhancement
from stilt.footprint.layers import Layers

GRID = stilt.Grid(xmin=-113, xmax=-111, ymin=40, ymax=42, xres=0.1, yres=0.1)
CONFIG = stilt.FootprintConfig(grid=GRID)
LON = np.arange(-113.25, -110.7, 0.25)
LAT = np.arange(39.8, 42.2, 0.2)


def footprint(time: str, hours: int = 6, seed: int = 0) -> stilt.Footprint:
    """A footprint that is zero in most cells of its hourly layers."""
    rng = np.random.default_rng(seed)
    receptor = stilt.PointReceptor(time, -111.85, 40.77, 5.0)
    stamps = receptor.time.to_datetime64() + np.arange(-hours, 0).astype("timedelta64[h]")
    x, y = -113 + 0.1 * (np.arange(20) + 0.5), 40 + 0.1 * (np.arange(20) + 0.5)
    values = rng.gamma(0.5, 0.01, (hours, 20, 20)) * (rng.random((hours, 20, 20)) < 0.2)
    data = xr.DataArray(
        values, dims=("time", "lat", "lon"),
        coords={"time": stamps.astype("datetime64[ns]"), "lat": y, "lon": x}, name="foot",
    )  # fmt: skip
    return stilt.Footprint(receptor, CONFIG, data)


def flux(shape=(), dims=(), coords=None, seed=1, units="umol m-2 s-1") -> xr.DataArray:
    values = np.random.default_rng(seed).normal(1.0, 2.0, (*shape, LAT.size, LON.size))
    return xr.DataArray(
        values, dims=(*dims, "lat", "lon"), coords={"lat": LAT, "lon": LON, **(coords or {})},
        attrs={"units": units},
    )  # fmt: skip


FOOTPRINTS = [footprint("2023-07-15 14:23", seed=3), footprint("2023-07-01 00:37", seed=4)]


def test_components_are_the_enhancements_of_each_flux():
    hourly = flux((400,), ("time",), {"time": pd.date_range("2023-06-30", periods=400, freq="h")})
    monthly = flux((3,), ("time",), {"time": pd.date_range("2023-06-01", periods=3, freq="MS")})
    fluxes = {"hourly": hourly, "monthly": monthly, "static": flux(units="kg m-2 h-1")}
    found = components(map(Layers.of, FOOTPRINTS), fluxes, molar_mass_g=44.0095)
    for column, each in enumerate(fluxes.values()):
        expected = enhancement(FOOTPRINTS, each, molar_mass_g=44.0095)
        np.testing.assert_allclose(found.ppm[:, column], expected["enhancement_ppm"], rtol=1e-9)
        np.testing.assert_allclose(
            found.outside_share[:, column], expected["outside_share"], atol=1e-9
        )


def test_hours_of_the_day_and_months_are_met_in_parts():
    by_hour = flux((24,), ("hour",), {"hour": np.arange(24)})
    by_month = flux((12,), ("month",), {"month": np.arange(1, 13)}, seed=2)
    both = flux((12, 24), ("month", "hour"), {"month": np.arange(1, 13), "hour": np.arange(24)})
    found = components(
        map(Layers.of, FOOTPRINTS), {"hour": by_hour, "month": by_month, "both": both}
    )
    for row, foot in enumerate(FOOTPRINTS):
        sums = np.zeros(3)
        for number, stamp in enumerate(foot.data["time"].values):
            start = pd.Timestamp(stamp)
            layer = foot.data.isel(time=slice(number, number + 1))
            alone = stilt.Footprint(foot.receptor, CONFIG, layer)
            # Of the hour from 13:37 on, 23 minutes meet the flux of 13 o'clock.
            late = start.minute / 60
            for clock, share in (
                (start.floor("h"), 1 - late), (start.floor("h") + pd.Timedelta("1h"), late)
            ):  # fmt: skip
                fields = (
                    by_hour.sel(hour=clock.hour, drop=True),
                    by_month.sel(month=clock.month, drop=True),
                    both.sel(month=clock.month, hour=clock.hour, drop=True),
                )
                for column, each in enumerate(fields):
                    one = each.assign_attrs(units="umol m-2 s-1")
                    sums[column] += share * alone.enhancement(one)
        np.testing.assert_allclose(found.ppm[row], sums, rtol=1e-9)
    # The last hour of the second footprint begins in June and ends in July.
    assert pd.Timestamp(FOOTPRINTS[1].data["time"].values[-1]) == pd.Timestamp("2023-06-30 23:37")


def test_faults_of_a_flux_name_it():
    with pytest.raises(UsageError, match="Flux 'gee': The flux has no units"):
        components([], {"gee": flux().assign_attrs(units="")})
    with pytest.raises(UsageError, match=r"hour must have the coordinates 0 to 23 \(UTC\)"):
        components([], {"a": flux((24,), ("hour",), {"hour": np.arange(1, 25)})})
    with pytest.raises(UsageError, match="time and hour"):
        components([], {"a": flux((2, 24), ("time", "hour"),
                                  {"time": pd.date_range("2023", periods=2),
                                   "hour": np.arange(24)})})  # fmt: skip
    with pytest.raises(UsageError, match="dimension 'sector'"):
        components([], {"a": flux((3,), ("sector",))})
    summed = stilt.Footprint(
        FOOTPRINTS[0].receptor, CONFIG.model_copy(update={"time_integrate": True}),
        FOOTPRINTS[0].data[:1],
    )  # fmt: skip
    with pytest.raises(UsageError, match="the flux 'a' changes with time"):
        components([Layers.of(summed)], {"a": flux((24,), ("hour",), {"hour": np.arange(24)})})


def test_only_some_fields_are_kept(monkeypatch):
    from stilt.footprint import components as module

    monkeypatch.setattr(module, "CACHED_FIELDS_BYTES", 3 * 400 * 8)
    hourly = flux((400,), ("time",), {"time": pd.date_range("2023-06-30", periods=400, freq="h")})
    found = components(map(Layers.of, FOOTPRINTS), {"hourly": hourly})
    expected = enhancement(FOOTPRINTS, hourly)["enhancement_ppm"]
    np.testing.assert_allclose(found.ppm[:, 0], expected, rtol=1e-9)
