# %% [markdown]
# # From a TROPOMI file to a posterior
#
# A file of soundings becomes columns with their averaging kernels, footprints of the measured columns, and an estimate of the fluxes beneath. Weather, soundings and fluxes are **synthetic**; the file has the layout of the blended TROPOMI product.

# %% [markdown]
# ## 1. A file
#
# Skip this if you have a file of your own, `S5P_OFFL_L2__CH4____*.nc` or `S5P_BLND_L2__CH4____*.nc`.

# %%
import h5py
import numpy as np

from stilt.demo import write_demo_weather

write_demo_weather("met", first="2023-07-15T06:00", n_files=3)

rng = np.random.default_rng(0)
lon, lat = np.meshgrid(-112.2 + 0.1 * np.arange(6), 40.2 + 0.2 * np.arange(4))
lon, lat = lon.ravel(), lat.ravel()
count, layers = lon.size, 12
with h5py.File("S5P_BLND_L2__CH4____20230715.nc", "w") as file:
    file.create_dataset("time_utc", data=["2023-07-15T20:31:41Z"] * count, dtype=h5py.string_dtype())
    numbers = {
        "longitude": lon, "latitude": lat, "methane_mixing_ratio_precision": 2.0,
        "surface_altitude": 1400.0, "surface_pressure": 85000.0, "pressure_interval": 7080.0,
        "methane_mixing_ratio_blended": 1900.0,
        "qa_value": np.where(np.arange(count) == 5, 0.4, 1.0),
    }
    for name, value in numbers.items():
        file[name] = np.broadcast_to(np.float32(value), count)
    file["column_averaging_kernel"] = np.tile(np.linspace(0.7, 1.1, layers, dtype="f4"), (count, 1))
    file["dry_air_subcolumns"] = np.full((count, layers), 24000.0, "f4")
    file["methane_profile_apriori"] = np.full((count, layers), 24000.0 * 1.9e-6, "f4")
    file["longitude_bounds"] = file["latitude_bounds"] = np.zeros((count, 4), "f4")

# %% [markdown]
# ## 2. Soundings become receptors
#
# The quality flag excludes one sounding. Columns reach from the ground to 3 km; particles are weighted with each sounding's averaging kernel at the pressure where they were released, and with the share of the column's air that they stand for. `stilt observe S5P_BLND*.nc --reader tropomi ./case` does the same in a shell.

# %%
import stilt
from stilt.observations import read_tropomi

soundings = read_tropomi("S5P_BLND_L2__CH4____20230715.nc").select()
print(soundings)

model = stilt.Model(
    project="case",
    config=stilt.ModelConfig(
        mets={"demo": stilt.MetConfig(directory="met", file_format="%Y%m%d_%H", file_tres="6h")},
        footprints={
            "xch4": stilt.FootprintConfig(
                grid=stilt.Grid(xmin=-114.5, xmax=-111, ymin=39.5, ymax=42, xres=0.05, yres=0.05),
                transforms=[
                    {"kind": "averaging_kernel", "table": "observations/tropomi-kernels.parquet"},
                    {"kind": "pressure_weighting"},
                ],
            )
        },
        n_hours=-6,
        numpar=300,
        seed=1,
    ),
)
model.observe(soundings, "tropomi", top=3000.0)
print(model.run())

# %%
footprints = model.footprints["xch4"].load()
footprints[8].plot.map();

# %% [markdown]
# ## 3. Background
#
# `weight` is the part of each measured column that its particles represent: about a third of the air lies below 3 km. The background field is a constant here, and the rest of the column is taken from the prior.

# %%
import pandas as pd

curtain = pd.DataFrame({"time": ["2023-07-15", "2023-07-16"], "value": [1880.0, 1880.0]})
background = model.background(curtain, field_units="ppb", units="ppb")
background[["background", "weight"]].round(3).head(3)

# %% [markdown]
# ## 4. Synthetic measurements of a source
#
# The true flux is 0.01 µmol m⁻² s⁻¹ everywhere, plus a source north of 40.5° N and east of 112.5° W. The measurements are computed from it with the footprints of another seed, plus noise of 2 ppb.

# %%
import xarray as xr

cells = xr.DataArray(
    np.zeros((5, 7)), dims=("lat", "lon"),
    coords={"lat": 39.75 + 0.5 * np.arange(5), "lon": -114.25 + 0.5 * np.arange(7)},
    attrs={"units": "umol m-2 s-1"},
)
truth = (cells + 0.01 + 0.15 * ((cells.lat > 40.5) & (cells.lon > -112.5))).assign_attrs(cells.attrs)

nature = model.realizations(2)[1]
nature.observe(soundings, "tropomi", top=3000.0)
nature.run()
added = 1000 * nature.footprints["xch4"].enhancement(truth)["enhancement_ppm"]
measured = added + rng.normal(0, 2.0, len(added))
print(f"up to {added.max():.1f} ppb")

# %% [markdown]
# ## 5. The posterior

# %%
from stilt.inversion import PriorCovariance, estimate_fluxes

jacobian = model.footprints["xch4"].jacobian(cells, ["2023-07-15 00:00", "2023-07-16 00:00"])
ppb = 1000 * jacobian.matrix
covariance = PriorCovariance.exponential(jacobian, 0.1, length_km=60.0, hours=24.0)
sigma = np.full(len(measured), 2.2)
estimate = estimate_fluxes(ppb, measured[jacobian.receptors.index], sigma, covariance, prior=0.05)

places = jacobian.cells.to_frame(index=False)
area = np.cos(np.radians(places["lat"].to_numpy()))
source = ((places["lat"] > 40.5) & (places["lon"] > -112.5)).to_numpy()
weights = np.stack([each * area / (each * area).sum() for each in (source, ~source)])
true = weights @ truth.transpose("lon", "lat").values.ravel()
prior, posterior, before, after = estimate.totals(weights)
table = pd.DataFrame(
    {"true": true, "prior": prior, "prior ±": np.sqrt(np.diag(before)), "posterior": posterior,
     "posterior ±": np.sqrt(np.diag(after))},
    index=["source", "elsewhere"],
)
print(table.round(3).to_string())
off = (posterior - true) / np.sqrt(np.diag(after))
print("within two standard errors:", bool((np.abs(off) < 2).all()))

# %% [markdown]
# The columns of a Jacobian can also be polygons, such as the counties of a GeoDataFrame. Here are two of our own; each number is the ppb from a flux of 1 µmol m⁻² s⁻¹ in the region.

# %%
from shapely.geometry import box

regions = {"source": box(-112.5, 40.5, -110.5, 42.5), "south": box(-114.5, 39.5, -110.5, 40.5)}
by_region = model.footprints["xch4"].jacobian(regions, ["2023-07-15 00:00", "2023-07-16 00:00"])
(1000 * by_region.to_frame()).round(2).head(3)

# %% [markdown]
# [Columns and kernels](../columns.md) explains the weights, [Inversions](../inversions.md) what else can be estimated, and [Sensitivities](../sensitivities.md) how a result depends on mixed layer and winds.
