"""Moisture, density and potential temperature of air, as HYSPLIT defines them."""

from __future__ import annotations

import numpy as np

from stilt.constants import GAS_CONSTANT_DRY_AIR, KAPPA

_EPSILON = 0.622


def saturation_vapour_pressure_hpa(temperature_k: np.ndarray) -> np.ndarray:
    """Return the saturation vapour pressure in hPa: exp(21.4 - 5351 / T)."""
    return np.exp(21.4 - 5351.0 / temperature_k)


def specific_humidity(
    relative_humidity: np.ndarray, temperature_k: np.ndarray, pressure_hpa: np.ndarray
) -> np.ndarray:
    """Return specific humidity in kg kg-1 from relative humidity as a fraction."""
    vapour = relative_humidity * saturation_vapour_pressure_hpa(temperature_k)
    return _EPSILON * vapour / pressure_hpa


def relative_humidity(
    specific_humidity_kg_kg: np.ndarray, temperature_k: np.ndarray, pressure_hpa: np.ndarray
) -> np.ndarray:
    """Return relative humidity, a fraction within [0, 1], from specific humidity in kg kg-1."""
    saturation = saturation_vapour_pressure_hpa(temperature_k)
    return np.clip(specific_humidity_kg_kg * pressure_hpa / (_EPSILON * saturation), 0.0, 1.0)


def virtual_temperature_k(temperature_k: np.ndarray, humidity_kg_kg: np.ndarray) -> np.ndarray:
    """Return the virtual temperature in K: T (1 + 0.61 q)."""
    return temperature_k * (1.0 + 0.61 * humidity_kg_kg)


def moist_density(pressure_hpa: np.ndarray, virtual_temperature: np.ndarray) -> np.ndarray:
    """Return density of moist air, kg m-3, from pressure in hPa and virtual temperature in K."""
    return 100.0 * pressure_hpa / (GAS_CONSTANT_DRY_AIR * virtual_temperature)


def dry_density(
    pressure_hpa: np.ndarray, temperature_k: np.ndarray, humidity_fraction: np.ndarray
) -> np.ndarray:
    """Return the density of the dry part of the air, kg m-3: (p - e) / (Rd T)."""
    vapour = humidity_fraction * saturation_vapour_pressure_hpa(temperature_k)
    return 100.0 * (pressure_hpa - vapour) / (GAS_CONSTANT_DRY_AIR * temperature_k)


def potential_temperature_k(temperature_k: np.ndarray, pressure_hpa: np.ndarray) -> np.ndarray:
    """Return the potential temperature in K, dry, referred to 1000 hPa."""
    return temperature_k * (1000.0 / pressure_hpa) ** KAPPA
