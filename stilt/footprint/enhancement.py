"""Footprints times fluxes: what an inventory adds to each measurement."""

from __future__ import annotations

import warnings
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr

from stilt.errors import UsageError
from stilt.footprint.aggregate import cells_of, source_of
from stilt.footprint.bins import TOLERATED_SHARE
from stilt.footprint.flux_units import flux_factor as flux_factor
from stilt.footprint.inventory import Inventory
from stilt.footprint.overlay import Overlay
from stilt.footprint.steps import Floats
from stilt.footprint.target import Target

if TYPE_CHECKING:
    from stilt.footprint.gridded import GriddedInfluence

CACHED_FIELDS_BYTES = 256 * 2**20


class Enhancement(float):
    """What a surface flux adds to one measurement, in ppm: a number that knows what it leaves out.

    Attributes:
        outside: influence in cells and hours that the flux does not cover, which is not in the
            number, ppm per (umol m-2 s-1).
        outside_share: that as a share of the whole footprint, 0 to 1.
    """

    outside: float
    outside_share: float

    def __new__(cls, ppm: float, outside: float = 0.0, outside_share: float = 0.0) -> Enhancement:
        """Create a number of ppm with what it leaves out."""
        made = super().__new__(cls, ppm)
        made.outside, made.outside_share = float(outside), float(outside_share)
        return made

    def __getnewargs__(self) -> Any:
        return float(self), self.outside, self.outside_share


def enhancement(
    footprints: Iterable[GriddedInfluence],
    flux: xr.DataArray,
    *,
    molar_mass_g: float | None = None,
    projection: str | None = None,
    labels: Iterable[str] | None = None,
) -> pd.DataFrame:
    """Compute the enhancement of each measurement by a surface flux.

    ppm = sum over cells and hours of influence [ppm per (umol m-2 s-1)] times flux
    [umol m-2 s-1], with the flux constant within its own cells and time steps and the footprint
    shared out among them by overlap. Influence is taken as constant within each hour of a
    footprint: of the hour from 13:37 to 14:37, 23/60 meet the flux of 13:00 to 14:00.

    Warns once when the flux leaves out more than a tenth of the influence of a footprint.

    Args:
        footprints: taken one at a time.
        flux: dims (lat, lon) or (y, x), and ``time`` if it changes: each stamp holds until the
            next, the last as long as the one before; nothing holds in place of fields that are
            missing among others at even steps. A flux without ``time``, or with a single stamp,
            holds at all times. ``attrs['units']`` is needed. NaN cells are left out.
        molar_mass_g: grams per mole, for fluxes of mass.
        projection: PROJ text of x and y if the flux does not carry its own.
        labels: names of the rows in the order of the footprints; else the receptors' ids.

    Returns:
        Index = receptor id or label; ``time``, ``enhancement_ppm``, and ``outside``: the influence
        (ppm per (umol m-2 s-1)) in cells and hours that the flux does not cover, which is not in
        the ppm, with ``outside_share``, its share of the footprint.

    Raises:
        UsageError: units are missing or wrong, the grid or the times cannot be used, two fields
            have the same time, or the flux changes with time and a footprint has its hours summed.
    """
    inventory = Inventory.of(flux, molar_mass_g, projection)
    overlays: dict[tuple[object, ...], _Pulled] = {}
    rows: list[tuple[str, pd.Timestamp, float, float, float]] = []
    lacks = _Lacks(inventory)
    named = None if labels is None else iter(labels)
    for footprint in footprints:
        name = str(footprint.receptor.id) if named is None else next(named)
        if inventory.changes and footprint.config.time_integrate:
            raise UsageError(
                f"The footprint of {name} holds the sum of its hours "
                "(time_integrate), and the flux changes with time: use hourly footprints, or the "
                "flux's mean over time."
            )
        source = source_of(footprint)
        pulled = overlays.get(source.key())
        if pulled is None:
            cells = cells_of(
                footprint.grid,
                inventory.mask,
                projection=inventory.projection,
                called="flux",
            )
            pulled = overlays[source.key()] = _Pulled(inventory, Overlay(source, cells), cells)
        ppm, covered, in_time = 0.0, 0.0, 0.0
        layers, stamps = footprint.data.values, footprint.data["time"].values
        for layer, steps in zip(layers, inventory.shares(stamps), strict=True):
            for step, share in steps:
                ppm += share * float(np.vdot(layer, pulled.flux(step)))
                covered += share * float(np.vdot(layer, pulled.coverage))
                in_time += share * float(layer.sum())
        total = float(layers.sum())
        outside = total - covered
        share = max(outside / total, 0.0) if total > 0.0 else 0.0
        lacks.note(name, stamps, share, outside_times=total - in_time, outside=outside)
        rows.append((name, footprint.receptor.time, ppm, outside, share))
    lacks.warn(len(rows))
    names = ["receptor", "time", "enhancement_ppm", "outside", "outside_share"]
    return pd.DataFrame(rows, columns=names).set_index("receptor")


