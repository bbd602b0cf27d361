"""One measurement as the layouts of other programs have it: footprint, boundary, weather."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from stilt.background.average import Transforms, end_weights
from stilt.errors import UsageError
from stilt.exchange.boundary import Leaving, leaving
from stilt.footprint.cell_grid import is_longlat
from stilt.meteorology.grids import wrap_longitude
from stilt.transforms.release import first_rows, pressure_profile

if TYPE_CHECKING:
    from stilt.footprint import Footprint
    from stilt.receptors import Receptor

Floats = NDArray[np.float64]
M_PER_DEGREE = 6_371_000.0 * np.pi / 180.0
PA_PER_HPA = 100.0
SECONDS_PER_MINUTE = 60.0
SECONDS_PER_HOUR = 3600.0
HOURS_BACK = 24


@dataclass(frozen=True)
class ReleaseRecord:
    """What is exported of one measurement.

    Attributes:
        receptor: the measurement.
        footprint: its hourly influence, ppm per (umol m-2 s-1).
        data: the same with longitudes from west to east without a jump, past 180 where the grid
            lies across the date line; dims time, lat and lon.
        boundary: where its particles left the footprint's grid.
        weather: air_temperature (K), air_pressure (Pa), wind_speed (m s-1), wind_from_direction
            (degrees) and atmosphere_boundary_layer_thickness (m) at the release, NaN where the
            particle table does not say.
    """

    receptor: Receptor
    footprint: Footprint
    data: xr.DataArray
    boundary: Leaving
    weather: dict[str, float]

    @classmethod
    def of(
        cls,
        footprint: Footprint,
        particles: pd.DataFrame,
        transforms: Transforms,
        *,
        heights_msl: bool | None = None,
    ) -> ReleaseRecord:
        """Put together what is exported.

        Raises:
            UsageError: the footprint's grid is projected.
        """
        if not is_longlat(footprint.grid.projection):
            raise UsageError(
                "These layouts have footprints in longitude and latitude: the grid of "
                f"{footprint.name!r} is projected."
            )
        receptor = footprint.receptor
        weight, _ = end_weights(particles, receptor, transforms, heights_msl=heights_msl)
        numbers = np.sort(particles["indx"].unique())
        data = _eastward(footprint)
        x, y = data["lon"].values, data["lat"].values
        boundary = leaving(particles, pd.Series(weight, numbers), footprint.grid, x, y)
        return cls(receptor, footprint, data, boundary, weather_at_release(particles, receptor))

    @property
    def height_m(self) -> float:
        """Mean height of the release."""
        return float(np.mean([place.altitude_m for place in self.receptor.positions]))

    @property
    def place(self) -> tuple[float, float]:
        """Mean longitude and latitude of the release."""
        places = self.receptor.positions
        first = places[0].longitude
        away = wrap_longitude(np.array([each.longitude for each in places]) - first)
        return (
            float(wrap_longitude(first + np.mean(away))) if away.any() else first,
            float(np.mean([each.latitude for each in places])),
        )

    def by_hours_back(self) -> tuple[Floats, Floats]:
        """Return influence by hours of the clock, counted back from the measurement, and the rest.

        A flux of one hour meets the influence in it. The hour that begins k hours before the
        measurement, or less than a whole hour less, is k hours back; the influence of an hour from
        14:23 on belongs to the hour from 14:00 on for its first 37 minutes and to the next one for
        23, as in :meth:`stilt.Model.timeseries`.

        Returns:
            Shapes (rows, columns, 24), of 0 to 23 hours back, and (rows, columns).
        """
        data = self.data
        stamps = data["time"].values.astype("datetime64[s]").astype(np.float64)
        end = self.receptor.time.to_datetime64().astype("datetime64[s]").astype(np.float64)
        values = data.values
        hours = np.zeros((*values.shape[1:], HOURS_BACK))
        residual = np.zeros(values.shape[1:])
        late = stamps % SECONDS_PER_HOUR / SECONDS_PER_HOUR
        starts = stamps - stamps % SECONDS_PER_HOUR
        for start, share in ((starts, 1.0 - late), (starts + SECONDS_PER_HOUR, late)):
            back = np.ceil((end - start) / SECONDS_PER_HOUR).astype(np.int64)
            for number, part, layer in zip(back, share, values, strict=True):
                if part == 0.0:
                    continue
                if 0 <= number < HOURS_BACK:
                    hours[:, :, number] += part * layer
                else:
                    residual += part * layer
        return hours, residual


def _eastward(footprint: Footprint) -> xr.DataArray:
    """Return a footprint with longitudes from its grid's western edge on, without a jump."""
    data = footprint.data.transpose("time", "lat", "lon")
    lon, west = data["lon"].values, footprint.grid.xmin
    if np.diff(lon).max(initial=0.0) < 1.5 * footprint.grid.xres:
        return data
    return data.assign_coords(lon=west + (lon - west) % 360.0).sortby("lon")


def weather_at_release(particles: pd.DataFrame, receptor: Receptor) -> dict[str, float]:
    """Return the weather at the release, from the particles' first rows."""
    rows = first_rows(particles)
    found = dict.fromkeys(
        ("air_temperature", "air_pressure", "wind_speed", "wind_from_direction",
         "atmosphere_boundary_layer_thickness"), np.nan,
    )  # fmt: skip
    if "temp" in rows:
        found["air_temperature"] = float(rows["temp"].mean())
    if {"pres", "zagl"} <= set(rows):
        height = float(rows["zagl"].mean())
        found["air_pressure"] = PA_PER_HPA * float(pressure_profile(particles).at(height))
    if "mlht" in rows:
        found["atmosphere_boundary_layer_thickness"] = float(rows["mlht"].mean())
    if receptor.kind == "point":
        place = receptor.positions[0]
        seconds = SECONDS_PER_MINUTE * rows["time"].to_numpy(np.float64)
        narrow = np.cos(np.radians(place.latitude))
        away = wrap_longitude(rows["long"].to_numpy(np.float64) - place.longitude)
        east = M_PER_DEGREE * narrow * away
        north = M_PER_DEGREE * (rows["lati"].to_numpy(np.float64) - place.latitude)
        u, v = float(np.mean(east / seconds)), float(np.mean(north / seconds))
        found["wind_speed"] = float(np.hypot(u, v))
        found["wind_from_direction"] = float(np.degrees(np.arctan2(-u, -v)) % 360.0)
    return found
