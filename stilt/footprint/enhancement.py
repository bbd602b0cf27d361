"""Footprints times fluxes: what an inventory adds to each measurement."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import xarray as xr

from stilt.errors import UsageError
from stilt.footprint.aggregate import cells_of, source_of
from stilt.footprint.overlay import Overlay
from stilt.footprint.steps import Floats
from stilt.footprint.target import Target

if TYPE_CHECKING:
    from stilt.footprint.footprint import Footprint

FLUX_UNIT = "umol m-2 s-1"
MICROMOLES = {"mol": 1e6, "mmol": 1e3, "umol": 1.0, "nmol": 1e-3}
MICROGRAMS = {"kg": 1e9, "g": 1e6, "mg": 1e3, "ug": 1.0}
PER_SECOND = {"s": 1.0, "min": 1 / 60, "h": 1 / 3600, "hr": 1 / 3600, "d": 1 / 86400,
              "day": 1 / 86400}  # fmt: skip
PER_AREA = {"m": 1.0, "cm": 1e4, "km": 1e-6}
CACHED_FIELDS_BYTES = 256 * 2**20


def flux_factor(units: str, molar_mass_g: float | None = None) -> float:
    """Factor that turns a flux in ``units`` into umol m-2 s-1.

    Args:
        units: amount, per area, per time, such as ``umol m-2 s-1``, ``mol/m2/s`` or
            ``kg m-2 h-1``.
        molar_mass_g: grams per mole of the gas, needed for fluxes of mass.

    Raises:
        UsageError: the units are not those of a flux, or the molar mass is missing.
    """
    text = units.replace("µ", "u").replace("μ", "u").replace("micromol", "umol")
    words = re.findall(r"(/?)\s*([A-Za-z]+)\s*(?:\^|\*\*)?\s*(-?\d*)", text)
    amount, area, time = 0.0, 0.0, 0.0
    for slash, name, exponent in words:
        power = int(exponent or 1) * (-1 if slash else 1)
        if power == 1 and name in MICROMOLES:
            amount = MICROMOLES[name]
        elif power == 1 and name in MICROGRAMS and molar_mass_g is None:
            raise UsageError(
                f"A flux in {units!r} is one of mass; give molar_mass_g, the grams per mole of "
                "the gas (44.0095 for CO2, 16.0425 for CH4)."
            )
        elif power == 1 and name in MICROGRAMS and molar_mass_g is not None:
            amount = MICROGRAMS[name] / molar_mass_g
        elif power == -2 and name in PER_AREA:
            area = PER_AREA[name]
        elif power == -1 and name in PER_SECOND:
            time = PER_SECOND[name]
        else:
            amount = 0.0
            break
    factor = amount * area * time
    if factor == 0.0 or len(words) != 3:
        raise UsageError(
            f"{units!r} is not a unit of surface flux that can be turned into {FLUX_UNIT}; "
            "set flux.attrs['units'] to something like 'umol m-2 s-1' or 'kg m-2 h-1'."
        )
    return factor


def enhancement(
    footprints: Iterable[Footprint],
    flux: xr.DataArray,
    *,
    molar_mass_g: float | None = None,
    projection: str | None = None,
    labels: Iterable[str] | None = None,
) -> pd.DataFrame:
    """Enhancement of each measurement by a surface flux.

    ppm = sum over cells and hours of influence [ppm per (umol m-2 s-1)] times flux
    [umol m-2 s-1], with the flux constant within its own cells and time steps and the footprint
    shared out among them by overlap.

    Args:
        footprints: taken one at a time.
        flux: dims (lat, lon) or (y, x), and ``time`` if it changes: each stamp holds until the
            next, the last as long as the one before (one step: always). ``attrs['units']`` is
            needed. NaN cells take no part.
        molar_mass_g: grams per mole, for fluxes of mass.
        projection: PROJ text of x and y if the flux does not carry its own.
        labels: names of the rows in the order of the footprints; else the receptors' ids.

    Returns:
        Index = receptor id or label; ``time``, ``enhancement_ppm`` and ``outside``: the influence
        (ppm per (umol m-2 s-1)) in cells and hours that the flux does not cover, which is not in
        the ppm.

    Raises:
        UsageError: units are missing or wrong, the grid cannot be used, or the flux changes with
            time and a footprint has its hours summed.
    """
    inventory = _Inventory.of(flux, molar_mass_g)
    overlays: dict[tuple[object, ...], _Pulled] = {}
    rows: list[tuple[str, pd.Timestamp, float, float]] = []
    for footprint in footprints:
        if inventory.left.size > 1 and footprint.config.time_integrate:
            raise UsageError(
                f"The footprint of {footprint.receptor.id} holds the sum of its hours "
                "(time_integrate), and the flux changes with time: use hourly footprints, or the "
                "flux's mean over time."
            )
        source = source_of(footprint)
        pulled = overlays.get(source.key())
        if pulled is None:
            cells = cells_of(footprint.grid, inventory.mask, projection=projection)
            pulled = overlays[source.key()] = _Pulled(inventory, Overlay(source, cells), cells)
        ppm, covered = 0.0, 0.0
        layers = footprint.data.values
        for layer, step in zip(layers, inventory.steps(footprint.data["time"].values), strict=True):
            if step >= 0:
                ppm += float(np.vdot(layer, pulled.flux(int(step))))
                covered += float(np.vdot(layer, pulled.coverage))
        outside = float(layers.sum()) - covered
        rows.append((str(footprint.receptor.id), footprint.receptor.time, ppm, outside))
    names = ["receptor", "time", "enhancement_ppm", "outside"]
    found = pd.DataFrame(rows, columns=names)
    if labels is not None:
        found["receptor"] = list(labels)
    return found.set_index("receptor")


@dataclass(frozen=True)
class _Inventory:
    """A flux in umol m-2 s-1 with its time steps."""

    flux: xr.DataArray
    mask: xr.DataArray
    left: np.ndarray
    right: np.ndarray

    @classmethod
    def of(cls, flux: xr.DataArray, molar_mass_g: float | None) -> _Inventory:
        units = flux.attrs.get("units")
        if not units:
            raise UsageError(
                "The flux has no units; set flux.attrs['units'], for instance to 'umol m-2 s-1'."
            )
        flux = flux * flux_factor(str(units), molar_mass_g)
        if "time" not in flux.dims:
            flux = flux.drop_vars("time", errors="ignore")
            whole = np.array([np.datetime64("0001-01-01", "s"), np.datetime64("9999-01-01", "s")])
            return cls(flux, flux, whole[:1], whole[1:])
        flux = flux.sortby("time")
        left = flux["time"].values.astype("datetime64[s]")
        last = left[-1] - left[-2] if left.size > 1 else np.timedelta64(10**10, "s")
        mask = flux.isel(time=0, drop=True)
        missing = flux.isnull()
        if bool((missing.any("time") & ~missing.all("time")).any()):
            raise UsageError(
                "The flux has cells that are NaN at some times only; fill them (with 0 where "
                "there is no flux) or make them NaN at all times."
            )
        return cls(flux, mask, left, np.append(left[1:], left[-1] + last))

    def steps(self, stamps: np.ndarray) -> np.ndarray:
        """Time step that holds at each stamp, -1 where none does."""
        stamps = stamps.astype("datetime64[s]")
        step = np.searchsorted(self.left, stamps, side="right") - 1
        covered = (step >= 0) & (stamps < self.right[step.clip(0)])
        return np.where(covered, step, -1)

    def values(self, step: int, axes: tuple[str, str]) -> Floats:
        """Flux of one step, x outermost, shape (cells of the grid,)."""
        field = self.flux.isel(time=step) if "time" in self.flux.dims else self.flux
        return field.transpose(*axes).values.astype(np.float64).reshape(-1)


@dataclass
class _Pulled:
    """Fluxes brought to the cells of one footprint grid, a limited number of them kept."""

    inventory: _Inventory
    overlay: Overlay
    cells: Target
    coverage: Floats = field(init=False)
    _kept: OrderedDict[int, Floats] = field(default_factory=OrderedDict)

    def __post_init__(self) -> None:
        self.coverage = self.overlay.pull(np.ones(self.cells.cell.size))

    def flux(self, step: int) -> Floats:
        """Flux of one time step on the footprint's cells, weighted with the covered share."""
        if step in self._kept:
            self._kept.move_to_end(step)
            return self._kept[step]
        mask = self.inventory.mask
        x = next(name for name in ("lon", "longitude", "x") if name in mask.coords)
        y = {"lon": "lat", "longitude": "latitude", "x": "y"}[x]
        pulled = self.overlay.pull(self.inventory.values(step, (x, y))[self.cells.cell])
        self._kept[step] = pulled
        while len(self._kept) > 1 and len(self._kept) * pulled.nbytes > CACHED_FIELDS_BYTES:
            self._kept.popitem(last=False)
        return pulled
