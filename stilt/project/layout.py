"""Where everything of a project lies on disk."""

from __future__ import annotations

import os
from pathlib import Path


class ProjectLayout:
    """Paths under one output root; making the object touches nothing on disk.

    ``config.yaml`` and ``receptors.csv`` at the top, one folder per simulation under
    ``simulations/by-id/``, flat folders of relative links to trajectories and footprints,
    ``observations/``, and ``.stilt/`` with what the program keeps for itself. With
    ``output: {layout: store}`` particles and footprints are in ``store/`` instead.

    Args:
        root: the output root, a local folder.
    """

    def __init__(self, root: str | os.PathLike[str]) -> None:
        self.root = Path(root)
        self.config = self.root / "config.yaml"
        self.receptors = self.root / "receptors.csv"
        self.simulations = self.root / "simulations"
        self.by_id = self.simulations / "by-id"
        self.particles = self.simulations / "particles"
        self.footprints = self.simulations / "footprints"
        self.observations = self.root / "observations"
        self.store = self.root / "store"
        self.state = self.root / ".stilt"
        self.index = self.state / "index.duckdb"
        self.receipts = self.state / "receipts"
        self.folded = self.state / "folded"
        self.registrations = self.state / "registrations"
        self.running = self.state / "running"
        self.planned = self.state / "planned"
        self.slurm = self.state / "slurm"
        self.weather_cache = self.state / "weather"
        self.made_files = self.state / "files"
        self.time_format = self.state / "time-format.json"

    def simulation_dir(self, sim_id: str) -> Path:
        """Folder of one simulation."""
        return self.by_id / sim_id

    def trajectory(self, sim_id: str) -> Path:
        """Particles of the main run."""
        return self.simulation_dir(sim_id) / trajectory_name(sim_id)

    def error_trajectory(self, sim_id: str) -> Path:
        """Particles of the run with perturbed weather."""
        return self.simulation_dir(sim_id) / error_trajectory_name(sim_id)

    def ends(self, sim_id: str) -> Path:
        """First and last rows of the particles, where the particles are not kept."""
        return self.simulation_dir(sim_id) / f"{sim_id}_ends.parquet"

    def footprint(self, sim_id: str, name: str = "") -> Path:
        """One footprint, by the name it has in the configuration."""
        return self.simulation_dir(sim_id) / footprint_name(sim_id, name)

    def shard(self, shard: str) -> Path:
        """One file of the store, by its path within the store (``particles/...``)."""
        return self.store / shard

    def log(self, sim_id: str) -> Path:
        """What happened to one simulation, appended to by every attempt that failed."""
        return self.simulation_dir(sim_id) / "stilt.log"

    def link(self, artifact: Path) -> Path:
        """Link in the flat folders that belongs to a trajectory or footprint."""
        folder = self.footprints if artifact.suffix == ".nc" else self.particles
        return folder / artifact.name

    def __repr__(self) -> str:
        return f"ProjectLayout({str(self.root)!r})"


def trajectory_name(sim_id: str) -> str:
    """File name of the main trajectory."""
    return f"{sim_id}_traj.parquet"


def error_trajectory_name(sim_id: str) -> str:
    """File name of the perturbed trajectory."""
    return f"{sim_id}_error.parquet"


def footprint_name(sim_id: str, name: str = "") -> str:
    """File name of a footprint."""
    return f"{sim_id}_{name}_foot.nc" if name else f"{sim_id}_foot.nc"


def footprint_of_file(sim_id: str, file_name: str) -> str | None:
    """Name of the footprint that a file holds, or None for any other file.

    The marker ``<id>_<name>_foot.empty`` of comparable software counts as the footprint.
    """
    for suffix in ("_foot.nc", "_foot.empty"):
        if file_name.startswith(sim_id) and file_name.endswith(suffix):
            return file_name[len(sim_id) : -len(suffix)].removeprefix("_")
    return None


def receipt_files(folder: Path) -> list[Path]:
    """Receipts, or registrations, in a folder, oldest first."""
    return sorted(folder.glob("[!.]*.parquet")) if folder.is_dir() else []
