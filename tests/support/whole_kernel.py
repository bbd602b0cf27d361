"""The two-dimensional kernel of the footprint as one matrix."""

import numpy as np

from stilt.footprint.kernel import axis_weights, half_width


def gaussian_kernel(sigma: float, xres: float, yres: float) -> np.ndarray:
    """Return the kernel for one sigma (grid units), (rows of y, columns of x), summing to one."""
    widths = np.array([sigma], np.float64)
    along_x = axis_weights(widths, xres, int(half_width(sigma, xres)))[0]
    along_y = axis_weights(widths, yres, int(half_width(sigma, yres)))[0]
    return np.outer(along_y, along_x)
