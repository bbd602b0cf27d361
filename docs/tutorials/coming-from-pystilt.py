# %% [markdown]
# # Coming from PYSTILT
#
# `Model`, receptors, configuration, collections, `register_pending`, push and pull workers have the names that PYSTILT 0.1.0a1 to a4 gave them, and the same `config.yaml` is read. The transport is another: JAX instead of HYSPLIT's Fortran, many receptors at once. Use an environment for each, because both install a package `stilt`; `stilt doctor` says if they meet.

# %% [markdown]
# ## 1. A script of PYSTILT's runs as it is
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
# | transport | HYSPLIT's program, one call a receptor | JAX, in batches; no program to install |
# | index | SQLite, or a manifest | `.stilt/index.duckdb`; `model.index.sql(...)` |
# | workers that claim | need PostgreSQL | need nothing |
# | unknown keys | some are ignored | an error with the nearest known name |
# | settings that do nothing here | taken | refused unless at their default, so that none is silently without effect |
# | `config.yaml`, `receptors.csv` | rewritten on each registration | left alone when they mean the same |
# | exit code of `stilt run` | 0 also when simulations failed | 0 complete, 1 some failed, 2 wrong input, 3 interrupted |
# | failures | text of a log | a [typed reason](../errors.md), a sentence, what to do: `stilt explain` |
# | `seed` | written for HYSPLIT | the result depends on it, the receptor and the settings, and nothing else |
# | execution | local, SLURM, Kubernetes | local, Prefect work pools, Dask, [job arrays](../clusters.md) |
# | environment variables | `PYSTILT_CACHE_DIR`, `PYSTILT_COMPUTE_ROOT`, `PYSTILT_MAX_ROWS` | `STILT_CACHE_DIR`, `STILT_COMPUTE_ROOT`, `STILT_MAX_ROWS` |

# %% [markdown]
# ## 4. A mistake is told
#
# A typing error in a configuration stops the run, and names what was meant:

# %%
try:
    stilt.ModelConfig(mets=model.config.mets, n_hour=-24)
except stilt.errors.StiltError as error:
    print(error)

# %% [markdown]
# Old campaigns are taken over by `stilt migrate ./old ./case` ([exchange](../exchange.md)). [How the results compare](../parity.md), [how fast it is](../performance.md).
