# %% [markdown]
# # A satellite's column
#
# A satellite measures a column of air, and is more sensitive to some heights than to others. Here we follow a column receptor, weight its particles with an averaging kernel, and look at the effect on the footprint. The weather is **synthetic**. For files of OCO-2, TROPOMI or TCCON see [observations](../observations.md).

# %% [markdown]
# ## 1. A column
#
# Particles are spread evenly from the ground to 3000 m; each keeps its release height in the column `xhgt`. In ten hours the ground has little influence on the air above that height.

# %%
import stilt
from stilt.demo import write_demo_weather

write_demo_weather("met", first="2023-07-15T06:00", n_files=3)

column = stilt.ColumnReceptor(
    time="2023-07-15 20:30", longitude=-111.85, latitude=40.77, bottom=0.0, top=3000.0
)

# %% [markdown]
# ## 2. The same particles, with and without a kernel
#
# A transform weights particles before they are put onto the grid. `mode: ak` multiplies by the kernel's value at the release height, interpolated between the levels given. Both footprints are made of the same particles, which are computed once.

# %%
grid = stilt.Grid(xmin=-115, xmax=-110.5, ymin=39.5, ymax=42.5, xres=0.05, yres=0.05)
kernel = {
    "kind": "vertical_operator",
    "mode": "ak",
    "levels": [0.0, 1000.0, 2000.0, 3000.0],
    "values": [0.6, 0.8, 1.0, 1.1],
}
model = stilt.Model(
    project="satellite",
    receptors=[column],
    config=stilt.ModelConfig(
        mets={"demo": stilt.MetConfig(directory="met", file_format="%Y%m%d_%H", file_tres="6h")},
        footprints={
            "plain": stilt.FootprintConfig(grid=grid, time_integrate=True),
            "kernel": stilt.FootprintConfig(grid=grid, time_integrate=True, transforms=[kernel]),
        },
        n_hours=-10,
        numpar=400,
        seed=1,
    ),
)
print(model.run())

# %%
plain = model.footprints["plain"].load()[0]
weighted = model.footprints["kernel"].load()[0]
print(f"without {plain.total:.3f}, with the kernel {weighted.total:.3f} ppm per (µmol m⁻² s⁻¹)")

# %%
weighted.plot.map();

# %% [markdown]
# ## 3. Which heights see the ground
#
# For every particle the table has the height of its release and the influence of the ground on it. Summed by height:

# %%
import matplotlib.pyplot as plt
import numpy as np

particles = model.trajectories.load()[0].particles
by_particle = particles.groupby("indx").agg(height=("xhgt", "first"), foot=("foot", "sum"))
edges = np.arange(0, 3001, 250)
influence, _ = np.histogram(by_particle.height, edges, weights=by_particle.foot)
plt.style.use("stilt.plotting.pictures")  # the look of the package's own pictures
axes = plt.figure(figsize=(5, 3.6), layout="constrained").add_subplot()
axes.barh(edges[:-1], influence / len(by_particle), height=230, align="edge")
axes.set(
    xlabel="influence, ppm per (µmol m⁻² s⁻¹)",
    ylabel="release height, m above ground",
    title="Surface influence by release height",
);

# %% [markdown]
# ## 4. What a flux adds to the column
#
# Footprints are per mole of the particles' own air. The mean over the whole column of the atmosphere is smaller, because the air above 3000 m, which touched no surface here, counts as well. Multiply by the share of the air that lies below 3000 m, which is about 30 %.

# %%
import xarray as xr

flux = xr.full_like(plain.data.isel(time=0, drop=True), 5.0).assign_attrs(units="umol m-2 s-1")
for name in ("plain", "kernel"):
    added = model.footprints[name].enhancement(flux)["enhancement_ppm"].iloc[0]
    print(f"{name:7s} {added:.2f} ppm in the lowest 3000 m, {0.3 * added:.2f} ppm in the column")
