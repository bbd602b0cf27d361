"""Files made of outputs in the store, for programs that want files."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from stilt.atomic import atomic_path
from stilt.project.artifacts import footprint_attributes, trajectory_texts
from stilt.project.inputs import Project
from stilt.project.kinds import FOOTPRINTS
from stilt.project.reading import Located, own_file, read_footprint, read_trajectories
from stilt.project.store_scan import made_of_stored
from stilt.store import opened


def files_of(project: Project, located: Sequence[Located], kind: str, name: str = "") -> list[Path]:
    """Make the file that each output would have with the layout ``files``, unless it is there.

    Args:
        project: the project.
        located: outputs in shards.
        kind, name: of the outputs.

    Returns:
        The files, in a folder of their own.

    Raises:
        DamagedShardError: an output cannot be read.
    """
    return [_file_of(project, one, kind, name) for one in located]


def _file_of(project: Project, located: Located, kind: str, name: str) -> Path:
    own = own_file(project, located.sim_id, kind, name)
    path = project.layout.made_files / located.sim_id / own.name
    if path.exists() and path.stat().st_mtime_ns > located.path.stat().st_mtime_ns:
        return path
    write_file(located, kind, path)
    return path


def write_file(located: Located, kind: str, path: Path) -> None:
    """Write an output as the file that it would have with the layout ``files``.

    Args:
        located: where it is.
        kind: of the output.
        path: file to make or replace.
    """
    if not located.shard:
        path.parent.mkdir(parents=True, exist_ok=True)
        with located.being_read(), atomic_path(path) as part:
            shutil.copyfile(located.path, part)
        return
    made = made_of_stored(opened(located.path).stored(located.sim_id))
    if kind == FOOTPRINTS:
        read_footprint(located).to_netcdf(path, attrs=footprint_attributes(made))
    else:
        read_trajectories(located).to_parquet(path, extra=trajectory_texts(made))
