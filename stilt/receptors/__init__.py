"""Receptors: where and when air was measured, their identities, and receptors.csv."""

from stilt.receptors.ids import (
    LocationID,
    ReceptorID,
    SimID,
    SimParts,
    location_of,
    met_of,
    number_text,
    receptor_of,
    sim_parts,
)
from stilt.receptors.kinds import (
    ColumnReceptor,
    MultiPointReceptor,
    PointReceptor,
    Position,
    Receptor,
    all_points,
    release_points,
    require_particles,
)
from stilt.receptors.table import (
    read_receptors,
    receptors_from_table,
    starter_receptors_csv,
    unique_receptors,
    write_receptors,
)
from stilt.receptors.times import TimeLike, parse_time, time_window

__all__ = [
    "ColumnReceptor",
    "LocationID",
    "MultiPointReceptor",
    "PointReceptor",
    "Position",
    "Receptor",
    "ReceptorID",
    "SimID",
    "SimParts",
    "TimeLike",
    "all_points",
    "location_of",
    "met_of",
    "number_text",
    "parse_time",
    "read_receptors",
    "receptor_of",
    "receptors_from_table",
    "release_points",
    "require_particles",
    "sim_parts",
    "starter_receptors_csv",
    "time_window",
    "unique_receptors",
    "write_receptors",
]
