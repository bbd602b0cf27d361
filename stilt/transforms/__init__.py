"""Weights on particles before they are gridded."""

from stilt.config.transforms import PressureWeighting as PressureWeighting
from stilt.transforms.apply import apply_transforms as apply_transforms
from stilt.transforms.pressure import pressure_weights as pressure_weights
from stilt.transforms.protocol import ParticleTransform as ParticleTransform
from stilt.transforms.protocol import TransformContext as TransformContext

__all__ = [
    "ParticleTransform",
    "PressureWeighting",
    "TransformContext",
    "apply_transforms",
    "pressure_weights",
]
