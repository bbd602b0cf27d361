# %% [markdown]
# # An inversion, from synthetic measurements to regional fluxes
#
# What can two towers say about the fluxes around them? We choose fluxes, compute measurements from them with the footprints of one seed, and estimate the fluxes with the footprints of another. With few measurements and few particles the estimate cannot be exact, and its uncertainty should say by how much. The weather is **synthetic**.

# %% [markdown]
# ## 1. Footprints, twice
#
# Two towers, every hour of an afternoon. `realizations(2)` is the same project with another seed: its footprints stand for nature.

# %%
import numpy as np
import pandas as pd
import xarray as xr

import stilt
from stilt.demo import write_demo_weather

write_demo_weather("met", first="2023-07-15T06:00", n_files=3)

receptors = [
    stilt.PointReceptor(time=time, longitude=lon, latitude=lat, altitude=30.0)
    for time in pd.date_range("2023-07-15 17:00", periods=6, freq="h")
    for lon, lat in ((-111.85, 40.77), (-111.65, 40.25))
]
grid = stilt.Grid(xmin=-114, xmax=-111, ymin=39.5, ymax=42, xres=0.05, yres=0.05)
model = stilt.Model(
    project="towers",
    receptors=receptors,
    config=stilt.ModelConfig(
        mets={"demo": stilt.MetConfig(directory="met", file_format="%Y%m%d_%H", file_tres="6h")},
        footprints={"default": stilt.FootprintConfig(grid=grid)},
        n_hours=-8,
        numpar=250,
        seed=1,
    ),
)
ours, nature = model.realizations(2)
for each in (ours, nature):
    print(each.run())

# %% [markdown]
# ## 2. True fluxes, and synthetic measurements
#
# The prior is 3 µmol m⁻² s⁻¹ everywhere. The true fluxes are larger in the east, and patchy. Measurements are the true fluxes times nature's footprints, plus noise of 0.2 ppm.

# %%
rng = np.random.default_rng(0)
lon, lat = -113.75 + 0.5 * np.arange(6), 39.75 + 0.5 * np.arange(5)
truth = xr.DataArray(
    3.0 + 1.5 * (lon > -112.5) + rng.normal(0, 0.7, (lat.size, lon.size)),
    dims=("lat", "lon"),
    coords={"lat": lat, "lon": lon},
    attrs={"units": "umol m-2 s-1"},
)
measured = nature.footprints["default"].enhancement(truth)["enhancement_ppm"]
measured = measured + rng.normal(0, 0.2, len(measured))
measured.round(2)

# %% [markdown]
# ## 3. The Jacobian, and the uncertainty of each row
#
# The columns are cells of half a degree. The noise from the limited number of particles is estimated from their spread; the model error cannot be smaller than that.

# %%
bins = [pd.Timestamp("2023-07-15"), pd.Timestamp("2023-07-16")]
jacobian = ours.footprints["default"].jacobian(truth, bins)
sure = ours.uncertainty({"prior": xr.full_like(truth, 3.0).assign_attrs(truth.attrs)})
noise = sure["particle_noise"].sel(component="prior", receptor=list(jacobian.receptors.index))
errors = np.hypot(0.2, np.sqrt(2) * noise.values)
print(jacobian.matrix.shape, "particle noise", noise.values.round(2))

# %% [markdown]
# ## 4. The estimate
#
# The prior is uncertain by 2 µmol m⁻² s⁻¹, correlated over 100 km. The covariance is separable in space and time, and the full matrix is never formed.

# %%
from stilt.inversion import PriorCovariance, estimate_fluxes

covariance = PriorCovariance.exponential(jacobian, 2.0, length_km=100.0, hours=24.0)
measured = measured[jacobian.receptors.index]
estimate = estimate_fluxes(jacobian.matrix, measured, errors, covariance, prior=3.0)
print(f"chi square {estimate.chi_square:.2f}")

# %% [markdown]
# ## 5. Regions
#
# Means over the east and the west, weighted with the areas of the cells. Where the towers have influence the fluxes are much better known than before, and the truth lies within the uncertainty. In the maps the triangles are the towers.

# %%
cells = jacobian.cells.to_frame(index=False)
area = np.cos(np.radians(cells["lat"].to_numpy()))
east = (cells["lon"] > -112.5).to_numpy()
weights = np.stack([each * area / (each * area).sum() for each in (east, ~east)])
true = weights @ truth.transpose("lon", "lat").values.ravel()
prior, posterior, before, after = estimate.totals(weights)
regions = pd.DataFrame(
    {
        "true": true,
        "prior": prior,
        "prior ±": np.sqrt(np.diag(before)),
        "posterior": posterior,
        "posterior ±": np.sqrt(np.diag(after)),
    },
    index=["east", "west"],
)
print(regions.round(2).to_string())
off = (posterior - true) / np.sqrt(np.diag(after))
print("off by", off.round(1), "standard errors; within two:", bool((np.abs(off) < 2).all()))

# %%
import matplotlib.pyplot as plt

found = xr.DataArray(
    estimate.posterior.reshape(lon.size, lat.size).T, coords=truth.coords, dims=truth.dims
)
plt.style.use("stilt.plotting.pictures")  # the look of the package's own pictures
figure, axes = plt.subplots(1, 2, figsize=(8, 3.4), sharey=True, layout="compressed")
for ax, (title, field) in zip(axes, {"True fluxes": truth, "Estimate": found}.items(), strict=True):
    ax.grid(False)
    drawn = ax.pcolormesh(lon, lat, field, vmin=1, vmax=7, cmap="YlGnBu")
    ax.plot([-111.85, -111.65], [40.77, 40.25], "w^", markersize=6, markeredgecolor="black")
    ax.set(title=title, xticks=(-113, -112), yticks=range(40, 43), aspect=1.3)
    ax.xaxis.set_major_formatter(lambda degrees, _: f"{-degrees:g}°W")
    ax.yaxis.set_major_formatter(lambda degrees, _: f"{degrees:g}°N")
figure.colorbar(drawn, ax=axes, label="flux, µmol m⁻² s⁻¹");

# %% [markdown]
# The columns of a Jacobian can also be counties, hexagons or basis functions: see [Inversions](../inversions.md).
