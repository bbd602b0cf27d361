"""Sensitivity of an enhancement to mixed layer, wind and turbulence."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pandas as pd
import xarray as xr

from stilt.answers.timeseries import fluxes_by_name
from stilt.background.mole_fractions import unit_factor
from stilt.errors import UsageError
from stilt.footprint.bilinear_flux import flux_at
from stilt.footprint.particle_flux import FluxAlongPaths
from stilt.receptors import Receptor
from stilt.selection import Owner

if TYPE_CHECKING:
    from stilt.collections import ReceptorList
    from stilt.transport.perturbed import Minutes, PerturbedRelease

STEPS = {"mixed_layer": 0.02, "wind": 0.02, "direction": 1.0, "turbulence": 0.02}
"""Half of the distance over which finite differences are taken."""

CHECK = 1e-4
"""Of a step: differences over so little check the derivative itself."""

TOO_ROUGH = 0.5
"""Roughness above which a derivative is warned of: there it was off by a tenth to a third."""

PER = {"mixed_layer": "1", "wind": "1", "direction": "degree", "turbulence": "1"}
MEANINGS = {
    "enhancement": "mean over particles",
    "enhancement_noise": "standard error of the enhancement",
    "derivative": "derivative of the enhancement",
    "derivative_noise": "standard error of the derivative",
    "finite_difference": "central difference of the enhancement with the same random numbers",
    "finite_difference_noise": "standard error of the finite difference",
    "difference_noise": "standard error of finite difference less derivative",
    "check": "central difference over a step 10,000 times smaller, whose limit the derivative is",
    "check_noise": "standard error of check less derivative",
    "roughness": "finite difference less derivative over the derivative, root mean squares",
}


class ModelWithReceptors(Owner, Protocol):
    """What this module needs of a model."""

    @property
    def receptors(self) -> ReceptorList:
        """The receptors, by position or receptor id."""


def sensitivity(
    model: ModelWithReceptors,
    receptor: Receptor | str | int,
    flux: xr.DataArray | xr.Dataset | Mapping[str, xr.DataArray],
    parameters: Sequence[str] | str = tuple(STEPS),
    *,
    met: str | None = None,
    units: str = "ppm",
    molar_mass_g: float | None = None,
    steps: Mapping[str, float] | None = None,
    finite_difference: bool = True,
) -> xr.Dataset:
    """Return how the enhancement of a receptor changes with parameters of its meteorology.

    The transport is differentiated in forward mode along

    - ``mixed_layer``: a factor on the mixed-layer height: on the depth of the influence layer and
      on all heights at which turbulence changes, not on its strength;
    - ``wind``: a factor on the horizontal mean wind;
    - ``direction``: degrees by which it veers, clockwise;
    - ``turbulence``: a factor on the standard deviations of turbulent velocities, vertical and
      horizontal; time scales stay.

    The derivative is that of the mean over particles of influence times flux along their paths,
    with the near-field correction if the configuration has it, and without the smoothing and the
    transforms of a footprint. Turbulence and flux are smoothed for this: see the documentation.

    Args:
        model: the project, whose configuration, weather and seed are used; nothing is written.
        receptor: a receptor, the id of one of the model's, or its position among them.
        flux: one, or several by name, as for :meth:`stilt.Model.timeseries`.
        parameters: one or several of them.
        met: name of the meteorology, where there are several.
        units: of the enhancement.
        molar_mass_g: grams per mole, for fluxes of mass.
        steps: by parameter, how far from its value finite differences are taken to either side.
        finite_difference: compare with finite differences; it takes four more runs a parameter.

    Returns:
        Dataset along ``parameter``, and along ``component`` unless the flux is one array:
        enhancement, derivative and finite_difference with their standard errors over particles
        (``*_noise``), the standard error of the difference between the two (difference_noise), and
        roughness: root mean square over particles of that difference, over that of the derivative.
        Near 0 the path of a particle is smooth within the step; above 0.5 the derivatives of a few
        particles dominate the mean, and a warning names the parameters. ``check`` is the difference
        over a step so small that it shows whether the derivative is right, rough or not, and
        check_noise the standard error of how far it is from it.

    Raises:
        UsageError: an unknown parameter, receptor or meteorology, several met grids, no turbulence,
            or a flux that cannot be used.
        MeteorologyError: weather is missing, or the receptor lies outside it.
    """
    names = [parameters] if isinstance(parameters, str) else list(parameters)
    for name in (*names, *(steps or {})):
        if name not in STEPS:
            raise UsageError(f"There is no parameter {name!r}: the choices are {', '.join(STEPS)}.")
    if not names:
        raise UsageError(f"Name at least one parameter of {', '.join(STEPS)}.")
    widths = {**STEPS, **(steps or {})}
    if not all(width > 0.0 for width in widths.values()):
        raise UsageError("The steps of finite differences must be above 0.")
    given = fluxes_by_name(flux)
    if not given:
        raise UsageError("There is no flux: give an array, or several by name.")
    along = [FluxAlongPaths.of(each, molar_mass_g=molar_mass_g) for each in given.values()]
    found = receptor if isinstance(receptor, Receptor) else model.receptors[receptor]
    release = _released(model, found, met)
    factor = unit_factor("ppm", units)

    def run(values: Sequence[float], derivative: Sequence[str] = ()) -> np.ndarray:
        """Enhancement, and derivatives, of every particle: (fluxes, 1 + parameters, particles)."""
        totals = np.zeros((len(along), 1 + len(derivative), release.count))
        for minutes in release.run(values, derivative):
            totals += _added(release, minutes, along, found)
        return factor * totals

    reference = release.reference
    made = run(reference, names)
    value, slope = made[:, 0], made[:, 1:]
    dims = ("component", "parameter")
    tables: dict[str, Any] = {
        "enhancement": ("component", value.mean(-1)),
        "enhancement_noise": ("component", _noise(value)),
        "derivative": (dims, slope.mean(-1)),
        "derivative_noise": (dims, _noise(slope)),
    }
    if finite_difference:
        difference, check = (
            np.stack([_difference(run, reference, name, part * widths[name]) for name in names], 1)
            for part in (1.0, CHECK)
        )
        spread = np.sqrt(np.mean(slope**2, -1))
        apart = np.sqrt(np.mean((difference - slope) ** 2, -1))
        roughness = np.divide(apart, spread, np.full_like(apart, np.nan), where=spread > 0)
        _warn_of_roughness(dict(zip(names, np.nan_to_num(roughness).max(0), strict=True)))
        tables |= {
            "finite_difference": (dims, difference.mean(-1)),
            "finite_difference_noise": (dims, _noise(difference)),
            "difference_noise": (dims, _noise(difference - slope)),
            "check": (dims, check.mean(-1)),
            "check_noise": (dims, _noise(check - slope)),
            "roughness": (dims, roughness),
        }
    dataset = xr.Dataset(
        tables,
        coords={
            "component": list(given),
            "parameter": names,
            "step": ("parameter", [widths[name] for name in names]),
            "per": ("parameter", [PER[name] for name in names]),
        },
        attrs={"receptor": str(found.id), "met": release.met},
    )
    for name, text in MEANINGS.items():
        if name in dataset:
            dataset[name].attrs.update(units="1" if name == "roughness" else units, long_name=text)
    dataset["per"].attrs["long_name"] = "unit of the parameter, which the derivatives are per"
    return dataset.squeeze("component", drop=True) if isinstance(flux, xr.DataArray) else dataset


def _warn_of_roughness(largest: Mapping[str, float]) -> None:
    """Warn of parameters along which particles' paths are too rough for a derivative."""
    rough = [f"{name} ({value:.1f})" for name, value in largest.items() if value > TOO_ROUGH]
    if rough:
        warnings.warn(
            f"Paths of particles are too rough for a derivative along {', '.join(rough)}: use "
            "finite_difference, with steps as large as the changes of interest, or more particles.",
            stacklevel=3,
        )


