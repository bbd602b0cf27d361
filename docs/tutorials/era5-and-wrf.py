# %% [markdown]
# # Weather from ERA5 and WRF
#
# Files from the Climate Data Store and from WRF are read as they are: give the folder and the format. Here both hold the same **synthetic** hours, in small files of the same structure, so that one receptor can be run with each and the results compared. (The functions that write these files are in the repository, beside its benchmarks, so this page runs in a clone of it.)

# %% [markdown]
# ## 1. Two folders

# %%
import numpy as np

from pathlib import Path

from benchmarks.weather_files.era5_files import write_era5
from benchmarks.weather_files.truth import LATLON, PRESSURES_HPA, on_grid, on_pressures, truth
from benchmarks.weather_files.wrf_files import lambert_attributes, wrf_dataset, write_wrf

hours = [np.datetime64(f"2023-07-15T{hour:02d}:00", "m") for hour in range(17, 22)]
true = [truth(hour) for hour in hours]
levels = np.array(PRESSURES_HPA, float)
write_era5(Path("era5"), [on_pressures(on_grid(raw, LATLON), levels) for raw in true])
for raw in true:
    raw.upper["DZDT"] = 0.0 * raw.upper["WWND"]
write_wrf(Path("wrf"), wrf_dataset(true, lambert_attributes(true[0].grid, 40.77, 40.77)))

# %% [markdown]
# ## 2. What is in them
#
# `stilt weather list` needs no project. It shows times and gaps, grid, levels and fields, and what replaces fields that are missing.

# %%
!stilt weather list --directory era5 --format era5

# %%
!stilt weather list --directory wrf --format wrf

# %% [markdown]
# ## 3. One receptor, two meteorologies
#
# Every receptor is run with every entry of `mets`. The id of a simulation begins with the name of the entry.

# %%
import stilt

model = stilt.Model(
    project="case",
    receptors=[
        stilt.PointReceptor(time="2023-07-15 21:00", longitude=-111.85, latitude=40.77, altitude=30)
    ],
    config=stilt.ModelConfig(
        mets={
            "era5": stilt.MetConfig(directory="era5", format="era5"),
            "wrf": stilt.MetConfig(directory="wrf", format="wrf", file_format="wrfout_d01"),
        },
        footprints={
            "default": stilt.FootprintConfig(
                grid=stilt.Grid(xmin=-114, xmax=-111, ymin=40, ymax=42, xres=0.05, yres=0.05)
            )
        },
        n_hours=-3,
        numpar=200,
        seed=1,
    ),
)

# %%
model.store_inputs()

# %%
!stilt check case

# %%
print(model.run())
model.index.sql("SELECT sim_id, total FROM footprints ORDER BY sim_id")

# %% [markdown]
# ## 4. The weather that the transport uses
#
# Different grids, levels and vertical coordinates are put on the same internal levels. At the receptor:

# %%
data = stilt.sample_meteorology(
    model.config.mets,
    {"time": "2023-07-15 21:00", "longitude": -111.85, "latitude": 40.77},
    config=model.config,
)
for name in ("surface_altitude", "mixed_layer_height", "sensible_heat_flux"):
    era5, wrf = data[name].isel(point=0).values
    print(f"{name:20s} ERA5 {era5:7.1f}  WRF {wrf:7.1f}  {data[name].units}")

# %%
import matplotlib.pyplot as plt

plt.style.use("stilt.plotting.pictures")  # the look of the package's own pictures
axes = plt.figure(figsize=(4.5, 4), layout="constrained").add_subplot()
for name in ("era5", "wrf"):
    one = data.sel(meteorology=name).squeeze()
    low = one.where(one.height < 3500)
    speed = np.hypot(low.eastward_wind, low.northward_wind)
    axes.plot(speed, low.height, {"era5": "-", "wrf": "--"}[name], label=name.upper())
axes.set(xlabel="wind speed, m s⁻¹", ylabel="height above ground, m", xlim=(0, 10), ylim=(0, 3000))
axes.set_title("Wind at the receptor")
axes.legend();

# %% [markdown]
# What to download and which fields are read: [ERA5](../era5.md), [WRF](../wrf.md), [HRRR](../hrrr.md), [GFS](../gfs.md), [CF datasets](../cf-datasets.md).
