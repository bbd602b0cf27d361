"""Fields of one time of WRF's output, by ARL name and in ARL units, at its mass points."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from stilt.meteorology.formats import wrf_physics as physics
from stilt.meteorology.formats.missing_values import with_missing

Floats = NDArray[np.float32]

_MM = np.float32(1e-3)


@dataclass(frozen=True)
class Frame:
    """One time of a file, and the part of it that is read.

    Attributes:
        data: the file.
        position: which time.
        rows, columns: mass points that are kept.
        n_levels: how many, from the ground up.
        minutes: since WRF's run began.
        hours_before: since the file's previous time; None at its first one.
        averaged_winds: whether averages over the output interval are used, where there are any.
    """

    data: xr.Dataset
    position: int
    rows: NDArray[np.intp]
    columns: NDArray[np.intp]
    n_levels: int
    minutes: int
    hours_before: float | None
    averaged_winds: bool

    def has(self, *names: str) -> bool:
        """Return whether the file has all of these variables."""
        return all(name in self.data.variables for name in names)

    def first(self, *names: str) -> str | None:
        """Return the first of these variables that the file has."""
        return next((name for name in names if self.has(name)), None)

    def field(self, name: str, position: int | None = None) -> Floats:
        """Read a field at the points that are kept; on faces, one more along their axis.

        Args:
            name: of the variable.
            position: which time; that of the frame when None.
        """
        variable = self.data[name]
        if "Time" in variable.dims:
            variable = variable.isel(Time=self.position if position is None else position)
        kept = {str(dim): self._index(str(dim)) for dim in variable.dims}
        # Slices first: an index array per axis would read chunks repeatedly.
        spans = {
            dim: slice(int(index.min()), int(index.max()) + 1)
            for dim, index in kept.items()
            if index is not None
        }
        values = with_missing(variable.isel(spans).to_numpy(), self.data[name])
        for axis, (dim, index) in enumerate(kept.items()):
            if index is not None and (np.diff(index) != 1).any():
                values = np.take(values, index - spans[dim].start, axis)
        return np.asarray(values, np.float32)

    def _index(self, dim: str) -> NDArray[np.intp] | None:
        """Return which points along a dimension are kept; None for all of it."""
        kept = {
            "west_east": self.columns,
            "south_north": self.rows,
            "west_east_stag": _faces(self.columns),
            "south_north_stag": _faces(self.rows),
            "bottom_top": np.arange(self.n_levels),
            "bottom_top_stag": np.arange(self.n_levels + 1),
        }
        return kept.get(dim)

    def vertical(self, name: str, otherwise: float) -> Floats:
        """Read coefficients of the levels, (levels,); a constant where the file has none."""
        if not self.has(name):
            return np.full(self.n_levels, otherwise, np.float32)
        return self.field(name)

    @cached_property
    def pressure_pa(self) -> Floats:
        """Pressure of the levels."""
        return self.field("P") + self.field("PB")

    @cached_property
    def temperature_k(self) -> Floats:
        """Temperature of the levels."""
        return physics.temperature_k(self.field("T"), self.pressure_pa)

    @cached_property
    def height_m(self) -> Floats:
        """Height of the levels above sea level."""
        geopotential = self.field("PH") + self.field("PHB")
        return physics.between_faces(geopotential, 0) / np.float32(physics.GRAVITY_M_S2)

    @cached_property
    def has_averages(self) -> bool:
        """Whether averaged winds are used; at the start of a run WRF writes zeros for them."""
        if not self.averaged_winds or not self.has("AVGFLX_RUM", "AVGFLX_RVM", "AVGFLX_WWM"):
            return False
        return bool(self.field("AVGFLX_RUM").any())

    @cached_property
    def winds(self) -> tuple[Floats, Floats]:
        """Winds along the grid's axes."""
        if not self.has_averages:
            u, v = self.field("U"), self.field("V")
        else:
            c1, c2 = self.vertical("C1H", 1.0), self.vertical("C2H", 0.0)
            u = physics.uncoupled_wind(
                self.field("AVGFLX_RUM"), self._mass("MUU", -1), self._factor("UY", "U"), c1, c2
            )
            v = physics.uncoupled_wind(
                self.field("AVGFLX_RVM"), self._mass("MUV", -2), self._factor("VX", "V"), c1, c2
            )
        return physics.between_faces(u, 2), physics.between_faces(v, 1)

    def _mass(self, name: str, axis: int) -> Floats:
        """Return the dry column mass on the faces along an axis."""
        if self.has(name):
            return self.field(name)
        if not self.has("MU", "MUB"):
            raise ValueError(f"its averaged winds need {name}, or MU and MUB, which it lacks")
        whole = self._whole("MU") + self._whole("MUB")
        faces = physics.on_faces(whole, axis)
        rows = self.rows if axis == -1 else _faces(self.rows)
        columns = _faces(self.columns) if axis == -1 else self.columns
        return faces[np.ix_(rows, columns)]

    def _whole(self, name: str) -> Floats:
        """Read a field at the ground uncropped: neighbours outside the crop are needed."""
        values = with_missing(self.data[name][self.position].to_numpy(), self.data[name])
        return np.asarray(values, np.float32)

    def _factor(self, newer: str, older: str) -> Floats:
        """Read the map factor of a staggered grid; since WRF 3 there is one for each direction."""
        name = self.first(f"MAPFAC_{newer}", f"MAPFAC_{older}")
        if name is None:
            raise ValueError(f"its averaged winds need MAPFAC_{newer}, which it lacks")
        return self.field(name)

    @cached_property
    def cell_size_m(self) -> tuple[Floats | float, Floats | float]:
        """Cell sizes along x and y at the mass points."""
        dx, dy = float(self.data.attrs["DX"]), float(self.data.attrs["DY"])
        along_x, along_y = self.first("MAPFAC_MX", "MAPFAC_M"), self.first("MAPFAC_MY", "MAPFAC_M")
        return (
            np.float32(dx) / self.field(along_x) if along_x else dx,
            np.float32(dy) / self.field(along_y) if along_y else dy,
        )

    @cached_property
    def mixing_ratio(self) -> Floats | None:
        """Vapour per mass of dry air; None where the file lacks it."""
        return self.field("QVAPOR") if self.has("QVAPOR") else None

    def specific_humidity(self) -> Floats | None:
        """Compute vapour per mass of moist air; None where the file lacks it."""
        ratio = self.mixing_ratio
        return None if ratio is None else physics.specific_humidity(ratio)

    @cached_property
    def vertical_motion(self) -> Floats | None:
        """Motion relative to transport's levels, m/s upward; None where the file lacks it."""
        if not self.has_averages and not self.has("W"):
            return None
        u, v = self.winds
        terrain = self.field("HGT")
        if self.has_averages:
            through = physics.motion_through_levels(
                self.field("AVGFLX_WWM"), self._factor("MY", "M"), self.temperature_k,
                self.pressure_pa, self.mixing_ratio,
            )  # fmt: skip
            w = through + physics.along_wind(self.height_m, u, v, self.cell_size_m)
        else:
            w = physics.between_faces(self.field("W"), 0)
        kept = np.ix_(self.rows, self.columns)
        whole = self._whole("HGT")
        rise_y, rise_x = np.gradient(whole, axis=0)[kept], np.gradient(whole, axis=1)[kept]
        dx, dy = self.cell_size_m
        slope = np.asarray(u * rise_x / dx + v * rise_y / dy, np.float32)
        return physics.relative_to_ground(w, slope, self.height_m - terrain, terrain)

    def at_ground(self, *names: str, factor: float = 1.0) -> Floats | None:
        """Read a field at the ground; None if the file lacks it.

        At the start of a run WRF writes zeros for what its physics has not computed yet: then the
        field is missing too.
        """
        name = self.first(*names)
        if name is None:
            return None
        field = self.field(name)
        if self.minutes == 0 and not field.any():
            return None
        return field * np.float32(factor)

    def ten_metre(self, name: str) -> Floats | None:
        """Read a wind component at ten metres; None unless the file has both."""
        if any(self.at_ground(each) is None for each in ("U10", "V10")):
            return None
        return self.field(name)

    def energy(self) -> Floats | None:
        """Read the turbulent kinetic energy, m2 s-2."""
        if self.has("TKE_PBL"):
            field = self.field("TKE_PBL")
            return physics.between_faces(field, 0) if len(field) > self.n_levels else field
        return np.float32(0.5) * self.field("QKE") if self.has("QKE") else None


