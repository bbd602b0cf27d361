"""The flow `footprints`: footprints again from kept trajectories, when their settings changed."""

from __future__ import annotations

from typing import Any

from prefect.states import State

from flows.project_flow import project_flow
from flows.simulate import run_simulations
from stilt.model import Model


@project_flow(name="footprints")
def footprints(
    project: str,
    scene: str | None = None,
    mets: list[str] | None = None,
    n_workers: int | None = None,
    output_dir: str | None = None,
) -> State[Any]:
    """Make the footprints that kept trajectories lack; no particle is moved.

    Change grids, smoothing or transforms in config.yaml, then run this. Simulations whose
    trajectory is missing, or was made by other transport settings, are left to `simulate`.

    Args:
        project: directory, as the worker sees it.
        scene: only simulations of this scene.
        mets: only these meteorologies.
        n_workers: worker processes; 1 computes inline; None takes the config's.
        output_dir: output root, when it is not the project.
    """
    model = Model(project=project, output_dir=output_dir)
    lacking = model.pending(skip_existing=True, scene_id=scene, mets=mets or None)
    ready = model.files.with_trajectories(lacking)
    return run_simulations(model, ready, n_workers, skip_existing=True)
