# %% [markdown]
# # From a tower's hours to a time series with background
#
# A table of measurements becomes receptors, footprints, a background and, with fluxes by sector, a series that stands beside what was measured. Two days stand for a month here, which differs in nothing but the number of lines. Weather, fluxes and measurements are **synthetic**.

# %% [markdown]
# ## 1. The measurements
#
# A table as a tower gives it: time, place, value. `stilt observe` (here `model.observe`) makes receptors of it and keeps values, uncertainties and labels with the project.

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
# Particles are followed for eight hours; the mole fraction where they end is the background. Files of CarbonTracker, CAMS or CarboScope go straight to `model.background`; here is a small field in CF layout that rises to the north and falls with height.

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
# Each sector has its own grid, units and times: here a constant one, one by hour of the day, and one hour by hour.

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
series.to_dataframe().xs("fossil", level="component")[columns].round(2).head(3)

# %% [markdown]
# Receptors are at 37 minutes past the hour: of the hour from 19:37, 23 minutes meet the flux of 19 o'clock.
#
# ## 4. The picture

# %%
from stilt.plotting import plot_timeseries

plot_timeseries(series, title="Tower, 14 to 16 July 2023");

# %% [markdown]
# ## 5. How sure it is
#
# The noise of the particle number, from the spread over particles; error runs would add that of the winds ([uncertainty](../uncertainty.md)).

# %%
sure = model.uncertainty(fluxes)
noise = sure["particle_noise"].sel(component="total")
size = np.abs(series["total"])
print(f"particle noise {float(noise.mean()):.2f} ppm of {float(size.mean()):.2f} ppm")
series.to_netcdf("series.nc")

# %% [markdown]
# ## 6. What it depends on
#
# How the fossil part of one hour would change with the mixed-layer height and the wind: derivatives through the transport itself, with their standard errors, beside finite differences ([sensitivities](../sensitivities.md)).

# %%
change = stilt.sensitivity(model, model.receptors[0], fluxes["fossil"], ["mixed_layer", "wind"])
names = ["derivative", "derivative_noise", "finite_difference", "roughness", "per"]
change.to_dataframe()[names].round(3)
