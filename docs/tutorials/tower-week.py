# %% [markdown]
# # A tower's week
#
# A week of afternoon hours at a tower: receptors from a table, a run on the cores of this machine, the mean footprint, and what a flux adds to each hour. The weather is **synthetic**, as in [a first footprint](first-footprint.md); `stilt init --template tower` starts such a project with your own weather.

# %% [markdown]
# ## 1. Weather and receptors
#
# Times are UTC. At 112° west the sun is highest at about 19:30, so the afternoon is 20:00 to 00:00 UTC: the hours when the air is best mixed and models are most reliable. Every further column of the table is a label that comes back with the results.

# %%
import pandas as pd

from stilt.demo import write_demo_weather

write_demo_weather("met", first="2023-07-10T12:00", n_files=30)

times = pd.date_range("2023-07-11 20:00", "2023-07-17 23:00", freq="2h")
times = times[times.hour.isin([20, 22])]
receptors = pd.DataFrame(
    {"time": times, "longitude": -111.85, "latitude": 40.77, "altitude": 30.0, "site": "tower"}
)
receptors

# %% [markdown]
# ## 2. The project
#
# Two footprints: a fine hourly one around the tower, and a coarse one that covers the whole path of the air, summed over time.

# %%
import stilt

model = stilt.Model(
    project="tower",
    receptors=receptors,
    config=stilt.ModelConfig(
        mets={"demo": stilt.MetConfig(directory="met", file_format="%Y%m%d_%H", file_tres="6h")},
        footprints={
            "near": stilt.FootprintConfig(
                grid=stilt.Grid(xmin=-113, xmax=-111, ymin=40, ymax=41.5, xres=0.05, yres=0.05)
            ),
            "far": stilt.FootprintConfig(
                grid=stilt.Grid(xmin=-116, xmax=-110, ymin=39, ymax=43, xres=0.1, yres=0.1),
                time_integrate=True,
            ),
        },
        n_hours=-8,
        numpar=100,
        seed=1,
    ),
)
run = model.run()
print(run)

# %% [markdown]
# `run.counts` and `run.reasons` summarise the run; `run.raise_for_failures()` stops a script if anything failed. From a shell, `stilt run tower --n-workers 4` does the same; more workers change only the speed.

# %% [markdown]
# ## 3. The mean of the week
#
# Collections are lazy: `mean` reads one file after the other. `stilt plot tower --name far` draws the same from a shell.

# %%
model.footprints["far"].plot.mean(title="Mean footprint of 14 afternoon hours");

# %% [markdown]
# ## 4. What a flux adds, hour by hour
#
# A map of emissions: 2 µmol m⁻² s⁻¹ everywhere, 20 in a town. `enhancement` multiplies and sums, checks units, and says how much of the influence lies outside the map.

# %%
import numpy as np
import xarray as xr

lon, lat = np.arange(-115.95, -110, 0.1), np.arange(39.05, 43, 0.1)
flux = xr.DataArray(
    np.full((lat.size, lon.size), 2.0),
    {"lat": lat, "lon": lon},
    ("lat", "lon"),
    attrs={"units": "umol m-2 s-1"},
)
town = (abs(flux.lon + 112.0) < 0.25) & (abs(flux.lat - 40.7) < 0.25)
flux = flux.where(~town, 20.0)

hours = model.footprints["far"].enhancement(flux).set_index("time").sort_index()
hours["enhancement_ppm"].round(2)

# %%
import matplotlib.pyplot as plt
from matplotlib.dates import DateFormatter

plt.style.use("stilt.plotting.pictures")  # the look of the package's own pictures
shown = hours["enhancement_ppm"].asfreq("2h")  # nights are gaps, so that no line crosses them
axes = plt.figure(figsize=(7, 3.2), layout="constrained").add_subplot()
axes.plot(shown.index, shown, "o-")
axes.set(xlabel="UTC", ylabel="ppm above background", title="What this flux adds at the tower")
axes.xaxis.set_major_formatter(DateFormatter("%d July"));

# %% [markdown]
# ## 5. One more hour
#
# Add a receptor (here, or to `receptors.csv`) and run again: only what is missing is computed.

# %%
more = pd.concat([receptors, receptors.tail(1).assign(time=pd.Timestamp("2023-07-17 23:00"))])
model = stilt.Model(project="tower", receptors=more)
print(model.run())
model.status()["completed"]
