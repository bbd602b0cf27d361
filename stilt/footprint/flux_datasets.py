"""Fluxes of an xarray dataset, each with what other variables of the dataset tell of it."""

from __future__ import annotations

import xarray as xr

from stilt.footprint.flux_times import STEP_END, STEP_START, bounds_of_times
from stilt.footprint.map_projection import named_mappings


def fluxes_of(dataset: xr.Dataset) -> dict[str, xr.DataArray]:
    """Return the variables of a dataset that may be fluxes, by name.

    Time bounds become coordinates of them, and so does the variable that describes their
    projection; bounds and such variables are no fluxes themselves.
    """
    about = {name for each in dataset.data_vars.values() for name in named_mappings(each)}
    for each in dataset.variables.values():
        about.add(str(each.attrs.get("bounds") or each.encoding.get("bounds") or ""))
    return {
        str(name): _with_companions(dataset, flux)
        for name, flux in dataset.data_vars.items()
        if flux.ndim >= 2
        and str(name) not in about
        and "bnds" not in flux.dims
        and "grid_mapping_name" not in flux.attrs
    }


def _with_companions(dataset: xr.Dataset, flux: xr.DataArray) -> xr.DataArray:
    """Return a flux with its projection and the bounds of its times as coordinates."""
    for name in named_mappings(flux):
        if name in dataset.data_vars:
            flux = flux.assign_coords({name: dataset[name].variable})
    time = next((str(dim) for dim in flux.dims if str(dim).lower() == "time"), "")
    name = bounds_of_times(flux, time)
    if name not in dataset.variables or dataset[name].dtype.kind != "M":
        return flux
    bounds = dataset[name].variable
    if bounds.ndim == 2 and bounds.dims[0] == time and bounds.shape[1] == 2:
        first, last = bounds.values.min(axis=1), bounds.values.max(axis=1)
        flux = flux.assign_coords({STEP_START: (time, first), STEP_END: (time, last)})
    return flux
