"""A user's own transform, found by its import path."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from stilt.errors import ConfigValidationError
from stilt.transforms.protocol import ParticleTransform

if TYPE_CHECKING:
    from stilt.config.transforms import ImportedTransform


def imported(transform: ImportedTransform) -> ParticleTransform:
    """Import and make a transform.

    Raises:
        ConfigValidationError: there is no such module or name, it cannot be called with the
            options, or what it makes has no ``apply``.
    """
    module, _, name = transform.path.partition(":")
    try:
        made = getattr(import_module(module), name)(**transform.options)
    except ModuleNotFoundError as error:
        raise ConfigValidationError(
            f"The transform {transform.path} cannot be imported: {error}; its module must be "
            "installed, or lie beside config.yaml."
        ) from error
    except (AttributeError, TypeError) as error:
        raise ConfigValidationError(
            f"The transform {transform.path} cannot be made: {error}."
        ) from error
    if not isinstance(made, ParticleTransform):
        raise ConfigValidationError(
            f"The transform {transform.path} has no method apply(particles, *, context)."
        )
    return made
