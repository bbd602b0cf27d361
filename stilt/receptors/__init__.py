"""Receptors: where and when air was measured, their identities, and receptors.csv."""

from stilt.receptors.ids import LocationID, ReceptorID, SimID, number_text
from stilt.receptors.kinds import (
    ColumnReceptor,
    MultiPointReceptor,
    PointReceptor,
    Receptor,
    all_points,
    release_points,
)
from stilt.receptors.table import (
    read_receptors,
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
    "all_points",
    "number_text",
    "parse_time",
    "read_receptors",
    "release_points",
    "starter_receptors_csv",
    "unique_receptors",
    "write_receptors",
]