@dataclass
class _Lacks:
    """What the flux does not cover of some footprints, for a single warning.

    Attributes:
        inventory: the flux.
        count: footprints of which more than a tenth is not covered.
        worst: share of the one that is covered least, and the sentence about it.
        dated_otherwise: name of a footprint from another time than a flux of one step.
    """

    inventory: Inventory
    count: int = 0
    worst: tuple[float, str] = (0.0, "")
    dated_otherwise: str = ""

    def note(
        self, name: str, stamps: np.ndarray, share: float, *, outside_times: float, outside: float
    ) -> None:
        """Record one footprint, by the name of its row and the times of its hours."""
        if not self.dated_otherwise and self.inventory.is_dated_otherwise(stamps):
            self.dated_otherwise = name
        if share <= TOLERATED_SHARE:
            return
        self.count += 1
        if share > self.worst[0]:
            cause = "the rest lies where the flux has no value"
            if outside_times > 0.5 * outside:
                begin, end = stamps.min(), stamps.max() + np.timedelta64(1, "h")
                hours = " to ".join(f"{pd.Timestamp(time):%Y-%m-%d %H:%M}" for time in (begin, end))
                cause = f"its hours are {hours}, the flux's {self.inventory.span()}"
            self.worst = (
                share,
                (f"{1 - share:.0%} of the influence of {name} ({cause})"),
            )

    def warn(self, number: int) -> None:
        """Warn of what was recorded among a number of footprints."""
        if self.count:
            of_many = f" For {self.count} of {number} footprints it leaves out more than a tenth."
            warnings.warn(
                f"The flux covers only {self.worst[1]}; what it leaves out is not in the "
                f"enhancement.{of_many if number > 1 else ''}",
                stacklevel=3,
            )
        if self.dated_otherwise:
            warnings.warn(
                f"The flux has a single time, {self.inventory.single_stamp}, and is taken to hold "
                f"always, also for {self.dated_otherwise}; drop its dimension time "
                "(flux.squeeze('time', drop=True)) to silence this warning.",
                stacklevel=3,
            )


@dataclass
class _Pulled:
    """The time steps of a flux regridded to one footprint grid; a limited number are kept."""

    inventory: Inventory
    overlay: Overlay
    cells: Target
    coverage: Floats = field(init=False)
    _kept: OrderedDict[int, Floats] = field(default_factory=OrderedDict)

    def __post_init__(self) -> None:
        self.coverage = self.overlay.pull(np.ones(self.cells.cell.size))

    def flux(self, step: int) -> Floats:
        """Return one time step's flux on the footprint's cells, weighted with the covered share."""
        if step in self._kept:
            self._kept.move_to_end(step)
            return self._kept[step]
        pulled = self.overlay.pull(self.inventory.values(step)[self.cells.cell])
        self._kept[step] = pulled
        while len(self._kept) > 1 and len(self._kept) * pulled.nbytes > CACHED_FIELDS_BYTES:
            self._kept.popitem(last=False)
        return pulled
