"""Soundings: a table of measurements with their profiles, as files of instruments give them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stilt.config.kernel_levels import LEAST_HPA, MOST_HPA, MOST_KERNEL
from stilt.errors import UsageError
from stilt.fill_values import fill_among
from stilt.observations.geodesy import offset_degrees
from stilt.receptors import ColumnReceptor, PointReceptor, Receptor, TimeLike, time_window

if TYPE_CHECKING:
    import xarray as xr

    from stilt.config import Bounds
    from stilt.observations.observation import Observation

Floats = NDArray[np.float64]
ReceptorKind = Literal["auto", "point", "column", "slant"]

COLUMNS = ("sounding_id", "time", "longitude", "latitude", "value", "uncertainty", "units",
           "species", "sensor", "good")  # fmt: skip
# Further columns that a reader may add; any other column is a label of the user's.
FURTHER = ("altitude_m", "altitude_ref", "surface_altitude_m", "surface_pressure_hpa",
           "zenith_deg", "azimuth_deg", "solar_zenith_deg", "quality")  # fmt: skip
PROFILES = {
    "ak_pressure_hpa": "pressure where the averaging kernel is given (hPa)",
    "ak": "column averaging kernel (1)",
    "apriori": "a-priori mole fraction at the kernel's pressures, in the unit of the value",
    "pressure_levels_hpa": "edges of the retrieval's layers (hPa)",
    "altitude_levels_m": "altitude of these edges above sea level (m)",
    "corner_longitudes": "corners of the ground pixel (degrees east)",
    "corner_latitudes": "corners of the ground pixel (degrees north)",
}
LEAST_SURFACE_HPA = 300.0
"""Below the pressure on the highest mountain."""
SLANT_SPACING_M = 100.0
# One point would be a point receptor, and two above one another the column between them.
FEWEST_SLANT_POINTS = 3


@dataclass(frozen=True)
class Soundings:
    """Measurements, one in each row, with their profiles.

    Attributes:
        table: one row a sounding, numbered from 0: sounding_id, time (naive UTC, whole seconds),
            longitude and latitude (degrees), value and uncertainty in ``units``, species, sensor
            and good, and what a reader adds: surface_altitude_m (above sea level),
            surface_pressure_hpa, zenith_deg and azimuth_deg of the line of sight at the ground,
            altitude_m with altitude_ref for points, labels of a table.
        profiles: arrays of shape (soundings, levels) from the surface up, padded with NaN; the
            names are ``ak_pressure_hpa``, ``ak``, ``apriori``, ``pressure_levels_hpa``,
            ``altitude_levels_m``, ``corner_longitudes`` and ``corner_latitudes``.

    Raises:
        UsageError: a column is missing, a profile has another number of rows, pressures are not
            from 0 to 1200 hPa, surface pressures not from 300 hPa on, kernels are beyond 90, or a
            prior holds fill values.
    """

    table: pd.DataFrame
    profiles: Mapping[str, Floats] = field(default_factory=dict)

    def __post_init__(self) -> None:
        missing = [name for name in COLUMNS if name not in self.table.columns]
        if missing:
            raise UsageError(f"A table of soundings needs the column(s) {', '.join(missing)}.")
        for name, values in self.profiles.items():
            if name not in PROFILES:
                raise UsageError(f"Unknown profile {name!r}: known are {', '.join(PROFILES)}.")
            if len(values) != len(self.table):
                raise UsageError(
                    f"The profile {name!r} has {len(values)} rows for {len(self.table)} soundings."
                )
            if name.endswith("_hpa") and np.isfinite(values).any():
                low, high = np.nanmin(values), np.nanmax(values)
                if low < LEAST_HPA or high > MOST_HPA:
                    wrong = low if low < LEAST_HPA else high
                    raise UsageError(
                        f"Pressures of the profile {name!r} must be from 0 to {MOST_HPA:g} hPa, "
                        f"got {wrong:g}: are they in Pa?"
                    )
            if name == "ak" and (np.abs(values) > MOST_KERNEL).any():
                wrong = values[np.abs(values) > MOST_KERNEL].flat[0]
                raise UsageError(
                    f"An averaging kernel has the value {wrong:g}, which is not one: give fill "
                    "values as NaN."
                )
            if name == "apriori":
                _refuse_fill_values(values)
        _refuse_surface_pressures(self.table)
        object.__setattr__(self, "table", self.table.reset_index(drop=True))

    @classmethod
    def concat(cls, parts: Iterable[Soundings]) -> Soundings:
        """Join soundings, such as those of several files; profiles that only some have are NaN.

        Raises:
            UsageError: there is nothing to join.
        """
        listed = list(parts)
        if not listed:
            raise UsageError("There are no soundings to join: no file was given.")
        table = pd.concat([part.table for part in listed], ignore_index=True)
        names = [name for name in PROFILES if any(name in part.profiles for part in listed)]
        profiles = {}
        for name in names:
            width = max(part.profiles[name].shape[1] for part in listed if name in part.profiles)
            profiles[name] = np.concatenate([_padded(part, name, width) for part in listed])
        return cls(table, profiles)

    def __len__(self) -> int:
        return len(self.table)

    def take(self, rows: Any) -> Soundings:
        """Return the soundings with these row numbers, or those where a mask is true."""
        picked = np.asarray(rows)
        if picked.dtype == bool:
            picked = np.flatnonzero(picked)
        return replace(
            self,
            table=self.table.iloc[picked],
            profiles={name: values[picked] for name, values in self.profiles.items()},
        )

    def select(
        self,
        *,
        good: bool = True,
        bounds: Bounds | None = None,
        time_range: tuple[TimeLike, TimeLike] | None = None,
    ) -> Soundings:
        """Return the soundings that pass the filters.

        Args:
            good: leave out what the product's own quality flag rejects.
            bounds: area in degrees, edges included.
            time_range: start and end, both included.
        """
        table = self.table
        kept = np.isfinite(table["value"].to_numpy(np.float64)) | (not good)
        if good:
            kept &= table["good"].to_numpy(bool)
        if bounds is not None:
            east = (table["longitude"].to_numpy() - bounds.xmin) % 360.0
            north = table["latitude"].to_numpy()
            kept &= (east <= bounds.width_deg) & (north >= bounds.ymin) & (north <= bounds.ymax)
        if time_range is not None:
            start, end = time_window(time_range)
            kept &= ((table["time"] >= start) & (table["time"] <= end)).to_numpy()
        return self.take(kept)

    def thin(self, degrees: float) -> Soundings:
        """Return one sounding for each grid cell and clock hour: the nearest to the cell's centre.

        Args:
            degrees: size of the cells in longitude and latitude.

        Raises:
            UsageError: the size is not above 0.
        """
        if not degrees > 0:
            raise UsageError(f"The size of cells must be above 0 degrees, got {degrees}.")
        lon, lat = (self.table[name].to_numpy() for name in ("longitude", "latitude"))
        column, row = np.floor(lon / degrees), np.floor(lat / degrees)
        off = (lon - (column + 0.5) * degrees) * np.cos(np.radians(lat))
        distance = np.hypot(off, lat - (row + 0.5) * degrees)
        cells = pd.DataFrame(
            {"hour": self.table["time"].dt.floor("h"), "column": column, "row": row,
             "distance": distance}
        )  # fmt: skip
        first = cells.sort_values("distance", kind="stable").drop_duplicates(
            ["hour", "column", "row"]
        )
        return self.take(np.sort(first.index.to_numpy()))

    def receptors(
        self,
        kind: ReceptorKind = "auto",
        *,
        bottom: float = 0.0,
        top: float = 3000.0,
        heights: Sequence[float] | None = None,
        altitude_ref: str = "agl",
    ) -> list[Receptor]:
        """Return the receptor of every sounding.

        Args:
            kind: ``point`` at the table's altitude; ``column`` from bottom to top; ``slant``
                points along the line of sight, off the ground pixel by their height times the
                tangent of the zenith angle. ``auto`` takes points where the table has altitudes,
                else columns.
            bottom, top: ends of a column or a slant path in m.
            heights: of the points of a slant path in m above ground; None: the middles of layers
                of about 100 m from bottom to top.
            altitude_ref: ``agl`` or ``msl`` of a column; a slant path is above ground.

        Raises:
            UsageError: a sounding lacks what the kind needs, the ends are not in order, or an
                argument is not one of the kind's.
        """
        if kind == "auto":
            kind = "point" if "altitude_m" in self.table.columns else "column"
        if heights is not None and kind != "slant":
            raise UsageError(f"Heights are those of a slant path, and the receptors are {kind}s.")
        if kind == "point":
            return self._points()
        if kind == "slant":
            if altitude_ref != "agl":
                raise UsageError(
                    "The heights of a slant path are above ground: leave out altitude_ref "
                    f"{altitude_ref!r}, or take columns."
                )
            levels = slant_heights_m(bottom, top) if heights is None else _above_ground(heights)
            return self._slants(levels)
        if kind != "column":
            raise UsageError(f"kind must be auto, point, column or slant, got {kind!r}")
        return [
            ColumnReceptor(time, lon, lat, bottom, top, altitude_ref=altitude_ref, labels=labels)
            for (time, lon, lat), labels in zip(self._places(), self._labels(), strict=True)
        ]

    def _labels(self) -> Iterable[dict[str, Any]]:
        """Id and the labels of a table, which its receptors keep."""
        names = [name for name in self.table.columns if name not in COLUMNS and name not in FURTHER]
        rows = self.table[["sounding_id", *names]].to_dict("records")
        return ({str(name): value for name, value in row.items()} for row in rows)

    def _places(self) -> Iterable[tuple[pd.Timestamp, float, float]]:
        table = self.table
        return zip(
            table["time"], table["longitude"].tolist(), table["latitude"].tolist(), strict=True
        )

    def _points(self) -> list[Receptor]:
        if "altitude_m" not in self.table.columns:
            raise UsageError("The soundings have no altitude: take columns, or slant paths.")
        references = (
            self.table["altitude_ref"] if "altitude_ref" in self.table else ["agl"] * len(self)
        )
        return [
            PointReceptor(time, lon, lat, height, altitude_ref=reference, labels=labels)
            for (time, lon, lat), height, reference, labels in zip(
                self._places(),
                self.table["altitude_m"].tolist(),
                references,
                self._labels(),
                strict=True,
            )
        ]

    def _slants(self, heights: Floats) -> list[Receptor]:
        lacking = [name for name in ("zenith_deg", "azimuth_deg") if name not in self.table]
        if lacking:
            raise UsageError(
                f"A slant path needs {' and '.join(lacking)}, which these soundings do not have: "
                "take columns."
            )
        receptors = []
        angles = zip(self.table["zenith_deg"], self.table["azimuth_deg"], strict=True)
        for (time, lon, lat), (zenith, azimuth), labels in zip(
            self._places(), angles, self._labels(), strict=True
        ):
            if not 0 <= zenith < 90:
                raise UsageError(
                    f"The zenith angle of the sounding at {time} is {zenith}: a slant path needs "
                    "one from 0 to below 90 degrees."
                )
            if not np.isfinite(azimuth):
                raise UsageError(
                    f"The sounding at {time} has no azimuth angle, which a slant path needs: take "
                    "columns."
                )
            away = heights * np.tan(np.radians(zenith))
            turn = np.radians(azimuth)
            lons, lats = offset_degrees(lon, lat, away * np.sin(turn), away * np.cos(turn))
            points = zip(lons.round(5).tolist(), lats.round(5).tolist(), heights, strict=True)
            receptors.append(Receptor.from_points(time, list(points), labels=labels))
        return receptors

    def kernels(self, receptor_ids: Sequence[str]) -> pd.DataFrame:
        """Return the averaging kernels as the table that ``averaging_kernel`` reads in a run.

        Args:
            receptor_ids: of every sounding.

        Returns:
            Rows of receptor, pressure_hpa and kernel, by receptor id; no row for soundings
            without a kernel.
        """
        if "ak" not in self.profiles or not len(self):
            return pd.DataFrame({"receptor": [], "pressure_hpa": [], "kernel": []})
        pressure, kernel = self.profiles["ak_pressure_hpa"], self.profiles["ak"]
        ids = np.asarray(receptor_ids, dtype=object)
        # Soundings of one receptor share its first kernel.
        _, first = np.unique(ids, return_index=True)
        known = np.isfinite(pressure[first]) & np.isfinite(kernel[first])
        row, _ = np.nonzero(known)
        return pd.DataFrame(
            {
                "receptor": pd.Categorical.from_codes(row, categories=ids[first].tolist()),
                "pressure_hpa": pressure[first][known].astype(np.float32),
                "kernel": kernel[first][known].astype(np.float32),
            }
        )

    def observations(self) -> list[Observation]:
        """Return an :class:`Observation` for every sounding, with its kernel as weighting."""
        from stilt.observations.observation import Observation
        from stilt.observations.operators import VerticalOperatorWeighting

        listed = []
        for number, row in enumerate(self.table.to_dict("records")):
            weighting = None
            if "ak" in self.profiles:
                level = self.profiles["ak_pressure_hpa"][number]
                values = self.profiles["ak"][number]
                known = np.isfinite(level) & np.isfinite(values)
                if known.any():
                    weighting = VerticalOperatorWeighting(
                        "ak", tuple(level[known]), tuple(values[known]), coordinate="pres"
                    )
            taken = {*COLUMNS, "altitude_m", "altitude_ref"}
            listed.append(
                Observation(
                    time=row["time"],
                    latitude=row["latitude"],
                    longitude=row["longitude"],
                    sensor=row["sensor"],
                    species=row["species"],
                    id=str(row["sounding_id"]),
                    altitude=row.get("altitude_m"),
                    altitude_ref=row.get("altitude_ref", "agl"),
                    value=row["value"],
                    uncertainty=row["uncertainty"] if row["uncertainty"] >= 0 else None,
                    weighting=weighting,
                    metadata={str(k): v for k, v in row.items() if k not in taken},
                )
            )
        return listed

    def to_xarray(self) -> xr.Dataset:
        """Return the table and the profiles as a dataset along the dimension ``sounding``."""
        dataset = self.table.rename_axis("sounding").to_xarray()
        for name, values in self.profiles.items():
            width = f"{'edge' if 'levels' in name else 'corner' if 'corner' in name else 'level'}"
            dataset[name] = (("sounding", width), values, {"long_name": PROFILES[name]})
        return dataset

    def __repr__(self) -> str:
        sensors = ", ".join(sorted({str(name) for name in self.table["sensor"]})) or "nothing"
        good = int(self.table["good"].sum())
        return f"<Soundings: {len(self)} of {sensors}, {good} of good quality>"


def slant_heights_m(bottom: float, top: float) -> Floats:
    """Return the heights of a slant path's points: the middles of layers of about 100 m.

    Args:
        bottom, top: ends of the path in m above ground.

    Returns:
        At least three heights, ascending.

    Raises:
        UsageError: bottom is below the ground, or not below top.
    """
    if not (0.0 <= bottom < top and np.isfinite(top)):
        raise UsageError(
            f"A slant path from {bottom:g} m to {top:g} m is impossible: bottom must be at or "
            "above the ground (0 m) and below top."
        )
    count = max(FEWEST_SLANT_POINTS, round((top - bottom) / SLANT_SPACING_M))
    edges = np.linspace(bottom, top, count + 1)
    return (0.5 * (edges[:-1] + edges[1:])).round(1)


def _above_ground(heights: Sequence[float]) -> Floats:
    """Return given heights of a slant path, none of them below the ground."""
    levels = np.asarray(heights, np.float64)
    if not (levels.size and np.isfinite(levels).all() and (levels >= 0.0).all()):
        raise UsageError(
            "The heights of a slant path are metres above ground, not below 0, got "
            f"{levels.tolist()}."
        )
    return levels


def _padded(part: Soundings, name: str, width: int) -> Floats:
    """Return a profile padded with NaN to a number of levels; all NaN where there is none."""
    whole = np.full((len(part), width), np.nan)
    if name in part.profiles:
        values = part.profiles[name]
        whole[:, : values.shape[1]] = values
    return whole


def _refuse_fill_values(prior: Floats) -> None:
    """Refuse a prior that holds numbers which stand for missing values.

    Raises:
        UsageError: it does.
    """
    fill = fill_among(prior)
    if fill is not None:
        raise UsageError(
            f"The profile 'apriori' holds {fill:g}, which seems to stand for missing values: "
            "give them as NaN."
        )


def _refuse_surface_pressures(table: pd.DataFrame) -> None:
    """Refuse pressures in hPa that no surface has.

    Raises:
        UsageError: there is one.
    """
    if "surface_pressure_hpa" not in table:
        return
    given = table["surface_pressure_hpa"].to_numpy(np.float64)
    wrong = given[(given < LEAST_SURFACE_HPA) | (given > MOST_HPA)]
    if wrong.size:
        raise UsageError(
            f"Surface pressures must be from {LEAST_SURFACE_HPA:g} to {MOST_HPA:g} hPa, got "
            f"{wrong[0]:g}: are they in another unit, or a fill value, which is given as NaN?"
        )
