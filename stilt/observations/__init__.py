"""Observations: what instruments saw, and the receptors, weights and scenes that follow."""

from stilt.observations.builders import (
    build_column_receptor,
    build_multipoint_receptor,
    build_point_receptor,
    build_slant_receptor,
)
from stilt.observations.geometry import HorizontalGeometry, LineOfSight, ViewingGeometry
from stilt.observations.jitter import jitter_observation
from stilt.observations.observation import Observation, Scene
from stilt.observations.operators import (
    FirstOrderLifetimeChemistry,
    NoOpChemistry,
    NoOpWeighting,
    VerticalOperatorWeighting,
    apply_chemistry,
    apply_weighting,
)
from stilt.observations.readers import (
    read_csv,
    read_files,
    read_ggg,
    read_oco2,
    read_tccon,
    read_tropomi,
    read_wfmd,
)
from stilt.observations.rest_of_column import rest_of_column
from stilt.observations.scenes import (
    group_scenes_by_key,
    group_scenes_by_metadata,
    group_scenes_by_swath,
    group_scenes_by_time_gap,
    make_scene,
)
from stilt.observations.selection import (
    Lattice,
    filter_observations,
    select_observations_spatial,
)
from stilt.observations.sensors import BaseSensor, ColumnSensor, PointSensor
from stilt.observations.soundings import Soundings
from stilt.observations.uncertainty import UncertaintyBudget, UncertaintyComponent

__all__ = [
    "BaseSensor",
    "ColumnSensor",
    "FirstOrderLifetimeChemistry",
    "HorizontalGeometry",
    "Lattice",
    "LineOfSight",
    "NoOpChemistry",
    "NoOpWeighting",
    "Observation",
    "PointSensor",
    "Scene",
    "Soundings",
    "UncertaintyBudget",
    "UncertaintyComponent",
    "VerticalOperatorWeighting",
    "ViewingGeometry",
    "apply_chemistry",
    "apply_weighting",
    "build_column_receptor",
    "build_multipoint_receptor",
    "build_point_receptor",
    "build_slant_receptor",
    "filter_observations",
    "group_scenes_by_key",
    "group_scenes_by_metadata",
    "group_scenes_by_swath",
    "group_scenes_by_time_gap",
    "jitter_observation",
    "make_scene",
    "read_csv",
    "read_files",
    "read_ggg",
    "read_oco2",
    "read_tccon",
    "read_tropomi",
    "read_wfmd",
    "rest_of_column",
    "select_observations_spatial",
]
