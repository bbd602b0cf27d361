"""Where, when and with which random stream the particles of a receptor start."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Literal

import numpy as np

from stilt.config import ModelConfig
from stilt.receptors import (
    ColumnReceptor,
    PointReceptor,
    Receptor,
    met_of,
    release_points,
    require_particles,
)

Kind = Literal["point", "column", "multipoint"]


@dataclass(frozen=True)
class Release:
    """One receptor's particles at their start.

    Attributes:
        sim_id: the simulation they belong to.
        time: release time, UTC; transport counts whole minutes.
        longitudes, latitudes, heights_m: points, (n_points,); a column has bottom and top.
        kind: a point, a column between two heights, or several points.
        heights_msl: heights are above sea level, not above ground.
        key: 64 bits that select the random stream.
    """

    sim_id: str
    time: np.datetime64
    longitudes: np.ndarray
    latitudes: np.ndarray
    heights_m: np.ndarray
    kind: Kind
    heights_msl: bool
    key: int

    def assign(self, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return longitude, latitude and height of each of ``count`` particles.

        A column releases particle k at a random height inside the k-th of ``count`` equal slabs,
        bottom up. Several points share the particles in order, the first ones taking what is
        left over; :func:`release_of` ensures that each has one.
        """
        if self.kind == "column":
            bottom, top = self.heights_m
            offsets = np.random.Generator(np.random.Philox(key=self.key)).random(count)
            heights = bottom + (np.arange(count) + offsets) * (top - bottom) / count
            return (
                np.full(count, self.longitudes[0]),
                np.full(count, self.latitudes[0]),
                heights,
            )
        points = len(self.heights_m)
        each, left = divmod(count, points)
        which = np.repeat(np.arange(points), [each + (p < left) for p in range(points)])
        return self.longitudes[which], self.latitudes[which], self.heights_m[which]

    def nominal_heights(self, count: int) -> np.ndarray | None:
        """Return the release height of each particle for the ``xhgt`` column; None for a point.

        A column's particles get the centres of their slabs.
        """
        if self.kind == "point":
            return None
        if self.kind == "column":
            bottom, top = self.heights_m
            return bottom + (np.arange(count) + 0.5) * (top - bottom) / count
        return self.assign(count)[2]


def release_of(receptor: Receptor, sim_id: str, config: ModelConfig) -> Release:
    """Return the release of a receptor under a configuration.

    The random stream depends on ``config.seed`` (plus the number of the realization) and the
    receptor's id alone, so that neither workers nor batches nor order change a result. Without a
    seed, zero is used.

    Raises:
        TrajectoryError: TOO_FEW_PARTICLES, when the receptor has more points than ``numpar``.
    """
    require_particles(receptor, config.numpar)
    longitudes, latitudes, heights = release_points(receptor)
    kind: Kind = "multipoint"
    if isinstance(receptor, PointReceptor):
        kind = "point"
    elif isinstance(receptor, ColumnReceptor):
        kind = "column"
    msl = receptor.altitude_ref == "msl" if config.kmsl is None else config.kmsl == 1
    return Release(
        sim_id=sim_id,
        time=np.datetime64(receptor.time, "s"),
        longitudes=np.asarray(longitudes, dtype=np.float64),
        latitudes=np.asarray(latitudes, dtype=np.float64),
        heights_m=np.asarray(heights, dtype=np.float64),
        kind=kind,
        heights_msl=msl,
        key=stream_key((config.seed or 0) + _realization(config, sim_id), str(receptor.id)),
    )


def _realization(config: ModelConfig, sim_id: str) -> int:
    """Return the number of the realization that a simulation belongs to."""
    met = config.mets.get(met_of(sim_id))
    return 0 if met is None else met.realization


def stream_key(seed: int, receptor_id: str) -> int:
    """Return 64 bits from a seed and a receptor's id."""
    digest = hashlib.sha256(f"{seed}:{receptor_id}".encode()).digest()
    return int.from_bytes(digest[:8], "little")
