"""What a run has written, in a form that two runs can be compared by."""

from pathlib import Path

import netCDF4


def outputs(root: Path) -> dict[str, object]:
    """Trajectories byte by byte; footprints without the time at which they were made."""
    found = [path for path in root.glob("simulations/by-id/*/*") if path.is_file()]
    return {p.name: _content(p) if p.suffix == ".nc" else p.read_bytes() for p in found}


def _content(path: Path) -> dict[str, object]:
    with netCDF4.Dataset(path) as file:
        values = {name: variable[:].tobytes() for name, variable in file.variables.items()}
        attributes = {name: file.getncattr(name) for name in file.ncattrs()}
    return values | {k: v for k, v in attributes.items() if k not in ("history", "time_created")}
