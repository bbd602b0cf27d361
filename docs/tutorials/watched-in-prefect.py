# %% [markdown]
# # A run watched in Prefect
#
# Every run is a flow run of Prefect. If you have no Prefect server, a private one is started for the run and keeps its state in the project; there is nothing to set up. Here we follow a run, and then query it.

# %% [markdown]
# ## 1. A project
#
# Four receptors, of which one lies outside the weather and will fail.

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
# ## 2. Progress
#
# `stilt run` shows a progress bar. In Python an observer is called with what is planned, how many simulations are done, and how each batch ended.

# %%
from stilt.execution.observing import Silent


class Printer(Silent):
    """Prints the progress of a run."""

    def planned(self, plan):
        """Print what will be computed."""
        print(f"{len(plan.sim_ids)} simulations in {len(plan.batches)} batches")

    def ended(self, ended):
        """Print how a batch ended."""
        print("ended:", ended.batch.label, "failed" if ended.summary.n_failed else "complete")


run = model.run(observer=Printer())
print(run)

# %% [markdown]
# ## 3. Why one failed

# %%
for row in model.failures():
    print(row["reason"])
    print(row["detail"])

# %% [markdown]
# ## 4. What Prefect records
#
# The private server can be queried like any other. It has flow runs with their final state, a task run for each batch, and artifacts: a table of failures and a picture.

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
# If you have a server, set `PREFECT_API_URL`: the runs of all machines are then in one place. See [Prefect and clusters](../clusters.md).
