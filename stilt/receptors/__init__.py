"""Receptors: where and when air was measured, their identities, and receptors.csv."""

from stilt.receptors.ids import LocationID, ReceptorID, SimID, number_text
from stilt.receptors.kinds import (
    ColumnReceptor,
    MultiPointReceptor,
    PointReceptor,
    Receptor,
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
from stilt.receptors.times import TimeLike, parse_time

__all__ = [
    "ColumnReceptor",
    "LocationID",
    "MultiPointReceptor",
    "PointReceptor",
    "Receptor",
    "ReceptorID",
    "SimID",
    "TimeLike",
    "number_text",
    "parse_time",
    "read_receptors",
    "receptors_from_table",
    "release_points",
    "require_particles",
    "starter_receptors_csv",
    "unique_receptors",
    "write_receptors",
]
