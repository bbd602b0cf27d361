"""Rows of several realizations beside each other, along a dimension of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from stilt.config.realizations import base_of
from stilt.receptors import met_of, receptor_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    import xarray as xr

    from stilt.config import ModelConfig

Rows = TypeVar("Rows", "xr.Dataset", "xr.DataArray")


def realization_of(config: ModelConfig, sim_id: str) -> int:
    """Return the number of the realization that a simulation belongs to."""
    met = config.mets.get(met_of(sim_id))
    return 0 if met is None else met.realization


def numbers_of(config: ModelConfig, sim_ids: Iterable[str]) -> list[int] | None:
    """Return the realization of each simulation; None where all are of the first."""
    if not _are_several(config):
        return None
    found = [realization_of(config, sim_id) for sim_id in sim_ids]
    return found if any(found) else None


def _are_several(config: ModelConfig) -> bool:
    """Return whether there are others than the first, without a look at every simulation."""
    return any(met.realization for met in config.mets.values())


def by_realization(rows: Rows, config: ModelConfig) -> Rows:
    """Return rows along ``receptor`` (simulation ids) with a dimension ``realization`` too.

    ``receptor`` is then the id of the first realization's simulation. A realization that is not
    there is NaN. Without further realizations the rows are returned as they are.
    """
    import pandas as pd
    import xarray as xr

    if not _are_several(config):
        return rows
    labels = rows["receptor"].to_numpy().tolist()
    numbers = numbers_of(config, labels)
    if numbers is None:
        return rows
    parts = []
    known = sorted(set(numbers))
    for number in known:
        mine = [place for place, each in enumerate(numbers) if each == number]
        names = [_of_first(labels[place], number) for place in mine]
        parts.append(rows.isel(receptor=mine).assign_coords(receptor=names))
    dim = pd.Index(known, name="realization")
    joined: Rows = xr.concat(parts, dim, coords="minimal", compat="override", join="outer")
    return joined


def _of_first(sim_id: str, number: int) -> str:
    """Return the id of the first realization's simulation of a receptor."""
    return f"{base_of(met_of(sim_id), number)}_{receptor_of(sim_id)}"
