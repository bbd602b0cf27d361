# %% [markdown]
# # From a tower's month to a time series with background
#
# From a table of measurements we make receptors, footprints, a background and, with fluxes by sector, a modelled series to compare with the measurements: a month of one tower, with a measurement every afternoon. The weather and the fluxes are **synthetic**, and the measurements are random numbers: the modelled series is not meant to follow them.

# %% [markdown]
# ## 1. The measurements
#
# A table of times, places and values. `stilt observe` (here `model.observe`) makes receptors from it and keeps values, uncertainties and labels in the project. Times are UTC. The sun is highest at about 19:30 here, so 20:37 is early in the afternoon, when the air is well mixed and models are most reliable.

# %%
import numpy as np
import pandas as pd
import xarray as xr

import stilt
from stilt.demo import write_demo_weather
from stilt.observations import read_csv

# On a coarse grid, a month of synthetic weather is 48 MB.
write_demo_weather("met", first="2023-07-01T12:00", n_files=122, spacing_km=30)

times = pd.date_range("2023-07-01 20:37", "2023-07-31 20:37", freq="D")
tower = pd.DataFrame(
    {
        "time": times, "longitude": -111.85, "latitude": 40.77, "altitude": 30.0,
        "co2": np.random.default_rng(0).normal(421.0, 1.0, len(times)).round(2),
        "uncertainty": 0.2, "units": "ppm", "site": "tower",
    }
)
tower.to_csv("tower.csv", index=False)

model = stilt.Model(
    project="tower",
    config=stilt.ModelConfig(
        mets={"demo": stilt.MetConfig(directory="met", file_format="%Y%m%d_%H", file_tres="6h")},
        footprints={
            "default": stilt.FootprintConfig(
                grid=stilt.Grid(xmin=-115, xmax=-111, ymin=39.5, ymax=42.5, xres=0.05, yres=0.05)
            )
        },
        n_hours=-6,
        numpar=100,
        seed=1,
    ),
)
model.store_inputs()
model.observe(read_csv("tower.csv", species="co2"), "tower")
model.observations[["value", "uncertainty", "units", "site"]].head(3)

# %%
print(model.run())

# %% [markdown]
# ## 2. Where the air came from
#
# Particles are followed for six hours; the mole fraction where they end is the background. `model.background` reads files of CarbonTracker, CAMS and CarboScope; here we make a small field in CF layout that increases to the north, decreases with height, loses 1 ppm during the month and has a wave of six days.

# %%
hours = pd.date_range("2023-07-01", "2023-08-01", freq="3h")
pressure, lat, lon = np.arange(1000.0, 300, -100), np.arange(37.0, 46), np.arange(-120.0, -106)
day = (hours - hours[0]) / pd.Timedelta("1D")
t, p, y, x = np.meshgrid(day, pressure, lat, lon, indexing="ij")
field = xr.DataArray(
    420 + 0.3 * (y - 40) + 0.004 * (p - 800) - t / 31 + np.sin(2 * np.pi * t / 6),
    dims=("time", "pressure", "lat", "lon"),
    coords={
        "time": hours,
        "pressure": ("pressure", pressure, {"units": "hPa"}),
        "lat": lat,
        "lon": lon,
    },
    attrs={"units": "ppm"},
    name="co2",
)
background = model.background(field)
background[["background", "background_std", "age_h", "left"]].round(2).head(3)

# %%
from stilt.plotting import map_ends

map_ends(model.ends(), model.receptors, color_by="zagl");

# %% [markdown]
# ## 3. Fluxes by sector
#
# Each sector may have its own grid, units and times. Here one flux is constant, one depends on the hour of the day, and one has a value for every hour of the month.

# %%
lon, lat = np.arange(-115.95, -110, 0.1), np.arange(39.05, 43, 0.1)
units = {"units": "umol m-2 s-1"}
place = {"lat": lat, "lon": lon}
ones = np.ones((lat.size, lon.size))
city = 10.0 * np.exp(-((lon + 111.9) ** 2 + (lat[:, None] - 40.7) ** 2) / 0.1)
sun = np.clip(np.sin((np.arange(24) - 13) / 14 * np.pi), 0, None)
hours = pd.date_range("2023-07-01", "2023-08-01", freq="h", inclusive="left")
warmth = 1.0 + 0.3 * np.sin(2 * np.pi * np.arange(hours.size) / (24 * 10))
fluxes = {
    "fossil": xr.DataArray(city, place, ("lat", "lon"), attrs=units),
    "uptake": xr.DataArray(
        -3.0 * sun[:, None, None] * ones, {"hour": np.arange(24), **place}, attrs=units,
        dims=("hour", "lat", "lon"),
    ),
    "respiration": xr.DataArray(
        warmth[:, None, None] * ones, {"time": hours, **place}, attrs=units,
        dims=("time", "lat", "lon"),
    ),
}
series = model.timeseries(fluxes, background=background)
columns = ["background", "total", "modelled", "observed", "residual"]
table = series[columns].to_dataframe()[["time", *columns]].set_index("time")
table.round(2).head(3)

# %% [markdown]
# The receptors are at 37 minutes past the hour, and so are the hours of their footprints. The influence of the hour from 19:37 to 20:37 is split: 23 minutes meet the flux of 19:00 to 20:00, 37 minutes the next.
#
# ## 4. The picture

# %%
from stilt.plotting import plot_timeseries

plot_timeseries(series, title="Tower, afternoons of July 2023");

# %% [markdown]
# ## 5. Numbers of the month
#
# Means and standard deviations over the 31 afternoons, and the mean of each sector, in ppm:

# %%
table[columns].agg(["mean", "std"]).round(2)

# %%
series["enhancement"].mean("receptor").to_series().round(2)

# %% [markdown]
# ## 6. Uncertainty
#
# The noise from the limited number of particles is estimated from their spread. It is independent between receptors, so that of the monthly mean is smaller by the root of their number.

# %%
sure = model.uncertainty(fluxes)
noise = sure["particle_noise"].sel(component="total")
one = float(np.sqrt((noise**2).mean()))
print(f"particle noise {one:.2f} ppm of an afternoon, {one / noise.size**0.5:.3f} ppm of the mean")
series.to_netcdf("series.nc")

# %% [markdown]
# Error runs add the uncertainty of the winds ([uncertainty](../uncertainty.md)). How much an enhancement changes with the mixed-layer height or the wind is the subject of [sensitivities](../sensitivities.md).