Maker = Callable[[Frame], Floats | None]

SURFACE: dict[str, Maker] = {
    "PRSS": lambda frame: frame.field("PSFC") * np.float32(0.01),
    "SHGT": lambda frame: frame.field("HGT"),
    "T02M": lambda frame: frame.at_ground("T2"),
    "U10M": lambda frame: frame.ten_metre("U10"),
    "V10M": lambda frame: frame.ten_metre("V10"),
    "PBLH": lambda frame: frame.at_ground("PBLH"),
    "RGHS": lambda frame: frame.at_ground("ZNT"),
    "USTR": lambda frame: frame.at_ground("UST"),
    "SHTF": lambda frame: frame.at_ground("HFX"),
    "LHTF": lambda frame: frame.at_ground("LH"),
    "DSWF": lambda frame: frame.at_ground("SWDOWN"),
}
"""How each field at the ground is computed; None where a file lacks it."""

UPPER: dict[str, Maker] = {
    "PRES": lambda frame: frame.pressure_pa * np.float32(0.01),
    "TEMP": lambda frame: frame.temperature_k,
    "SPHU": lambda frame: frame.specific_humidity(),
    "HGTS": lambda frame: frame.height_m,
    "UWND": lambda frame: frame.winds[0],
    "VWND": lambda frame: frame.winds[1],
    "DZDT": lambda frame: frame.vertical_motion,
    "TKEN": lambda frame: frame.energy(),
}
"""How each field on levels is computed; None where a file lacks it."""


def precipitation(frame: Frame) -> dict[str, Floats]:
    """Return rain in metres an hour since the file's previous time; at the first time in metres
    since WRF's run began."""
    if not frame.has("RAINC", "RAINNC") or frame.minutes == 0:
        return {}
    convective, grid_scale = _collected(frame, "RAINC"), _collected(frame, "RAINNC")
    if frame.hours_before is None:
        return {"TPPA": convective + grid_scale, "CPPA": convective}
    before, hours = frame.position - 1, np.float32(frame.hours_before)
    convective = np.maximum(convective - _collected(frame, "RAINC", before), 0.0) / hours
    grid_scale = np.maximum(grid_scale - _collected(frame, "RAINNC", before), 0.0) / hours
    return {"TPP1": convective + grid_scale, "CPP1": convective}


def _collected(frame: Frame, name: str, position: int | None = None) -> Floats:
    """Return metres since the run began; WRF may count full buckets separately."""
    total = frame.field(name, position)
    bucket = float(frame.data.attrs.get("BUCKET_MM", -1.0))
    if bucket > 0.0 and frame.has(f"I_{name}"):
        total = total + np.float32(bucket) * frame.field(f"I_{name}", position)
    return total * _MM


def _faces(cells: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return the faces of consecutive cells: one more than cells."""
    return np.append(cells, cells[-1] + 1)
