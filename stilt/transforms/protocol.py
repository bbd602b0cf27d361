"""What a particle transform is, for those of this package and for a user's own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    import pandas as pd

    from stilt.receptors import Receptor


@dataclass(frozen=True)
class TransformContext:
    """What a transform may want to know besides the particles.

    Attributes:
        receptor: the particles' receptor.
        heights_msl: whether its heights are above sea level; None: as the receptor says.
    """

    receptor: Receptor | None = None
    heights_msl: bool | None = None


@runtime_checkable
class ParticleTransform(Protocol):
    """Anything that changes a particle table before it is gridded, for use from Python."""

    def apply(self, particles: pd.DataFrame, *, context: TransformContext) -> pd.DataFrame:
        """Return a table of the same rows; the one given must not change."""
        ...
