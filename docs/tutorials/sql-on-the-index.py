# %% [markdown]
# # SQL on the index
#
# Everything a project knows about its simulations is in `.stilt/index.duckdb`. It is a cache of the files, so it can be deleted and rebuilt, and it answers SQL. [Results](../results.md#the-index) lists all columns.

# %% [markdown]
# ## 1. A project with something to ask about

# %%
import pandas as pd

import stilt
from stilt.demo import write_demo_weather

write_demo_weather("met", first="2023-07-15T12:00", n_files=2)

receptors = pd.DataFrame(
    {
        "time": pd.to_datetime(["2023-07-15 18:00", "2023-07-15 20:00", "2023-08-01 20:00"] * 2),
        "longitude": [-111.85] * 3 + [-112.1] * 3,
        "latitude": [40.77] * 3 + [40.6] * 3,
        "altitude": [30.0] * 3 + [10.0] * 3,
        "site": ["hill"] * 3 + ["lake"] * 3,
    }
)
model = stilt.Model(
    project="case",
    receptors=receptors,
    config=stilt.ModelConfig(
        mets={"demo": stilt.MetConfig(directory="met", file_format="%Y%m%d_%H", file_tres="6h")},
        footprints={
            "default": stilt.FootprintConfig(
                grid=stilt.Grid(xmin=-114, xmax=-111, ymin=40, ymax=42, xres=0.1, yres=0.1)
            )
        },
        n_hours=-2,
        numpar=50,
        seed=1,
    ),
)
print(model.run())

# %% [markdown]
# ## 2. What is complete, what failed, and why

# %%
model.index.sql("SELECT state, count(*) AS n FROM simulations GROUP BY state ORDER BY state")

# %%
model.index.sql("""
    SELECT reason, count(*) AS n, min(time) AS first
    FROM simulations WHERE reason <> '' GROUP BY reason ORDER BY n DESC
""")

# %% [markdown]
# ## 3. Results by site
#
# The view `receptors` has the place of each simulation, the kind of its receptor, and a column for each label.

# %%
model.index.sql("""
    SELECT site, count(*) AS n, round(avg(total), 3) AS mean_total, max(total) AS highest
    FROM receptors JOIN footprints USING (sim_id)
    GROUP BY site ORDER BY site
""")

# %% [markdown]
# ## 4. What it cost

# %%
costs = model.index.sql("""
    SELECT count(*) AS n, sum(n_rows) AS rows, round(sum(trajectory_bytes) / 1e6, 1) AS megabytes
    FROM simulations WHERE state = 'complete'
""")
costs

# %% [markdown]
# ## 5. Ids for the next step
#
# A query can choose simulations, and exactly these can then be run, here or on another machine (`stilt push-worker`).

# %%
chosen = model.index.sql("""
    SELECT sim_id FROM receptors WHERE site = 'hill' AND time < '2023-08-01' ORDER BY time
""")["sim_id"]
outcome = stilt.push_simulations(model, list(chosen), skip_existing=False)
print(outcome)

# %% [markdown]
# ## 6. Without this package
#
# The index is a DuckDB file, and particles are Parquet files. Open the index read-only, so that no run has to wait.

# %%
import duckdb

with duckdb.connect("case/.stilt/index.duckdb", read_only=True) as index:
    print(index.sql("SELECT name, count(*) AS n FROM footprints GROUP BY name"))

rows = duckdb.sql("""
    SELECT -time AS minutes_back, round(avg(zagl)) AS mean_height_m,
           round(avg(mlht)) AS mixed_layer_m
    FROM 'case/simulations/particles/*_traj.parquet'
    WHERE time IN (-30, -60, -90) GROUP BY time ORDER BY minutes_back
""")
print(rows)

# %% [markdown]
# ## 7. If the index is lost

# %%
!stilt rebuild case
