"""What Prefect's API knows about a run."""

from pathlib import Path

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterFlowRunId,
    FlowRunFilter,
    FlowRunFilterTags,
)


def flow_run_of(root: Path):
    """The latest flow run of a project, its task runs and its artifacts by key."""
    tags = FlowRunFilter(tags=FlowRunFilterTags(all_=[f"project:{root.name}"]))
    with get_client(sync_client=True) as client:
        runs = client.read_flow_runs(flow_run_filter=tags)
        run = max(runs, key=lambda run: run.created)
        tasks = client.read_task_runs(flow_run_filter=FlowRunFilter(id={"any_": [run.id]}))
        mine = ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[run.id]))
        artifacts = {a.key: a for a in client.read_artifacts(artifact_filter=mine)}
    return run, tasks, artifacts
