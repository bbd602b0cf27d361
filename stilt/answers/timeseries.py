"""Time series: enhancements by flux, background and observations."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr

from stilt.answers.compared import (
    background_values,
    observed_values,
    stored_values,
    tell_of_columns,
    tell_of_scales,
)
from stilt.background.mole_fractions import unit_factor
from stilt.errors import UsageError
from stilt.footprint.bins import TOLERATED_SHARE
from stilt.footprint.components import components
from stilt.footprint.flux_datasets import fluxes_of
from stilt.footprint.inventory import require_data_array
from stilt.outputs import FootprintCollections
from stilt.outputs.realizations import by_realization
from stilt.receptors import met_of

if TYPE_CHECKING:
    from stilt.receptors import Receptor
    from stilt.selection import Owner, Selection

PPM_NAMES = {
    "enhancement": "what the flux adds",
    "total": "what all fluxes add",
    "background": "mole fraction before the air was followed",
    "modelled": "background and all fluxes",
    "observed": "measured mole fraction",
    "observed_uncertainty": "standard deviation of the measurement",
    "residual": "observed less modelled",
}


def timeseries(
    owner: Owner,
    fluxes: Mapping[str, xr.DataArray] | xr.Dataset | xr.DataArray,
    selection: Selection,
    *,
    stored: pd.DataFrame,
    background: Any = None,
    observed: pd.DataFrame | pd.Series | None = None,
    footprint: str | None = None,
    units: str = "ppm",
    molar_mass_g: float | None = None,
    projection: str | None = None,
    site: str | None = None,
) -> xr.Dataset:
    """Return the components of the mole fraction; see :meth:`stilt.Model.timeseries`.

    Args beyond those: ``stored`` are the project's own measurements.
    """
    collections = FootprintCollections(owner)
    name = footprint or _only(collections.names())
    chosen = collections[name].chosen(selection, "are not in the series", or_none=False)
    if not len(chosen):
        raise UsageError(_nothing(name, selection))
    labels = list(chosen.labels or [])
    given = fluxes_by_name(fluxes)
    found = components(chosen.layers(), given, molar_mass_g=molar_mass_g, projection=projection)
    _tell_of_gaps(found.outside_share, list(given), labels)
    tell_of_columns(owner, name, found.receptors, labels, background)
    factor = unit_factor("ppm", units)
    dataset = xr.Dataset(
        {
            "enhancement": (("receptor", "component"), found.ppm * factor),
            "outside_share": (("receptor", "component"), found.outside_share),
            "total": ("receptor", found.ppm.sum(axis=1) * factor),
        },
        coords={
            "receptor": ("receptor", labels),
            "component": ("component", list(given)),
            **receptor_coordinates(found.receptors),
            "met": ("receptor", [met_of(label) for label in labels]),
        },
    )
    if background is not None:
        dataset["background"] = ("receptor", background_values(background, labels, units))
        dataset["modelled"] = dataset["total"] + dataset["background"]
    measured = (
        stored_values(stored, labels, units)
        if observed is None
        else observed_values(observed, labels, units)
    )
    if measured is not None:
        dataset["observed"] = ("receptor", measured[0])
        dataset["observed_uncertainty"] = ("receptor", measured[1])
        if "modelled" in dataset:
            dataset["residual"] = dataset["observed"] - dataset["modelled"]
            tell_of_scales(dataset["background"].values, measured[0], units)
    for key, meaning in PPM_NAMES.items():
        if key in dataset:
            dataset[key].attrs.update(units=units, long_name=meaning)
    dataset["outside_share"].attrs.update(
        units="1", long_name="share of the footprint that the flux does not cover"
    )
    dataset = by_realization(dataset.sortby("time"), owner.config)
    return dataset if site is None else by_site(dataset, site)


def _nothing(name: str, selection: Selection) -> str:
    """Say that a selection has no footprint."""
    asked = ", ".join(f"{key}={value!r}" for key, value in selection.items() if value is not None)
    return f"No footprints {name!r} are there for this selection{f' ({asked})' if asked else ''}."


def by_site(dataset: xr.Dataset, site: str) -> xr.Dataset:
    """Return a time series with dimensions site and time instead of receptor.

    Args:
        dataset: along ``receptor``.
        site: coordinate that names the site, such as a label of the receptors or ``location``.

    Raises:
        UsageError: there is no such coordinate, or a site has two measurements at one time.
    """
    if site not in dataset.coords:
        known = ", ".join(str(n) for n, c in dataset.coords.items() if c.dims == ("receptor",))
        raise UsageError(f"The receptors have no label {site!r}: they have {known}.")
    pairs = pd.MultiIndex.from_arrays(
        [dataset[site].values, dataset["time"].values], names=["site", "time"]
    )
    if pairs.has_duplicates:
        raise UsageError(_twice(dataset, site, pairs))
    plain = dataset.drop_vars(
        [name for name, c in dataset.coords.items() if c.dims == ("receptor",)]
    )
    coordinates = xr.Coordinates.from_pandas_multiindex(pairs, "receptor")
    return plain.assign_coords(coordinates).unstack("receptor")


def _twice(dataset: xr.Dataset, site: str, pairs: pd.MultiIndex) -> str:
    """Say which measurements are of one site and time, and how to tell them apart."""
    name, time = pairs[pairs.duplicated()][0]
    mine = dataset.isel(receptor=np.flatnonzero(pairs == (name, time)))
    told = f"{mine.sizes['receptor']} measurements of {site} {name!r} at {time:%Y-%m-%d %H:%M}"
    mets = sorted(set(mine["met"].values.tolist()))
    if len(mets) > 1:
        return f"{told} are of different weather: choose one, mets={mets[0]!r} for example."
    heights = ", ".join(f"{each:g} m" for each in sorted(set(mine["altitude"].values.tolist())))
    return (
        f"{told} are there ({heights}): site='location' tells places and heights apart, and "
        f"location_ids={str(mine['location'].values[0])!r} chooses one."
    )


def _only(names: list[str]) -> str:
    if len(names) != 1:
        raise UsageError(
            f"Say which footprints are meant, name=: the choices are {', '.join(names) or 'none'}."
        )
    return names[0]


def fluxes_by_name(fluxes: Any) -> dict[str, xr.DataArray]:
    """Return fluxes by name, from a mapping, a dataset of sectors, or a single array."""
    if isinstance(fluxes, xr.DataArray):
        return {str(fluxes.name or "flux"): fluxes}
    if isinstance(fluxes, xr.Dataset):
        return fluxes_of(fluxes)
    if not isinstance(fluxes, Mapping):
        require_data_array(fluxes)
    return {str(name): flux for name, flux in fluxes.items()}


def receptor_coordinates(receptors: list[Receptor]) -> dict[str, Any]:
    """Return coordinates of the receptors: time, position and labels."""
    middle = [np.mean(np.array(each.positions), axis=0) for each in receptors]
    times = np.array([each.time.to_datetime64() for each in receptors], "datetime64[ns]")
    found: dict[str, Any] = {
        "time": ("receptor", times),
        "longitude": ("receptor", [place[0] for place in middle], {"units": "degrees_east"}),
        "latitude": ("receptor", [place[1] for place in middle], {"units": "degrees_north"}),
        "altitude": ("receptor", [place[2] for place in middle], {"units": "m"}),
        "location": ("receptor", [str(each.location_id) for each in receptors]),
    }
    names = dict.fromkeys(name for each in receptors for name in each.labels)
    for name in names:
        if name not in found and name not in ("component", "receptor", *PPM_NAMES):
            values = [each.labels.get(name) for each in receptors]
            plain = pd.Series(values).convert_dtypes()
            if plain.dtype == object or str(plain.dtype) == "string":
                found[name] = ("receptor", ["" if v is None else str(v) for v in values])
            elif plain.dtype.kind in "iu" and plain.notna().all():
                found[name] = ("receptor", plain.to_numpy(np.int64))
            else:
                found[name] = ("receptor", plain.to_numpy(np.float64, na_value=np.nan))
    return found


def _tell_of_gaps(shares: np.ndarray, names: list[str], labels: list[str]) -> None:
    """Warn once about fluxes that leave out more than a tenth of a footprint."""
    for column, name in enumerate(names):
        much = shares[:, column] > TOLERATED_SHARE
        if much.any():
            worst = int(shares[:, column].argmax())
            warnings.warn(
                f"The flux {name!r} covers less than nine tenths of {int(much.sum())} of "
                f"{len(labels)} footprints, {1 - shares[worst, column]:.0%} of {labels[worst]}; "
                "what it leaves out is not in the series (outside_share).",
                stacklevel=4,
            )
