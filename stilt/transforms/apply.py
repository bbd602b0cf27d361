"""Run a list of particle transforms in order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from stilt.config.transforms import (
    TRANSFORM_KINDS,
    AveragingKernel,
    FirstOrderLifetime,
    ImportedTransform,
    MassWeighting,
    PressureWeighting,
    TypedTransform,
    VerticalOperator,
    checked_transform,
)
from stilt.errors import ConfigValidationError
from stilt.transforms.imported import imported
from stilt.transforms.kernel import apply_averaging_kernel
from stilt.transforms.lifetime import BEFORE_CHEMISTRY, apply_first_order_lifetime
from stilt.transforms.mass import apply_mass_weighting
from stilt.transforms.pressure import apply_pressure_weighting
from stilt.transforms.protocol import ParticleTransform, TransformContext
from stilt.transforms.vertical import BEFORE_WEIGHT, apply_vertical_operator

if TYPE_CHECKING:
    from stilt.receptors import Receptor


Transform = ParticleTransform | TypedTransform | Mapping[str, Any]


def apply_transforms(
    particles: pd.DataFrame,
    transforms: Sequence[Transform],
    *,
    receptor: Receptor | None,
    heights_msl: bool | None = None,
) -> pd.DataFrame:
    """Apply transforms in list order.

    Doing it again to the result changes nothing: weights and chemistry keep the influence they
    found in ``foot_before_weight`` and ``foot_before_chemistry``, and the first of each in a list
    starts from there. Several of one sort in a list multiply.

    Args:
        particles: trajectory table; not changed.
        transforms: mappings as in config.yaml, or objects with ``apply(particles, *, context)``.
        receptor: the particles' receptor.
        heights_msl: whether release heights are above sea level, overriding the receptor (kmsl).

    Raises:
        ConfigValidationError: an unknown kind of transform.
        ValueError: a column that a transform needs is missing.
    """
    context = TransformContext(receptor, heights_msl)
    restored: set[str] = set()
    for transform in transforms:
        step = _resolved(transform)
        saved = _saves_in(step)
        if saved and saved not in restored:
            restored.add(saved)
            if saved in particles.columns:
                particles = particles.assign(foot=particles[saved]).drop(columns=saved)
        first = particles[saved] if saved in particles.columns else None
        particles = _apply(particles, step, context)
        if first is not None:
            particles = particles.assign(**{saved: first})
    return particles


def _resolved(transform: Transform) -> ParticleTransform | TypedTransform:
    """Turn a mapping of the configuration into its typed form."""
    if isinstance(transform, Mapping):
        data = checked_transform(transform)
        transform = TRANSFORM_KINDS[data["kind"]](**data)
    if isinstance(transform, ImportedTransform):
        return imported(transform)
    if isinstance(transform, (TypedTransform, ParticleTransform)):
        return transform
    raise ConfigValidationError(
        f"{transform!r} is not a particle transform: give a mapping with a 'kind', or an object "
        "with apply(particles, *, context)."
    )


def _saves_in(step: object) -> str:
    """Column in which a transform keeps the influence it found, "" when in none."""
    if isinstance(step, (PressureWeighting, VerticalOperator, AveragingKernel, MassWeighting)):
        return BEFORE_WEIGHT
    return BEFORE_CHEMISTRY if isinstance(step, FirstOrderLifetime) else ""


def _apply(
    particles: pd.DataFrame,
    step: ParticleTransform | TypedTransform,
    context: TransformContext,
) -> pd.DataFrame:
    if isinstance(step, AveragingKernel):
        return apply_averaging_kernel(particles, step, context)
    if isinstance(step, PressureWeighting):
        return apply_pressure_weighting(particles, context)
    if isinstance(step, MassWeighting):
        return apply_mass_weighting(particles)
    if isinstance(step, VerticalOperator):
        return apply_vertical_operator(
            particles, step, receptor=context.receptor, heights_msl=context.heights_msl
        )
    if isinstance(step, FirstOrderLifetime):
        return apply_first_order_lifetime(particles, step)
    assert isinstance(step, ParticleTransform)
    return step.apply(particles, context=context)
