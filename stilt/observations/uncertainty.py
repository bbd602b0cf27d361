"""Uncertainty of an observation as a sum of independent parts."""

from __future__ import annotations

import math
from dataclasses import dataclass

from stilt.errors import UsageError


@dataclass(frozen=True)
class UncertaintyComponent:
    """One independent source of uncertainty.

    Attributes:
        name: what causes it.
        sigma: standard deviation, at least 0, in the unit of the observed value.

    Raises:
        UsageError: no name, or a sigma that is negative or not finite.
    """

    name: str
    sigma: float

    def __post_init__(self) -> None:
        if not self.name:
            raise UsageError("an uncertainty component needs a name")
        if not (math.isfinite(self.sigma) and self.sigma >= 0):
            raise UsageError(f"sigma of '{self.name}' must be at least 0, got {self.sigma}")


@dataclass(frozen=True)
class UncertaintyBudget:
    """Independent components, added in quadrature.

    Raises:
        UsageError: two components have one name.
    """

    components: tuple[UncertaintyComponent, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "components", tuple(self.components))
        names = [component.name for component in self.components]
        repeated = sorted({name for name in names if names.count(name) > 1})
        if repeated:
            raise UsageError(f"uncertainty components must have different names: {repeated} repeat")

    @classmethod
    def of(cls, **sigmas: float) -> UncertaintyBudget:
        """Return a budget of named standard deviations."""
        return cls(tuple(UncertaintyComponent(name, sigma) for name, sigma in sigmas.items()))

    @property
    def total(self) -> float:
        """Standard deviation of the sum: the root of the sum of squares."""
        return math.sqrt(math.fsum(component.sigma**2 for component in self.components))
