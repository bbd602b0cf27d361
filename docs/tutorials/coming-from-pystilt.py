# %% [markdown]
# # Coming from PYSTILT
#
# `Model`, receptors, configuration, collections, `register_pending`, push and pull workers have the names that they had in PYSTILT 0.1.0a1 to a4, and the same `config.yaml` is read. Later versions renamed them: 0.1.0a25 has `Project` in place of `Model`. `stilt migrate` reads results of 0.1.0a25. The transport is a different one: JAX instead of HYSPLIT's Fortran, many receptors at once. Both programs install a package called `stilt`, so give each its own environment; `stilt doctor` notices if they share one.

# %% [markdown]
# ## 1. A PYSTILT script runs unchanged
#
# The weather is **synthetic**.

# %%
from stilt.demo import write_demo_weather

write_demo_weather("met", first="2023-07-15T12:00", n_files=2);

# %%
import stilt

model = stilt.Model(
    project="./case",
    receptors=[
        stilt.PointReceptor(
            time="2023-07-15 20:00:00", longitude=-111.85, latitude=40.77, altitude=5.0
        )
    ],
    config=stilt.ModelConfig(
        mets={"demo": stilt.MetConfig(directory="met", file_format="%Y%m%d_%H", file_tres="6h")},
        footprints={
            "default": stilt.FootprintConfig(
                grid=stilt.Grid(xmin=-113, xmax=-110.5, ymin=40, ymax=42, xres=0.05, yres=0.05)
            )
        },
        n_hours=-2,
        numpar=100,
    ),
)
model.run()
model.simulations.ids()

# %%
footprint = model.footprints["default"].load()[0]
round(footprint.total, 2), model.trajectories.paths()[0].name

# %% [markdown]
# ## 2. Register now, run later

# %%
later = stilt.PointReceptor("2023-07-15 18:00", -111.85, 40.77, 5.0)
ids = model.register_pending([later], scene_id="tower-20230715")
stilt.push_simulations(model, ids)

# %%
model.scene_counts()

# %% [markdown]
# ## 3. What is different
#
# | subject | PYSTILT 0.1.0a1 to a4 | here |
# | --- | --- | --- |
# | transport | HYSPLIT, one call per receptor | JAX, in batches; no program to install |
# | index | SQLite, or a manifest | `.stilt/index.duckdb`; `model.index.sql(...)` |
# | pull workers | need PostgreSQL | need no database server |
# | unknown keys | some are ignored | an error with the nearest known name |
# | settings without effect here | accepted | refused unless at their default, so that none is silently ignored |
# | `config.yaml`, `receptors.csv` | rewritten on each registration | left alone when they mean the same |
# | exit code of `stilt run` | 0 even when simulations failed | 0 complete, 1 some failed, 2 wrong input, 3 interrupted |
# | failures | text in a log | a [typed reason](../errors.md), a sentence and a remedy: `stilt explain` |
# | `seed` | passed to HYSPLIT | with receptor, weather and settings it determines the result, whatever the workers and batches |
# | execution | local, SLURM, Kubernetes | local, Prefect work pools, Dask, [job arrays](../clusters.md) |
# | environment variables | `PYSTILT_CACHE_DIR`, `PYSTILT_COMPUTE_ROOT`, `PYSTILT_MAX_ROWS` | `STILT_CACHE_DIR`, `STILT_COMPUTE_ROOT`, `STILT_MAX_ROWS` |

# %% [markdown]
# ## 4. Mistakes in the configuration
#
# A misspelt key is an error that suggests the right name:

# %%
try:
    stilt.ModelConfig(mets=model.config.mets, n_hour=-24)
except stilt.errors.StiltError as error:
    print(error)

# %% [markdown]
# `stilt migrate ./old ./case` takes over old campaigns ([exchange](../exchange.md)). See also [how the results compare](../parity.md) and [how fast it is](../performance.md).
