"""Scales of the meteorology along which the transport is differentiated."""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
from jax import Array


class Scales(NamedTuple):
    """Factors on the meteorology that particles see; scalars, except the last one.

    Attributes:
        mixed_layer: on the mixed-layer height, and so on the heights at which turbulence changes.
        wind: on the horizontal mean wind.
        veering: clockwise rotation of the horizontal mean wind, radians.
        turbulence: on the standard deviations of the turbulent velocities; not on time scales.
        aspect: cell size along y over that along x of every node, (ny * nx,).
    """

    mixed_layer: Array
    wind: Array
    veering: Array
    turbulence: Array
    aspect: Array

    def turned(self, wind_x: Array, wind_y: Array, node: Array) -> tuple[Array, Array]:
        """Scale and turn winds in cells per minute, (..., particles), at their nearest nodes."""
        aspect = self.aspect[node]
        cosine, sine = self.wind * jnp.cos(self.veering), self.wind * jnp.sin(self.veering)
        return (
            cosine * wind_x + sine * aspect * wind_y,
            cosine * wind_y - sine * wind_x / aspect,
        )
