"""Weighting and chemistry of observations, as objects around a footprint's transforms."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from stilt.config.transforms import checked_transform

if TYPE_CHECKING:
    import pandas as pd

    from stilt.receptors import Receptor


class ParticleOperator(Protocol):
    """Anything that stands for a list of transforms in a footprint's configuration."""

    def transforms(self) -> list[dict[str, Any]]:
        """Return the transforms, in the form config.yaml uses."""
        ...


@dataclass(frozen=True)
class NoOpWeighting:
    """Every particle counts alike."""

    def transforms(self) -> list[dict[str, Any]]:
        """Return no transform."""
        return []


@dataclass(frozen=True)
class VerticalOperatorWeighting:
    """Particles count by their release level, as an averaging kernel or pressure weights say.

    Attributes:
        mode: none, uniform, ak, pwf, ak_pwf, integration or tccon.
        levels: levels of the values, in the unit of ``coordinate``.
        values: weight at each level.
        pressure_levels: pressure of each level in hPa.
        coordinate: particle column compared with the levels.
        metadata: notes kept with the operator.

    Raises:
        ConfigValidationError: an unknown mode, or levels and values that do not fit.
    """

    mode: str
    levels: tuple[float, ...] | None = None
    values: tuple[float, ...] | None = None
    pressure_levels: tuple[float, ...] | None = None
    coordinate: str = "xhgt"
    metadata: dict[str, Any] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        for name in ("levels", "values", "pressure_levels"):
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, tuple(float(item) for item in value))
        self.transforms()

    def transforms(self) -> list[dict[str, Any]]:
        """Return one ``vertical_operator``."""
        names = ("mode", "levels", "values", "pressure_levels", "coordinate", "metadata")
        fields = {name: getattr(self, name) for name in names}
        return [checked_transform({"kind": "vertical_operator", **fields})]


@dataclass(frozen=True)
class NoOpChemistry:
    """Nothing is lost on the way."""

    def transforms(self) -> list[dict[str, Any]]:
        """Return no transform."""
        return []


@dataclass(frozen=True)
class FirstOrderLifetimeChemistry:
    """Influence decays with the age of the air.

    Attributes:
        lifetime_hours: time in h after which 1/e is left, above 0.
        time_column: particle column that holds the age.
        time_unit: its unit: s, min, h or d.

    Raises:
        ConfigValidationError: the lifetime is not above 0, or the unit is unknown.
    """

    lifetime_hours: float
    time_column: str = "time"
    time_unit: str = "min"

    def __post_init__(self) -> None:
        self.transforms()

    def transforms(self) -> list[dict[str, Any]]:
        """Return one ``first_order_lifetime``."""
        fields = {
            name: getattr(self, name) for name in ("lifetime_hours", "time_column", "time_unit")
        }
        return [checked_transform({"kind": "first_order_lifetime", **fields})]


def apply_weighting(
    particles: pd.DataFrame,
    weighting: ParticleOperator,
    *,
    receptor: Receptor | None = None,
    heights_msl: bool | None = None,
) -> pd.DataFrame:
    """Return the particles with ``foot`` weighted; the table given does not change.

    ``heights_msl`` overrides the receptor's height reference, as the option kmsl does.
    """
    from stilt.transforms import apply_transforms

    return apply_transforms(
        particles, weighting.transforms(), receptor=receptor, heights_msl=heights_msl
    )


def apply_chemistry(
    particles: pd.DataFrame, chemistry: ParticleOperator, *, receptor: Receptor | None = None
) -> pd.DataFrame:
    """Return the particles with ``foot`` decayed; the table given does not change."""
    return apply_weighting(particles, chemistry, receptor=receptor)
