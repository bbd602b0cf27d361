# %% [markdown]
# # A run watched in Prefect
#
# Every run is a flow run of Prefect. Without a Prefect server of your own a private one is started beside the run, with its state in the project; nothing is to be set up. Here a run is followed while it goes on, and then asked about.

# %% [markdown]
# ## 1. A project
#
# Four receptors; one lies outside the weather, and will fail.

# %%
import stilt
from stilt.demo import write_demo_weather

write_demo_weather("met", first="2023-07-15T12:00", n_files=2)

places = [(-111.85, 40.77), (-112.0, 40.5), (-111.6, 41.0), (-60.0, 40.0)]
model = stilt.Model(
    project="watched",
    receptors=[
        stilt.PointReceptor(time="2023-07-15 20:00", longitude=lon, latitude=lat, altitude=30)
        for lon, lat in places
    ],
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

# %% [markdown]
# ## 2. Told while it goes on
#
# `stilt run` shows a bar. In Python an observer is told: what is planned, how many are done, what became of each batch.

# %%
from stilt.execution.observing import Silent


class Telling(Silent):
    """Prints what it is told."""

    def planned(self, plan):
        """Hear what will be computed."""
        print(f"{len(plan.sim_ids)} simulations in {len(plan.batches)} batches")

    def ended(self, ended):
        """Hear what became of a batch."""
        print("ended:", ended.batch.label, "failed" if ended.summary.n_failed else "complete")


run = model.run(observer=Telling())
print(run)

# %% [markdown]
# ## 3. Why one failed

# %%
for row in model.failures():
    print(row["reason"])
    print(row["detail"])

# %% [markdown]
# ## 4. What Prefect has
#
# The private server answers as any other does: flow runs with their final state, a task run for each batch, artifacts with a table of failures and a picture.

# %%
from flows.api import prefect_api
from flows.private_server import state_directory
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter
from prefect.client.schemas.sorting import FlowRunSort

with prefect_api(state_directory("watched")), get_client(sync_client=True) as client:
    (flow_run,) = client.read_flow_runs(sort=FlowRunSort.START_TIME_DESC, limit=1)
    of_this_run = FlowRunFilter(id={"any_": [flow_run.id]})
    task_runs = client.read_task_runs(flow_run_filter=of_this_run)
print(flow_run.state.name, "-", flow_run.state.message)
print(len(task_runs), "task runs:", sorted({task.state.name for task in task_runs}))

# %% [markdown]
# ## 5. In the browser
#
# `stilt ui watched` opens the same state in Prefect's own interface, on this machine only. Here a run of six receptors that all succeeded:
#
# ![A flow run in Prefect's interface](../pictures/prefect-flow-run.png)
#
# With a server of your own set `PREFECT_API_URL`; runs of all machines are then in one place. See [Prefect and clusters](../clusters.md).
