# %% [markdown]
# # From a tower's hours to a time series with background
#
# From a table of measurements we make receptors, footprints, a background and, with fluxes by sector, a modelled series to compare with the measurements. We take two days; for a month only the table is longer. The weather and the fluxes are **synthetic**, and the measurements are random numbers around 424 ppm: the modelled series is not meant to follow them.

# %% [markdown]
# ## 1. The measurements
#
# A table of times, places and values. `stilt observe` (here `model.observe`) makes receptors from it and keeps values, uncertainties and labels in the project.

# %%
import numpy as np
import pandas as pd
import xarray as xr

import stilt
from stilt.demo import write_demo_weather
from stilt.observations import read_csv

write_demo_weather("met", first="2023-07-14T06:00", n_files=8)

times = pd.date_range("2023-07-14 20:37", "2023-07-16 02:37", freq="3h")
tower = pd.DataFrame(
    {
        "time": times, "longitude": -111.85, "latitude": 40.77, "altitude": 30.0,
        "co2": np.random.default_rng(0).normal(424.0, 1.5, len(times)).round(2),
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
        n_hours=-8,
        numpar=150,
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
# Particles are followed for eight hours; the mole fraction where they end is the background. `model.background` reads files of CarbonTracker, CAMS and CarboScope; here we make a small field in CF layout that increases to the north and decreases with height.

# %%
hours = pd.date_range("2023-07-14 06:00", periods=18, freq="3h")
pressure, lat, lon = np.arange(1000.0, 300, -100), np.arange(37.0, 46), np.arange(-120.0, -106)
t, p, y, x = np.meshgrid(np.arange(18.0), pressure, lat, lon, indexing="ij")
field = xr.DataArray(
    420 + 0.3 * (y - 40) + 0.004 * (p - 800) + 0.05 * t,
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
# Each sector may have its own grid, units and times. Here one flux is constant, one depends on the hour of the day, and one has a value for every hour.

# %%
lon, lat = np.arange(-115.95, -110, 0.1), np.arange(39.05, 43, 0.1)
units = {"units": "umol m-2 s-1"}
place = {"lat": lat, "lon": lon}
ones = np.ones((lat.size, lon.size))
city = 4.0 * np.exp(-((lon + 111.9) ** 2 + (lat[:, None] - 40.7) ** 2) / 0.1)
day = np.clip(np.sin((np.arange(24) - 13) / 14 * np.pi), 0, None)
fluxes = {
    "fossil": xr.DataArray(city, place, ("lat", "lon"), attrs=units),
    "uptake": xr.DataArray(
        -4.0 * day[:, None, None] * ones, {"hour": np.arange(24), **place}, attrs=units,
        dims=("hour", "lat", "lon"),
    ),
    "respiration": xr.DataArray(
        np.full((60, *ones.shape), 1.0),
        {"time": pd.date_range("2023-07-14", periods=60, freq="h"), **place},
        ("time", "lat", "lon"), attrs=units,
    ),
}
series = model.timeseries(fluxes, background=background)
columns = ["total", "background", "modelled", "observed", "residual"]
table = series.to_dataframe().xs("fossil", level="component")[columns]
print(table.round(2).head(3).to_string())

# %% [markdown]
# The receptors are at 37 minutes past the hour, and so are the hours of their footprints. The influence of the hour from 19:37 to 20:37 is split: 23 minutes meet the flux of 19:00 to 20:00, 37 minutes the next.
#
# ## 4. The picture

# %%
from stilt.plotting import plot_timeseries

plot_timeseries(series, title="Tower, 14 to 16 July 2023");

# %% [markdown]
# ## 5. Uncertainty
#
# The noise from the limited number of particles is estimated from their spread; error runs would add the uncertainty of the winds ([uncertainty](../uncertainty.md)).

# %%
sure = model.uncertainty(fluxes)
noise = sure["particle_noise"].sel(component="total")
size = np.abs(series["total"])
print(f"particle noise {float(noise.mean()):.2f} ppm of {float(size.mean()):.2f} ppm")
series.to_netcdf("series.nc")

# %% [markdown]
# ## 6. Sensitivity to the meteorology
#
# How much would the fossil part of one hour change with the mixed-layer height and the wind? The derivatives go through the transport itself and have standard errors; finite differences stand beside them ([sensitivities](../sensitivities.md)).

# %%
change = stilt.sensitivity(model, model.receptors[0], fluxes["fossil"], ["mixed_layer", "wind"])
names = ["derivative", "derivative_noise", "finite_difference", "roughness", "per"]
change.to_dataframe()[names].round(3)
