"""The truncated Gaussian kernel of the footprint: separable, normalised, odd-sized."""

from __future__ import annotations

import numpy as np

from stilt.footprint.steps import Floats


def half_width(sigma: Floats | float, resolution: float) -> np.ndarray:
    """Return the cells on either side of the kernel's centre: floor(3 sigma / resolution)."""
    return np.floor(3.0 * np.asarray(sigma, np.float64) / resolution).astype(np.int64)


def axis_weights(sigma: Floats, resolution: float, half: int) -> Floats:
    """Return normalised weights along one axis for each sigma, shape (sigmas, 2 half + 1).

    The two-dimensional kernel exp(-(x^2 + y^2) / 2 sigma^2) over its own sum is the outer product
    of two of these, exactly, because the truncation is a rectangle.
    """
    if half == 0:
        return np.ones((np.size(sigma), 1))
    offset = np.arange(-half, half + 1) * resolution
    weights = np.exp(-(offset**2) / (2.0 * np.square(sigma)[:, None]))
    return weights / weights.sum(axis=1, keepdims=True)
