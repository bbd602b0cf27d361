"""The best estimate of fluxes from measurements: Bayes' rule for Gaussian errors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.linalg as la
import scipy.sparse as sp
from numpy.typing import NDArray

from stilt.errors import UsageError
from stilt.inversion.covariance import SYMMETRIC, PriorCovariance, one_for_each_column

Floats = NDArray[np.float64]


@dataclass(frozen=True, repr=False)
class Estimate:
    """Fluxes after the measurements.

    Attributes:
        prior: flux of every column before, umol m-2 s-1, shape (columns,).
        posterior: flux of every column after, same shape.
        fitted: what the posterior fluxes make of the measurements, shape (measurements,).
        chi_square: (z − H xₐ)ᵀ (H Q Hᵀ + R)⁻¹ (z − H xₐ) over the number of measurements: near 1
            where the covariances suit the measurements.
        covariance: Q.
        gain: H Q Hᵀ + R, factorised by Cholesky.
        matrix: H.
    """

    prior: Floats
    posterior: Floats
    fitted: Floats
    chi_square: float
    covariance: PriorCovariance
    gain: tuple[Floats, bool]
    matrix: Any

    def __repr__(self) -> str:
        return (
            f"<Estimate: {self.posterior.size} fluxes of mean {self.posterior.mean():.4g} "
            f"umol m-2 s-1 (before {self.prior.mean():.4g}) by {self.fitted.size} measurements, "
            f"chi_square {self.chi_square:.3g}>"
        )

    def totals(self, weights: Any) -> tuple[Floats, Floats, Floats, Floats]:
        """Return sums of fluxes, such as those of regions, with their uncertainties.

        The covariance after the measurements is W Q Wᵀ − W Q Hᵀ (H Q Hᵀ + R)⁻¹ H Q Wᵀ.

        Args:
            weights: W, one row for each sum, shape (sums, columns): areas times hours, or shares.

        Returns:
            Prior and posterior sums, and the covariance of each, (sums, sums).

        Raises:
            UsageError: there is not one weight for every column, or one is missing.
        """
        rows = np.atleast_2d(np.asarray(weights, np.float64))
        if rows.shape[1:] != self.prior.shape or not np.isfinite(rows).all():
            raise UsageError(
                f"There must be one weight for each of the {self.prior.size} columns of the "
                f"Jacobian in every row, got the shape {rows.shape}, with "
                f"{int((~np.isfinite(rows)).sum())} missing."
            )
        spread = self.covariance.times(rows.T)
        before = rows @ spread
        seen = np.asarray(self.matrix @ spread)
        after = before - seen.T @ la.cho_solve(self.gain, seen)
        return rows @ self.prior, rows @ self.posterior, before, after


def estimate_fluxes(
    matrix: Any, measured: Any, errors: Any, covariance: PriorCovariance, prior: Any = 0.0
) -> Estimate:
    """Return the fluxes that fit measurements and prior best.

    x = xₐ + Q Hᵀ (H Q Hᵀ + R)⁻¹ (z − H xₐ) (Tarantola 2005, equation 3.37; Michalak et al.
    2004, doi:10.1029/2003JD004422).

    Args:
        matrix: H, ppm per (umol m-2 s-1), such as ``jacobian.matrix``, (measurements, columns).
        measured: z, enhancements over the background in ppm, (measurements,).
        errors: R: a standard deviation, one for each measurement, or a covariance (measurements,
            measurements).
        covariance: Q.
        prior: xₐ: a number, or one for every column.

    Raises:
        UsageError: matrix or covariance are something else, shapes do not fit, a measurement is
            missing, or R is not a covariance.
    """
    if np.ndim(matrix) != 2:
        raise UsageError(
            "The first argument is the matrix of a Jacobian (jacobian.matrix), not a "
            f"{type(matrix).__name__}."
        )
    if not isinstance(covariance, PriorCovariance):
        raise UsageError(
            "The prior covariance must be a PriorCovariance, as of "
            f"PriorCovariance.exponential(...), not a {type(covariance).__name__}."
        )
    z = np.asarray(measured, np.float64).reshape(-1)
    if z.size != matrix.shape[0] or not np.isfinite(z).all():
        raise UsageError(
            f"There must be one measurement for each of the {matrix.shape[0]} rows of the "
            f"Jacobian, got {z.size}, of them {int((~np.isfinite(z)).sum())} missing."
        )
    if not np.isfinite(matrix.data if sp.issparse(matrix) else np.asarray(matrix)).all():
        raise UsageError("The matrix of the Jacobian has missing values: leave their rows out.")
    if covariance.sigma.size != matrix.shape[1]:
        raise UsageError(
            f"The prior covariance is for {covariance.sigma.size} columns, the Jacobian has "
            f"{matrix.shape[1]}."
        )
    before = one_for_each_column(prior, matrix.shape[1], "prior")
    try:
        gain = la.cho_factor(covariance.hqht(matrix) + _noise(errors, z.size), lower=True)
    except (la.LinAlgError, ValueError) as error:
        raise UsageError(
            f"H Q H' + R cannot be inverted ({error}): R and Q must be covariances."
        ) from error
    residual = z - matrix @ before
    weighted = la.cho_solve(gain, residual)
    after = before + covariance.times(matrix.T @ weighted)
    return Estimate(
        before,
        after,
        np.asarray(matrix @ after),
        float(residual @ weighted / z.size),
        covariance,
        gain,
        matrix,
    )


def _noise(errors: Any, measurements: int) -> Floats:
    """Return R, shape (measurements, measurements).

    Args:
        errors: a standard deviation, one for each measurement, or a covariance, dense or sparse.
        measurements: how many there are.

    Raises:
        UsageError: it has another shape, or is not a covariance with variances above 0.
    """
    given = errors.toarray() if sp.issparse(errors) else np.asarray(errors, np.float64)
    if given.ndim == 0:
        given = np.full(measurements, float(given))
    if given.ndim > 2 or (given.ndim == 2 and given.shape[0] != given.shape[1]):
        raise UsageError(
            "A covariance of errors has as many rows as columns, one for each of the "
            f"{measurements} measurements, and not the shape {given.shape}."
        )
    deviations = given if given.ndim == 1 else np.diag(given)
    wrong = ~(np.isfinite(deviations) & (deviations > 0.0))
    if deviations.size != measurements or wrong.any():
        raise UsageError(
            f"There must be one error above 0 for each of the {measurements} measurements, got "
            f"{deviations.size}, of them {int(wrong.sum())} missing or not above 0."
        )
    if given.ndim == 1:
        return np.diag(given**2)
    missing = int((~np.isfinite(given)).sum())
    if missing:
        raise UsageError(f"The covariance of errors has {missing} missing value(s).")
    if not np.allclose(given, given.T, rtol=SYMMETRIC, atol=SYMMETRIC * deviations.min()):
        raise UsageError(
            "The covariance of errors is not symmetric, as a covariance is: see how it was made "
            "(stilt.answers.uncertainty.error_covariance makes one)."
        )
    try:
        la.cholesky(given, lower=True)
    except la.LinAlgError as error:
        raise UsageError(
            f"The covariance of errors is not positive definite ({error}): correlations in it are "
            "too large for its variances."
        ) from error
    return given
