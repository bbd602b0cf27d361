"""One measurement, and a scene of measurements that belong together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pandas as pd

from stilt.errors import UsageError
from stilt.observations.geometry import HorizontalGeometry, LineOfSight, ViewingGeometry
from stilt.observations.operators import ParticleOperator
from stilt.observations.uncertainty import UncertaintyBudget
from stilt.receptors import TimeLike, number_text, parse_time
from stilt.receptors.checks import (
    check_altitude,
    check_altitude_ref,
    check_latitude,
    check_longitude,
)


@dataclass(frozen=True, kw_only=True)
class Observation:
    """One measurement: what, where and when, and what its receptor and footprint need.

    Attributes:
        time: naive UTC.
        latitude: degrees north.
        longitude: degrees east.
        sensor: name of the instrument.
        species: what was measured, such as ``co2``.
        id: name of the observation; made from sensor, time and position when not given.
        altitude: m above ``altitude_ref``, None for the sensor's default.
        altitude_ref: ``"agl"`` or ``"msl"``.
        value: the measured value.
        uncertainty: standard deviation in the unit of the value; taken from the budget when
            not given.
        budget: parts of the uncertainty.
        geometry: area on the ground.
        viewing: angles of the sun and the instrument.
        line_of_sight: altitudes along the instrument's line of sight.
        weighting: vertical weighting of the particles.
        chemistry: chemical loss between the surface and the receptor.
        metadata: anything else, such as quality flags or a swath number.

    Raises:
        UsageError: time, position or altitude is outside its range.
    """

    time: pd.Timestamp | TimeLike
    latitude: float
    longitude: float
    sensor: str = "sensor"
    species: str = ""
    id: str = ""
    altitude: float | None = None
    altitude_ref: str = "agl"
    value: float | None = None
    uncertainty: float | None = None
    budget: UncertaintyBudget | None = None
    geometry: HorizontalGeometry = field(default_factory=HorizontalGeometry)
    viewing: ViewingGeometry | None = None
    line_of_sight: LineOfSight | None = None
    weighting: ParticleOperator | None = None
    chemistry: ParticleOperator | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        reference = check_altitude_ref(self.altitude_ref)
        values: dict[str, Any] = {
            "time": parse_time(self.time),
            "latitude": check_latitude(self.latitude),
            "longitude": check_longitude(self.longitude),
            "altitude_ref": reference,
            "metadata": dict(self.metadata),
        }
        if self.altitude is not None:
            values["altitude"] = check_altitude(self.altitude, reference)
        if self.uncertainty is None and self.budget is not None:
            values["uncertainty"] = self.budget.total
        if self.uncertainty is not None and not self.uncertainty >= 0:
            raise UsageError(f"uncertainty must be at least 0, got {self.uncertainty}")
        if not self.id:
            place = f"{number_text(values['longitude'])}_{number_text(values['latitude'])}"
            values["id"] = f"{self.sensor}-{values['time']:%Y%m%d%H%M%S}-{place}"
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def transforms(self) -> list[dict[str, Any]]:
        """Return the footprint transforms of the weighting and the chemistry, in this order."""
        operators = [item for item in (self.weighting, self.chemistry) if item is not None]
        return [transform for item in operators for transform in item.transforms()]

    def with_changes(self, **changes: Any) -> Observation:
        """Return a copy with some attributes replaced.

        A new budget gives a new uncertainty, unless the old one was given explicitly.
        """
        if self.budget is not None and self.uncertainty == self.budget.total:
            changes = {"uncertainty": None, **changes}
        return replace(self, **changes)


@dataclass(frozen=True)
class Scene:
    """Observations that belong together, sorted by time.

    Attributes:
        id: name, usable as ``scene_id`` when simulations are registered.
        observations: at least one.
        metadata: anything that applies to all of them.

    Raises:
        UsageError: there are no observations.
    """

    id: str
    observations: tuple[Observation, ...]
    metadata: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        if not self.observations:
            raise UsageError(f"scene '{self.id}' needs at least one observation")
        ordered = tuple(sorted(self.observations, key=lambda item: item.time))
        object.__setattr__(self, "observations", ordered)

    @property
    def time_range(self) -> tuple[pd.Timestamp, pd.Timestamp]:
        """Times of the first and the last observation, naive UTC."""
        return pd.Timestamp(self.observations[0].time), pd.Timestamp(self.observations[-1].time)

    def __len__(self) -> int:
        return len(self.observations)

    def __iter__(self) -> Iterator[Observation]:
        return iter(self.observations)
