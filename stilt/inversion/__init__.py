"""Inversions: targets of Jacobians, prior covariances, and the estimate of fluxes."""

from stilt.footprint.regions import Regions as Regions
from stilt.footprint.regions import regional_jacobian as regional_jacobian
from stilt.inversion.covariance import PriorCovariance as PriorCovariance
from stilt.inversion.estimate import Estimate as Estimate
from stilt.inversion.estimate import estimate_fluxes as estimate_fluxes

__all__ = ["Estimate", "PriorCovariance", "Regions", "estimate_fluxes", "regional_jacobian"]
