"""Footprints times several fluxes at once: what each of them adds to every measurement."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from stilt.errors import UsageError
from stilt.footprint.aggregate import cells_of
from stilt.footprint.inventory import Inventory
from stilt.footprint.layers import Layers
from stilt.footprint.overlay import Overlay
from stilt.footprint.steps import Floats
from stilt.footprint.target import Target

if TYPE_CHECKING:
    from stilt.receptors import Receptor

# Memory for the fields of all fluxes, regridded to the footprints' cells.
CACHED_FIELDS_BYTES = 512 * 2**20


@dataclass(frozen=True)
class Components:
    """What fluxes add to measurements.

    Attributes:
        ppm: shape (footprints, fluxes).
        outside_share: share of each footprint that a flux does not cover, 0 to 1, same shape.
        receptors: of the footprints.
    """

    ppm: Floats
    outside_share: Floats
    receptors: list[Receptor]


def components(
    footprints: Iterable[Layers],
    fluxes: Mapping[str, xr.DataArray],
    *,
    molar_mass_g: float | None = None,
    projection: str | None = None,
) -> Components:
    """Compute what each of several fluxes adds to every measurement, ppm.

    The sums are those of :func:`stilt.footprint.enhancement.enhancement`; each footprint is read
    once, and only its cells that are not zero are used.

    Args:
        footprints: taken one at a time; if they come in order of time, each field of a changing
            flux is regridded only once.
        fluxes: by name, each on its own grid, with its own units and times: ``time``, or ``hour``
            (0 to 23 UTC) and ``month`` (1 to 12) for fluxes that repeat, or none.
        molar_mass_g: grams per mole, for fluxes of mass.
        projection: PROJ text of x and y of fluxes that do not carry their own.

    Raises:
        UsageError: units, dimensions or times of a flux cannot be used; the sentence names it.
    """
    sectors = [_Sector.of(name, flux, molar_mass_g, projection) for name, flux in fluxes.items()]
    if not sectors:
        raise UsageError("Give at least one flux.")
    room = CACHED_FIELDS_BYTES // len(sectors)
    rows, shares, receptors = [], [], []
    for layers in footprints:
        places, edges = layers.places(), layers.first_of_layers
        found = [each.total(layers, places, edges, room) for each in sectors]
        rows.append([ppm for ppm, _ in found])
        total = float(layers.values.sum())
        shares.append([max(1.0 - seen / total, 0.0) if total > 0 else 0.0 for _, seen in found])
        receptors.append(layers.receptor)
    width = len(sectors)
    return Components(
        np.array(rows, np.float64).reshape(-1, width),
        np.array(shares, np.float64).reshape(-1, width),
        receptors,
    )


@dataclass
class _Sector:
    """One flux, regridded to the cells of the footprints as they come."""

    name: str
    inventory: Inventory
    _grids: dict[tuple[object, ...], tuple[Overlay, Target, Floats]] = field(default_factory=dict)
    _kept: OrderedDict[tuple[object, ...], Floats] = field(default_factory=OrderedDict)

    @classmethod
    def of(
        cls, name: str, flux: xr.DataArray, molar_mass_g: float | None, projection: str | None
    ) -> _Sector:
        try:
            return cls(name, Inventory.of(flux, molar_mass_g, projection))
        except UsageError as error:
            raise UsageError(f"Flux {name!r}: {error}") from error

    def total(
        self, layers: Layers, places: np.ndarray, edges: np.ndarray, room: int
    ) -> tuple[float, float]:
        """Return the sum of influence times flux, and the influence that the flux covers."""
        if self.inventory.changes and layers.integrated:
            raise UsageError(
                f"The footprint of {layers.receptor.id} holds the sum of its hours "
                f"(time_integrate), and the flux {self.name!r} changes with time: use hourly "
                "footprints, or the flux's mean over time."
            )
        key = layers.key()
        if key not in self._grids:
            cells = cells_of(
                layers.grid,
                self.inventory.mask,
                projection=self.inventory.projection,
                called="flux",
            )
            overlay = Overlay(layers.source(), cells)
            self._grids[key] = overlay, cells, overlay.pull(np.ones(cells.cell.size)).reshape(-1)
        covered = self._grids[key][2]
        ppm, seen = 0.0, 0.0
        steps_of = self.inventory.shares(layers.stamps)
        if not self.inventory.changes:
            # One field for all hours.
            return self._dot(key, 0, layers.values, places, room), float(
                layers.values @ covered[places]
            )
        for number, steps in enumerate(steps_of):
            part = slice(edges[number], edges[number + 1])
            values, cells_at = layers.values[part], places[part]
            if not values.size or not steps:
                continue
            inside = float(values @ covered[cells_at])
            for step, share in steps:
                ppm += share * self._dot(key, step, values, cells_at, room)
                seen += share * inside
        return ppm, seen

    def _dot(
        self,
        key: tuple[object, ...],
        step: int,
        values: Floats,
        places: np.ndarray,
        room: int,
    ) -> float:
        return float(values @ self._field(key, step, room)[places])

    def _field(self, key: tuple[object, ...], step: int, room: int) -> Floats:
        """Return one step's flux on the footprints' cells, weighted with the covered share."""
        at = (key, step)
        if at in self._kept:
            self._kept.move_to_end(at)
            return self._kept[at]
        overlay, cells, _ = self._grids[key]
        pulled = overlay.pull(self.inventory.values(step)[cells.cell]).reshape(-1)
        self._kept[at] = pulled
        while len(self._kept) > 1 and len(self._kept) * pulled.nbytes > room:
            self._kept.popitem(last=False)
        return pulled