def _difference(run: Any, reference: Sequence[float], name: str, step: float) -> np.ndarray:
    """Return a central difference of every particle, (fluxes, particles)."""
    place = list(STEPS).index(name)
    ends = []
    for sign in (1.0, -1.0):
        values = list(reference)
        values[place] += sign * step
        ends.append(run(values)[:, 0])
    return (ends[0] - ends[1]) / (2.0 * step)


def _noise(values: np.ndarray) -> np.ndarray:
    """Return the standard error of the mean over the last axis, particles."""
    if values.shape[-1] < 2:
        return np.full(values.shape[:-1], np.nan)
    return values.std(-1, ddof=1) / np.sqrt(values.shape[-1])


def _added(
    release: PerturbedRelease,
    minutes: Minutes,
    along: Sequence[FluxAlongPaths],
    receptor: Receptor,
) -> np.ndarray:
    """Return the contribution of some minutes to each particle's enhancement and derivatives.

    d(foot F) = F dfoot + foot (dF/dx dx + dF/dy dy).
    """
    rows, change = minutes.rows, minutes.change
    x, y = release.places(rows)
    number = np.arange(1, len(rows.foot) + 1)[:, None]
    age = release.direction * (minutes.first + np.broadcast_to(number, x.shape)).astype(float)
    foot = np.where(minutes.moved, rows.foot, 0.0)
    parts = []
    for flux in along:
        there = flux_at(flux, x, y, release.to_lonlat, age, receptor)
        sums = [(foot * there.value).sum(0)]
        if change is not None:
            foot_change = np.where(minutes.moved, change.foot, 0.0)
            carried = there.slope_x * change.x + there.slope_y * change.y
            sums += list((foot_change * there.value + foot * carried).sum(1))
        parts.append(np.stack(sums))
    return np.stack(parts)


def _released(model: ModelWithReceptors, receptor: Receptor, met: str | None) -> PerturbedRelease:
    """Return the particles of a receptor with the meteorology around their paths."""
    from stilt.execution.setup import prepare_process
    from stilt.execution.transporting import reach_of_receptor
    from stilt.meteorology.nest import catalogue_of

    config = model.config
    mets = list(config.simulated_mets)
    name = met or mets[0]
    if name not in mets or (met is None and len(mets) > 1):
        raise UsageError(f"Say of which meteorology, met=: the choices are {', '.join(mets)}.")
    prepare_process(model.files)
    from stilt.transport.perturbed import release_for
    from stilt.transport.release import release_of

    catalogue = catalogue_of(config.mets, name, model.files.cache_dir)
    begin = receptor.time.floor("min")
    first, end = sorted((begin, begin + pd.Timedelta(hours=config.n_hours)))
    refs = catalogue.select(first, end, reach_of_receptor(receptor, config.n_hours, catalogue))
    release = release_of(receptor, f"{name}_{receptor.id}", config)
    return release_for(release, refs, config, cache_dir=model.files.cache_dir, met=name)
