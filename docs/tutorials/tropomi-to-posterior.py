# %% [markdown]
# # From a TROPOMI file to a posterior
#
# A file of soundings becomes columns with their averaging kernels, footprints of the measured columns, and an estimate of the fluxes beneath. Weather, soundings and fluxes are **synthetic**; the file has the layout of the blended TROPOMI product.
#
# The air from the ground to 3 km is modelled, which is about a third of the column. Section 3 subtracts the background and the prior from a measured value; the remainder comes from the fluxes. The values in this file are all 1900 ppb and know nothing of any flux, so the estimate in sections 4 and 5 uses **synthetic enhancements** computed from a flux that we choose. With a file of your own, use what section 3 leaves instead.

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
            ),
            "air": stilt.FootprintConfig(
                grid=stilt.Grid(xmin=-114.5, xmax=-111, ymin=39.5, ymax=42, xres=0.5, yres=0.5),
                transforms=[{"kind": "pressure_weighting"}],
            ),
        },
        n_hours=-6,
        numpar=300,
        seed=1,
    ),
)
placed = model.observe(soundings, "tropomi", top=3000.0)
print(model.run())

# %%
footprints = model.footprints["xch4"].load()
footprints[8].plot.map();

# %% [markdown]
# ## 3. Background, and the rest of the column
#
# `weight` is the part of each measured column that its particles represent, by kernel and pressure; `weight` times `background` is what they would contribute without fluxes. The background field is a constant here. The footprint `air` has no kernel, so its `weight` is the modelled share of the air. From it, `rest_of_column` computes what the prior says of everything else: the air above 3 km, and below it the part that the kernel takes from the prior ([Columns and averaging kernels](../columns.md) has the formula). It assumes that the air above 3 km has the prior's profile.

# %%
import pandas as pd

from stilt.observations import rest_of_column

curtain = pd.DataFrame({"time": ["2023-07-15", "2023-07-16"], "value": [1880.0, 1880.0]})
background = model.background(curtain, field_units="ppb", units="ppb", weights="xch4")
air = model.background(curtain, field_units="ppb", units="ppb", weights="air")

simulations = [f"demo_{receptor.id}" for receptor in placed]
background, air = background.loc[simulations], air.loc[simulations]
weight, share = background["weight"].to_numpy(), air["weight"].to_numpy()
columns = pd.DataFrame({"value": soundings.table["value"], "weight": weight, "share": share})
columns["background part"] = weight * background["background"].to_numpy()
columns["rest"] = rest_of_column(soundings, share, weight=weight)
columns["left for fluxes"] = columns["value"] - columns["background part"] - columns["rest"]
columns.round(2).head(3)

# %% [markdown]
# Here the values, the prior and the background are constants: what is left is `weight` times the 20 ppb between prior and background. For a real file `left for fluxes` is the measurement of the inversion, and its uncertainty must cover the errors of background and prior.

# %% [markdown]
# ## 4. Synthetic measurements of a source
#
# The true flux is 0.01 µmol m⁻² s⁻¹ everywhere, plus a source north of 40.5° N and east of 112.5° W. The enhancements of the modelled part of the columns are computed from it with the footprints of another seed, plus noise of 2 ppb; neither the file's values nor the background enter.

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
