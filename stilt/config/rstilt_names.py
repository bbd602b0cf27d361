"""Settings of R-STILT's run_stilt.r that stand elsewhere here, or under another name."""

from __future__ import annotations

_GRID = {
    "xmn": "xmin", "xmx": "xmax", "ymn": "ymin", "ymx": "ymax", "xres": "xres", "yres": "yres",
    "projection": "projection",
}  # fmt: skip
_RECEPTORS = ("receptors", "run_times", "t_start", "t_end", "lati", "long", "zagl")
_PLACES = ("project", "stilt_wd")
RSTILT_SETTINGS = {
    "met_path": "mets.NAME.directory",
    "met_file_format": "mets.NAME.file_format",
    "met_file_tres": "mets.NAME.file_tres",
    "met_loc": "mets.NAME.directory",
    "n_met_min": "mets.NAME.n_min",
    "met_subgrid_enable": "mets.NAME.subgrid_enable",
    "met_subgrid_buffer": "mets.NAME.subgrid_buffer",
    "met_subgrid_levels": "mets.NAME.subgrid_levels",
    "n_cores": "execution.n_workers",
    "n_nodes": "execution.n_workers, of all machines together",
    "processes_per_node": "execution.n_workers, of all machines together",
    "slurm": "execution.backend: slurm",
    "slurm_options": "execution.backend: slurm, with the options beside it",
    "smooth_factor": "footprints.NAME.smooth_factor",
    "time_integrate": "footprints.NAME.time_integrate",
    "run_foot": "a section footprints; without one only trajectories are kept",
    "run_trajec": "not needed: particles that are there are kept, see skip_existing",
    "before_footprint": "footprints.NAME.transforms",
    "output_wd": "the option --output-dir of the commands",
    "timeout": "not needed: no simulation is given up because it takes long",
    "simulation_id": "not needed: the id is made of met, time and place of the receptor",
    **dict.fromkeys(_RECEPTORS, "the file receptors.csv"),
    **dict.fromkeys(_PLACES, "the folder of config.yaml, which the commands take"),
    **{old: f"footprints.NAME.grid.{new}" for old, new in _GRID.items()},
}
