"""A prior covariance that is separable in space and time, used without ever being formed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import scipy.sparse as sp
from numpy.typing import NDArray

from stilt.errors import UsageError
from stilt.sphere import EARTH_RADIUS_KM, distance_km, unit_vectors

if TYPE_CHECKING:
    from stilt.footprint.jacobian import Jacobian

Floats = NDArray[np.float64]
SECONDS_PER_HOUR = 3600.0
# Relative differences across the diagonal that rounding makes.
SYMMETRIC = 1e-6


@dataclass(frozen=True, repr=False)
class PriorCovariance:
    """Q = diag(s) (T ⊗ S) diag(s), for columns with time bins outermost.

    Attributes:
        sigma: standard deviation of each column's flux, umol m-2 s-1, shape (bins * cells,).
        time: correlation of time bins, shape (bins, bins).
        space: correlation of cells, dense or sparse, shape (cells, cells).

    Raises:
        UsageError: shapes do not fit, a standard deviation is negative, or a correlation is missing
            or not symmetric.
    """

    sigma: Floats
    time: Floats
    space: Any

    def __post_init__(self) -> None:
        for name in ("sigma", "time", "space"):
            given = getattr(self, name)
            if not sp.issparse(given):
                object.__setattr__(self, name, np.asarray(given, np.float64))
        bins, cells = self.time.shape[0], self.space.shape[0]
        square = self.time.shape == (bins, bins) and self.space.shape == (cells, cells)
        if not square or self.sigma.shape != (bins * cells,):
            raise UsageError(
                f"A covariance of {bins} time bins and {cells} cells needs {bins * cells} standard "
                f"deviations and square correlations, got {self.sigma.shape}, {self.time.shape} "
                f"and {self.space.shape}."
            )
        if not (np.isfinite(self.sigma).all() and (self.sigma >= 0).all()):
            raise UsageError("Standard deviations of the prior must be finite and not negative.")
        for name, given in (("time", self.time), ("space", self.space)):
            apart = abs(given - given.T)
            if not apart.max() <= SYMMETRIC * abs(given).max():
                raise UsageError(
                    f"The correlations in {name} of the prior have missing values or are not "
                    "symmetric, as correlations are."
                )

    def __repr__(self) -> str:
        return (
            f"<PriorCovariance: {self.time.shape[0]} time bins x {self.space.shape[0]} cells, "
            f"sigma {self.sigma.min():.4g} to {self.sigma.max():.4g} umol m-2 s-1>"
        )

    @classmethod
    def exponential(
        cls,
        jacobian: Jacobian,
        sigma: Any,
        *,
        length_km: float,
        hours: float,
        cut_off: float = 0.0,
    ) -> PriorCovariance:
        """Return exp(−distance/length) exp(−|time|/hours) for a Jacobian's columns.

        Args:
            jacobian: with cells in longitude and latitude.
            sigma: standard deviation, umol m-2 s-1: a number, or one for every column.
            length_km: over which errors of the prior decorrelate; 0 for independent cells.
            hours: over which they decorrelate; 0 for independent time bins.
            cut_off: correlations below this are left out, which keeps ``space`` sparse.

        Raises:
            UsageError: the cells are not in longitude and latitude, a length is no number, or
                there is not one sigma for every column.
        """
        if not (np.isfinite([length_km, hours]).all() and min(length_km, hours) >= 0.0):
            raise UsageError(
                f"Lengths of correlation must be numbers, 0 or above, got length_km={length_km} "
                f"and hours={hours}."
            )
        if not 0.0 <= cut_off < 1.0:
            raise UsageError(f"cut_off is a correlation from 0 to below 1, got {cut_off}.")
        if list(jacobian.cells.names) != ["lon", "lat"]:
            raise UsageError(
                "Distances need cells in longitude and latitude; give space for others."
            )
        lon, lat = (
            np.radians(jacobian.cells.get_level_values(name).to_numpy(np.float64))
            for name in ("lon", "lat")
        )
        columns = jacobian.matrix.shape[1]
        return cls(
            one_for_each_column(sigma, columns, "sigma"),
            _time_correlation(jacobian.bins, hours),
            _space_correlation(lon, lat, length_km, cut_off),
        )

    def times(self, vectors: Any) -> Floats:
        """Return Q v for every column of ``vectors``, shape (columns, n)."""
        plain = vectors.toarray() if sp.issparse(vectors) else np.asarray(vectors, np.float64)
        flat = plain.reshape(plain.shape[0], -1)
        bins, cells = self.time.shape[0], self.space.shape[0]
        moved = (self.sigma[:, None] * flat).reshape(bins, cells, -1)
        moved = np.tensordot(self.time, moved, axes=(1, 0))
        spread = np.stack([np.asarray(self.space @ each) for each in moved])
        found: Floats = self.sigma[:, None] * spread.reshape(flat.shape)
        return found.reshape(plain.shape)

    def hq(self, matrix: Any) -> Floats:
        """Return H Q, shape (measurements, columns)."""
        return self.times(matrix.T).T

    def hqht(self, matrix: Any) -> Floats:
        """Return H Q Hᵀ, shape (measurements, measurements), without H Q in memory.

        The sum over pairs of time bins of T[b, c] (H_b S H_cᵀ), one bin's part of H at a time.
        """
        bins, cells = self.time.shape[0], self.space.shape[0]
        scaled = sp.csc_array(matrix) @ sp.diags_array(self.sigma)
        parts = [sp.csr_array(scaled[:, b * cells : (b + 1) * cells]) for b in range(bins)]
        total = np.zeros((matrix.shape[0], matrix.shape[0]))
        for number, part in enumerate(parts):
            if part.nnz == 0:
                continue
            mixed = sp.csr_array(part.shape)
            for other, weight in zip(parts, self.time[number], strict=True):
                if weight and other.nnz:
                    mixed = mixed + weight * other
            spread = np.asarray(self.space @ part.T.toarray())
            total += np.asarray(mixed @ spread).T
        return total


def one_for_each_column(given: Any, columns: int, called: str) -> Floats:
    """Return numbers as one for every column of a Jacobian.

    Args:
        given: a number for all of them, or one for each, such as an array of bins by cells.
        columns: how many there are.
        called: what they are, for the sentence.

    Raises:
        UsageError: there are more or fewer, or one is missing.
    """
    numbers = np.asarray(given, np.float64)
    if numbers.ndim and numbers.size != columns:
        raise UsageError(
            f"{called} must be a number, or one for each of the {columns} columns of the Jacobian "
            f"(time bins outermost), got {numbers.size}."
        )
    missing = int((~np.isfinite(numbers)).sum())
    if missing:
        raise UsageError(f"{called} has {missing} missing value(s).")
    return np.broadcast_to(numbers.reshape(-1) if numbers.ndim else numbers, (columns,)).copy()


def _time_correlation(bins: pd.DatetimeIndex, hours: float) -> Floats:
    stamps = bins.to_numpy("datetime64[s]").astype(np.float64)
    apart = np.abs(stamps[:, None] - stamps[None, :]) / SECONDS_PER_HOUR
    return np.exp(-apart / hours) if hours > 0 else np.eye(stamps.size)


def _space_correlation(lon: Floats, lat: Floats, length_km: float, cut_off: float) -> Any:
    if length_km <= 0:
        return sp.eye_array(lon.size, format="csr")
    if cut_off > 0:
        return _near(lon, lat, length_km, cut_off)
    return np.exp(-distance_km(lon[:, None], lat[:, None], lon, lat) / length_km)


def _near(lon: Floats, lat: Floats, length_km: float, cut_off: float) -> sp.csr_array:
    """Correlations above a limit, by neighbours on the sphere."""
    from scipy.spatial import KDTree

    reach_km = min(-length_km * np.log(cut_off), np.pi * EARTH_RADIUS_KM)
    tree = KDTree(unit_vectors(lon, lat))
    chord = 2.0 * np.sin(0.5 * reach_km / EARTH_RADIUS_KM)
    pairs = tree.query_pairs(chord, output_type="ndarray")
    row, column = np.concatenate([pairs, pairs[:, ::-1]]).T
    apart = distance_km(lon[row], lat[row], lon[column], lat[column])
    values = np.append(np.exp(-apart / length_km), np.ones(lon.size))
    self_rows = np.arange(lon.size)
    where = (np.append(row, self_rows), np.append(column, self_rows))
    return sp.csr_array(sp.coo_array((values, where), shape=(lon.size, lon.size)))
