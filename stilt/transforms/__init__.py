"""Weights on particles before they are gridded."""

from stilt.transforms.apply import ParticleTransform as ParticleTransform
from stilt.transforms.apply import TransformContext as TransformContext
from stilt.transforms.apply import apply_transforms as apply_transforms
from stilt.transforms.pressure import PressureWeighting as PressureWeighting
from stilt.transforms.pressure import pressure_weights as pressure_weights

__all__ = [
    "ParticleTransform",
    "PressureWeighting",
    "TransformContext",
    "apply_transforms",
    "pressure_weights",
]
