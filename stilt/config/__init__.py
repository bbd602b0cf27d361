"""Configuration: frozen, typed, strict about keys, with a description of every field."""

from stilt.config.base import ConfigFieldError
from stilt.config.execution import ExecutionConfig
from stilt.config.footprints import FootprintConfig
from stilt.config.geometry import Bounds, Grid
from stilt.config.meteorology import MetConfig
from stilt.config.model import ModelConfig, is_same
from stilt.config.output import OutputConfig
from stilt.config.reference import DocumentedField, iter_documented_fields
from stilt.config.run import DEFAULT_CODES, PARTICLE_CODES
from stilt.config.runtime import RuntimeSettings
from stilt.config.starter import starter_yaml
from stilt.config.transforms import (
    MINUTES_PER_UNIT,
    FirstOrderLifetime,
    VerticalOperator,
    checked_transform,
)
from stilt.installation import refuse_pystilt

refuse_pystilt()

__all__ = [
    "DEFAULT_CODES",
    "MINUTES_PER_UNIT",
    "PARTICLE_CODES",
    "Bounds",
    "ConfigFieldError",
    "DocumentedField",
    "ExecutionConfig",
    "FirstOrderLifetime",
    "FootprintConfig",
    "Grid",
    "MetConfig",
    "ModelConfig",
    "OutputConfig",
    "RuntimeSettings",
    "VerticalOperator",
    "checked_transform",
    "is_same",
    "iter_documented_fields",
    "starter_yaml",
]
