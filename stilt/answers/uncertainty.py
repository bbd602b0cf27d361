"""Uncertainty of modelled enhancements: noise of the particle number, and errors of the winds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr

from stilt.answers.ends import footprint_settings, refuse_name, transforms_of
from stilt.answers.timeseries import fluxes_by_name, receptor_coordinates
from stilt.background.mole_fractions import unit_factor
from stilt.errors import UsageError
from stilt.footprint.particle_flux import FluxAlongPaths, Spread
from stilt.outputs import TrajectoryCollection
from stilt.outputs.omitted import tell_of_omitted
from stilt.outputs.realizations import by_realization
from stilt.receptors import parse_time
from stilt.sphere import distance_km
from stilt.transforms import apply_transforms

if TYPE_CHECKING:
    from stilt.config import FootprintConfig
    from stilt.selection import Owner, Selection
    from stilt.trajectories import Trajectories


def uncertainty(
    owner: Owner,
    fluxes: Any,
    selection: Selection,
    *,
    weights: str | None = None,
    units: str = "ppm",
    molar_mass_g: float | None = None,
) -> xr.Dataset:
    """Return noise and transport error by receptor; see :meth:`stilt.Model.uncertainty`."""
    refuse_name(selection)
    given = fluxes_by_name(fluxes)
    along = {
        name: FluxAlongPaths.of(flux, molar_mass_g=molar_mass_g) for name, flux in given.items()
    }
    settings = footprint_settings(owner, weights)
    kept = TrajectoryCollection(owner)
    there = set(kept.keys())
    registered = kept.registered(selection)
    main = [sim_id for sim_id in registered if sim_id in there]
    perturbed = {}
    if owner.config.error_run:
        perturbed = {
            path.parent.name: path for path in kept.chosen_paths(selection, "", error=True)
        }
    if not main:
        raise UsageError(
            "No particles are there for this selection: the spread over particles needs "
            "trajectories: true."
        )
    tell_of_omitted(owner, registered, there, "particles", "are left out")
    if perturbed:
        tell_of_omitted(owner, main, perturbed, "error run", "their transport error is NaN")
    else:
        kept.tell_of_earlier(main)
    rows, receptors = [], []
    for sim_id in main:
        stored = kept[sim_id]
        spreads = _spreads(owner, stored, along, settings)
        others = None
        if sim_id in perturbed:
            others = _spreads(owner, _read(perturbed[sim_id]), along, settings)
        rows.append((spreads, others))
        receptors.append(stored.receptor)
    names = [*given, "total"]
    dims = ("receptor", "component")
    factor = unit_factor("ppm", units)

    def table(pick: Any, power: int) -> tuple[tuple[str, str], np.ndarray]:
        return dims, factor**power * np.array(
            [[pick(spreads[n], others and others[n]) for n in names] for spreads, others in rows]
        )

    dataset = xr.Dataset(
        {
            "enhancement": table(lambda a, b: a.mean, 1),
            "particle_noise": table(lambda a, b: a.mean_noise, 1),
            "transport_variance": table(lambda a, b: b.variance - a.variance if b else np.nan, 2),
            "transport_variance_noise": table(
                lambda a, b: np.hypot(a.variance_noise, b.variance_noise) if b else np.nan, 2
            ),
        },
        coords={
            "receptor": ("receptor", main),
            "component": ("component", names),
            **receptor_coordinates(receptors),
        },
    )
    dataset["transport_error"] = np.sqrt(dataset["transport_variance"].clip(min=0.0))
    for name, text, power in (
        ("enhancement", "mean over particles", 1),
        ("particle_noise", "standard error of the mean over particles", 1),
        ("transport_variance", "variance over particles of the error run less the main run's", 2),
        ("transport_variance_noise", "standard error of the transport variance", 2),
        ("transport_error", "root of the transport variance, 0 where that is negative", 1),
    ):
        dataset[name].attrs.update(units=units if power == 1 else f"{units}2", long_name=text)
    return by_realization(dataset.sortby("time"), owner.config)


def _read(path: Any) -> Trajectories:
    from stilt.trajectories import Trajectories

    return Trajectories.from_parquet(path)


def _spreads(
    owner: Owner,
    stored: Trajectories,
    along: Mapping[str, FluxAlongPaths],
    settings: FootprintConfig | None,
) -> dict[str, Spread]:
    """Return the spread over particles of the enhancement by each flux, and of their sum."""
    weighted = apply_transforms(
        stored.particles,
        transforms_of(owner, settings, stored.receptor),
        receptor=stored.receptor,
        heights_msl=owner.config.heights_msl,
    )
    values = {name: flux.per_particle(weighted, stored.receptor) for name, flux in along.items()}
    found = {name: Spread.of(each.to_numpy()) for name, each in values.items()}
    found["total"] = Spread.of(np.sum([each.to_numpy() for each in values.values()], axis=0))
    return found


def error_covariance(
    standard_deviations: Mapping[str, Any],
    *,
    times: Any = None,
    longitudes: Any = None,
    latitudes: Any = None,
    correlated: Mapping[str, tuple[float, float]] | None = None,
) -> np.ndarray:
    """Return the covariance R of the errors of measurements, shape (n, n).

    R = Σ diag(s) C diag(s) over the parts, with C the identity, or for the parts named in
    ``correlated`` exp(−|Δt|/T) exp(−d/L), with the time Δt and the distance d between measurements.

    Args:
        standard_deviations: by name of the part (instrument, particles, transport, ...), each of
            shape (n,), or one number for all, in one unit.
        times: of the measurements, for correlated parts.
        longitudes, latitudes: of the measurements in degrees, where a distance counts.
        correlated: by name of the part, time T in hours and length L in km; ``inf`` for a length
            that does not matter.

    Raises:
        UsageError: a part is not finite, negative or of another size, names no part, or lacks times
            or places; or a length of correlation is not above 0.
    """
    parts = {name: np.asarray(each, np.float64) for name, each in standard_deviations.items()}
    if not parts:
        raise UsageError("The covariance of errors needs at least one standard deviation.")
    size = max(sigma.size for sigma in parts.values())
    for name, sigma in parts.items():
        if not np.isfinite(sigma).all() or (sigma < 0).any():
            raise UsageError(f"The standard deviations {name!r} must be finite and not negative.")
        if sigma.shape not in ((), (size,)):
            raise UsageError(
                f"There must be one standard deviation {name!r} for each of the {size} "
                f"measurements, or one number for all, and it has the shape {sigma.shape}."
            )
        parts[name] = np.broadcast_to(sigma, (size,))
    total = np.zeros((size, size))
    for name, sigma in parts.items():
        if name not in (correlated or {}):
            total[np.diag_indices(size)] += sigma**2
            continue
        hours, km = (correlated or {})[name]
        if not (hours > 0.0 and km > 0.0):
            raise UsageError(
                f"Time and length of correlation of {name!r} must be above 0, got ({hours}, {km})."
            )
        apart = _apart(km, times, longitudes, latitudes, size)
        total += np.outer(sigma, sigma) * np.exp(-apart[0] / hours - apart[1] / km)
    unknown = set(correlated or {}) - set(parts)
    if unknown:
        raise UsageError(f"There is no standard deviation {sorted(unknown)[0]!r} to correlate.")
    return total


def _apart(
    km: float, times: Any, longitudes: Any, latitudes: Any, size: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return hours and, where a length counts, km between measurements, shape (size, size) each.

    Raises:
        UsageError: times or places are missing, or are not as many as the measurements.
    """
    if times is None:
        raise UsageError("Correlated errors need the times of the measurements.")
    stamps = pd.DatetimeIndex(
        [parse_time(each) if isinstance(each, str) else pd.Timestamp(each) for each in times]
    )
    at = stamps.to_numpy("datetime64[s]")
    _require_all(at, "times", size)
    apart_h = np.abs(at[:, None] - at) / np.timedelta64(1, "h")
    if not np.isfinite(km):
        return apart_h, np.zeros_like(apart_h)
    if longitudes is None or latitudes is None:
        raise UsageError("Errors that are correlated in space need longitudes and latitudes.")
    lat, lon = (np.radians(np.asarray(each, np.float64)) for each in (latitudes, longitudes))
    _require_all(lat, "latitudes", size)
    _require_all(lon, "longitudes", size)
    return apart_h, distance_km(lon[:, None], lat[:, None], lon, lat)


def _require_all(given: np.ndarray, called: str, size: int) -> None:
    if given.shape != (size,) or pd.isna(given).any():
        raise UsageError(
            f"There must be {called} of all {size} measurements, got {given.size}, of them "
            f"{int(pd.isna(given).sum())} missing."
        )
