# %% [markdown]
# # A first footprint
#
# From nothing to a footprint and a concentration, without a network. The weather is **synthetic**, made from formulas by `stilt.demo`; with your own weather only the folder in step 2 changes.

# %% [markdown]
# ## 1. Weather to play with
#
# Thirty hours of weather over invented hills, in NOAA's ARL format.

# %%
from stilt.demo import write_demo

[path.name for path in write_demo("weather")[:2]]

# %% [markdown]
# ## 2. A receptor and a configuration
#
# Air was measured 30 m above the ground at 21:00 UTC. We follow 200 particles back for six hours and ask for one footprint.

# %%
import stilt

model = stilt.Model(
    project="case",
    receptors=[
        stilt.PointReceptor(time="2023-07-15 21:00", longitude=-111.85, latitude=40.77, altitude=30)
    ],
    config=stilt.ModelConfig(
        mets={
            "demo": stilt.MetConfig(
                directory="weather/met", file_format="%Y%m%d_%H", file_tres="6h"
            )
        },
        footprints={
            "default": stilt.FootprintConfig(
                grid=stilt.Grid(
                    xmin=-114.5, xmax=-111.0, ymin=40.0, ymax=42.0, xres=0.05, yres=0.05
                )
            )
        },
        n_hours=-6,
        numpar=200,
        seed=1,
    ),
)

# %% [markdown]
# ## 3. Run it
#
# `run` registers what is missing and computes it. Calling it again finds nothing to do.

# %%
model.run()
model.simulations.ids()

# %% [markdown]
# ## 4. The particles
#
# One row per particle and minute. `foot` is the influence of the surface during that minute, `mlht` the height of the mixed layer above the particle's place.

# %%
trajectories = model.trajectories.load()[0]
trajectories.particles[["time", "indx", "long", "lati", "zagl", "foot", "mlht"]].head()

# %% [markdown]
# These are the places where the particles were six hours earlier. A background value would be taken there.

# %%
trajectories.endpoints()[["long", "lati", "zagl"]].describe().loc[
    ["mean", "std", "min", "max"]
].round(2)

# %% [markdown]
# ## 5. The footprint
#
# Its unit is ppm per (µmol m⁻² s⁻¹): how much a flux of one µmol per square metre per second, in that cell and hour, adds to the measurement.

# %%
footprint = model.footprints["default"].load()[0]
print(dict(footprint.data.sizes))
print(f"total {footprint.total:.3f} ppm per (µmol m⁻² s⁻¹)")

# %%
footprint.plot.map();

# %% [markdown]
# Hour by hour:

# %%
footprint.plot.facet();

# %% [markdown]
# ## 6. From a footprint to a concentration
#
# Suppose every square metre emits 2 µmol of CO₂ per second, and 30 in a town 0.2° wide. The measurement is raised by the sum of footprint times flux.

# %%
import xarray as xr

flux = xr.full_like(footprint.data.isel(time=0, drop=True), 2.0)
town = (abs(flux.lon + 112.3) < 0.1) & (abs(flux.lat - 40.8) < 0.1)
flux = flux.where(~town, 30.0)

enhancement = float((footprint.data * flux).sum())
from_town = float((footprint.data * flux.where(town, 0.0)).sum())
print(f"{enhancement:.2f} ppm above background, {from_town:.2f} of it from the town")

# %% [markdown]
# ## 7. Ask the index
#
# The index says what exists, what it contains, and why something failed. It answers SQL.

# %%
model.index.sql("SELECT sim_id, name, state, total FROM footprints")

# %%
model.status()
