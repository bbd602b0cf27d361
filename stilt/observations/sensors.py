"""Instruments: which species they measure, and the receptor for each of their observations."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

from stilt.errors import UsageError
from stilt.observations.builders import (
    build_column_receptor,
    build_point_receptor,
    build_slant_receptor,
)
from stilt.observations.observation import Observation
from stilt.receptors import Receptor, TimeLike
from stilt.receptors.checks import check_altitude_ref


@dataclass(frozen=True, kw_only=True)
class BaseSensor(ABC):
    """An instrument.

    Attributes:
        name: used in ids of observations.
        species: what it measures; empty for anything.
    """

    name: str = "sensor"
    species: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        listed = (self.species,) if isinstance(self.species, str) else tuple(self.species)
        object.__setattr__(self, "species", listed)

    @abstractmethod
    def receptor(self, observation: Observation) -> Receptor:
        """Return where and when to release particles for an observation."""

    def pick_species(self, species: str | None = None) -> str:
        """Return the species to record, which may be omitted when there is only one.

        Raises:
            UsageError: the species is not supported, or there are several to choose from.
        """
        if species is None:
            if len(self.species) == 1:
                return self.species[0]
            if self.species:
                raise UsageError(f"{self.name} measures {', '.join(self.species)}: choose one")
            return ""
        if self.species and species not in self.species:
            raise UsageError(
                f"{self.name} does not measure '{species}', only {', '.join(self.species)}"
            )
        return species

    def observe(
        self,
        time: TimeLike,
        latitude: float,
        longitude: float,
        *,
        species: str | None = None,
        **fields: Any,
    ) -> Observation:
        """Return an observation by this instrument; ``fields`` are those of Observation."""
        return Observation(
            time=time,
            latitude=latitude,
            longitude=longitude,
            sensor=self.name,
            species=self.pick_species(species),
            **fields,
        )


@dataclass(frozen=True, kw_only=True)
class PointSensor(BaseSensor):
    """An instrument that samples air at one point, such as the inlet of a tower.

    Attributes:
        default_height: m, for observations that carry no altitude.
    """

    default_height: float | None = None

    def receptor(self, observation: Observation) -> Receptor:
        """Return a point at the observation's altitude, else at the default height.

        Raises:
            UsageError: there is no altitude, or the observation stands for an area.
        """
        if observation.geometry.kind != "point":
            raise UsageError(
                f"observation '{observation.id}' stands for a {observation.geometry.kind}; a "
                "point sensor takes points only"
            )
        return build_point_receptor(observation, altitude=self.default_height)


@dataclass(frozen=True, kw_only=True)
class ColumnSensor(BaseSensor):
    """A column-averaging instrument, on the ground or in orbit.

    Attributes:
        mode: ``vertical``, or ``slant`` along each observation's line of sight.
        bottom: lower end of a vertical column in m.
        top: upper end of a vertical column in m.
        altitude_ref: ``"agl"`` or ``"msl"`` of a vertical column.

    Raises:
        UsageError: the mode is unknown, or bottom is not below top.
    """

    mode: str = "vertical"
    bottom: float = 0.0
    top: float = 3000.0
    altitude_ref: str = "agl"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.mode not in ("vertical", "slant"):
            raise UsageError(f"mode must be 'vertical' or 'slant', got {self.mode!r}")
        if not self.bottom < self.top:
            raise UsageError(f"bottom {self.bottom} m must be below top {self.top} m")
        object.__setattr__(self, "altitude_ref", check_altitude_ref(self.altitude_ref))

    def receptor(self, observation: Observation) -> Receptor:
        """Return a vertical column, or the points of the slanted path."""
        if self.mode == "slant":
            return build_slant_receptor(observation)
        return build_column_receptor(
            observation, self.bottom, self.top, altitude_ref=self.altitude_ref
        )
