"""Footprints as OpenGHG reads them: the PARIS layout (``source_format="paris"``)."""

from __future__ import annotations

import logging
import os
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from stilt.atomic import atomic_path
from stilt.destinations import file_to_write
from stilt.errors import UsageError
from stilt.exchange.boundary import HEIGHTS_M, SIDES
from stilt.exchange.releases import HOURS_BACK, ReleaseRecord
from stilt.hdf5 import is_written_by_stilt
from stilt.version import __version__

SRR_UNITS = "(mol/mol)/(mol/m2/s)"
INERT = "-9.0"
MOST_NAMES = 5

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ExportNames:
    """What files are called and say of themselves.

    Attributes:
        site: of the measurements, such as MHD.
        domain: of the footprints, such as EUROPE.
        species: gas; co2 adds influence by hours back. "inert" for any that lives long.
        met_model: the weather.
        model: the transport model.
        period: averaging period of a measurement, as ``1 hour``.
    """

    site: str
    domain: str
    species: str = "inert"
    met_model: str = ""
    model: str = "STILT"
    period: str = "1 hour"

    def __post_init__(self) -> None:
        for name in ("site", "domain", "species", "met_model", "model"):
            value = getattr(self, name)
            if not re.fullmatch(r"[A-Za-z0-9.+-]*", value) or (not value and name != "met_model"):
                raise UsageError(
                    f"{name} {value!r} cannot be part of a file's name: use letters, digits, . + -."
                )

    def file_name(self, inlet: str, month: str) -> str:
        """Return ``SITE-30magl_MODEL_MET_DOMAIN_SPECIES_YYYYMM.nc``."""
        parts = (f"{self.site}-{inlet}", self.model, self.met_model, self.domain, self.species)
        return "_".join([*(part for part in parts if part), month]) + ".nc"


def to_dataset(records: Sequence[ReleaseRecord], names: ExportNames) -> xr.Dataset:
    """Return the footprints of one inlet as a dataset.

    Args:
        records: measurements, on one grid.
        names: site and the like.

    Raises:
        UsageError: no records, different grids, or two of one time.
    """
    if not records:
        raise UsageError("There is nothing to export.")
    ordered = sorted(records, key=lambda each: each.receptor.time)
    times = np.array([each.receptor.time.to_datetime64() for each in ordered], "datetime64[ns]")
    if (np.diff(times) == np.timedelta64(0, "ns")).any():
        raise UsageError(_same_times(ordered, times))
    first = ordered[0].data
    if any(each.footprint.grid != ordered[0].footprint.grid for each in ordered):
        raise UsageError("Footprints on different grids cannot be in one file.")
    data: dict[str, Any] = {"srr": _srr([each.data.sum("time") for each in ordered])}
    if names.species.lower() == "co2":
        parts = [each.by_hours_back() for each in ordered]
        data["srr_time_resolved"] = (
            ("time", "latitude", "longitude", "resolution"),
            np.stack([hours for hours, _ in parts]).astype(np.float32), {"units": SRR_UNITS},
        )  # fmt: skip
        data["srr_residual"] = _srr([residual for _, residual in parts])
    for side in SIDES:
        along = "longitude" if side in "ns" else "latitude"
        for key, pick, units in (
            ("particle_locations", "locations", "1"), ("mean_age_particles", "ages_h", "h"),
        ):  # fmt: skip
            values = np.stack([getattr(each.boundary, pick)[side] for each in ordered])
            data[f"{key}_{side}"] = (
                ("time", "height", along),
                values.astype(np.float32),
                {"units": units},
            )
    data.update(_scalars(ordered))
    coordinates: dict[str, Any] = {
        "time": ("time", times, {"label": "left", "period": names.period}),
        "latitude": ("latitude", first["lat"].values, {"standard_name": "latitude"}),
        "longitude": ("longitude", first["lon"].values, {"standard_name": "longitude"}),
        "height": ("height", HEIGHTS_M, {"units": "m"}),
    }
    if "srr_time_resolved" in data:
        back = np.arange(HOURS_BACK).astype("timedelta64[h]").astype("timedelta64[ns]")
        coordinates["resolution"] = ("resolution", back)
    return xr.Dataset(data, coordinates, _attributes(ordered[0], names))


def write(
    records: Sequence[ReleaseRecord],
    names: ExportNames,
    folder: str | os.PathLike[str],
) -> list[Path]:
    """Write one file for each inlet and month.

    Returns:
        The files.

    Raises:
        UsageError: as :func:`to_dataset`, or the measurements are of several sites: with different
            labels ``site``, or at places that occur repeatedly or at the same time, unlike those of
            a ship or an aircraft.
    """
    _check_one_site(records)
    if names.species.lower() == "co2":
        _warn_of_minutes(records)
    groups: dict[tuple[str, str], list[ReleaseRecord]] = {}
    for each in records:
        key = (_inlet(each), f"{each.receptor.time:%Y%m}")
        groups.setdefault(key, []).append(each)
    written = []
    paths = {
        key: file_to_write(Path(folder) / names.file_name(*key), is_written_by_stilt)
        for key in sorted(groups)
    }
    for key, path in paths.items():
        mine = groups[key]
        dataset = to_dataset(mine, names)
        encoding: dict[str, Any] = {
            str(name): {"zlib": True, "complevel": 4}
            for name, each in dataset.items()
            if each.ndim > 1
        }
        encoding["time"] = {"units": "seconds since 1970-01-01"}
        if "resolution" in dataset.coords:
            encoding["resolution"] = {"units": "hours", "dtype": "float64"}
        with atomic_path(path) as temporary:
            dataset.to_netcdf(temporary, encoding=encoding, engine="netcdf4")
        written.append(path)
    return written


def _check_one_site(records: Sequence[ReleaseRecord]) -> None:
    """Refuse measurements of several sites."""
    advice = "export each on its own, with its --location (location_ids= in Python) and --site."
    labels = {str(each.receptor.labels["site"]) for each in records if _has_site(each)}
    if len(labels) > 1 and len({each.place for each in records}) > 1:
        raise UsageError(
            "Files for OpenGHG are of one site, and these receptors have the labels site "
            f"{listed(sorted(labels))}: {advice}"
        )
    points = {(each.place, each.receptor.time) for each in records if each.receptor.kind == "point"}
    for part in (0, 1):
        count = Counter(each[part] for each in points)
        repeated = {each for each, times in count.items() if times > 1}
        places = sorted({place for place, time in points if (place, time)[part] in repeated})
        if len(places) > 1:
            raise UsageError(
                f"Files for OpenGHG are of one site, and receptors lie at {len(places)} places, "
                f"such as {_place(places[0])} and {_place(places[1])}: {advice}"
            )


def _has_site(record: ReleaseRecord) -> bool:
    return record.receptor.labels.get("site") not in (None, "")


def listed(names: Sequence[str]) -> str:
    """Return the first names as text, and how many more there are."""
    more = len(names) - MOST_NAMES
    return ", ".join([*names[:MOST_NAMES], *([f"and {more} more"] if more > 0 else [])])


def _warn_of_minutes(records: Sequence[ReleaseRecord]) -> None:
    """Warn of measurements at several minutes of the hour: OpenGHG aligns a flux with the first."""
    minutes = sorted({each.receptor.time - each.receptor.time.floor("h") for each in records})
    if len(minutes) > 1:
        logger.warning(
            "Receptors lie at %d different minutes of the hour: OpenGHG aligns an hourly flux with "
            "the first of them, so that its CO2 of the others can be off by more than a tenth; "
            "model.timeseries has the right hours for all.",
            len(minutes),
        )  # fmt: skip


def _same_times(ordered: Sequence[ReleaseRecord], times: NDArray[np.datetime64]) -> str:
    again = np.flatnonzero(np.diff(times) == np.timedelta64(0, "ns"))
    one, other = (ordered[again[0] + step].receptor.id for step in (0, 1))
    return (
        f"{again.size} of {len(ordered)} footprints of one inlet have the time of another, such as "
        f"{one} and {other}, and OpenGHG finds a footprint by its time alone: choose one for each "
        "time with --location (location_ids= in Python), or thin soundings before they are "
        "computed (stilt observe --thin); --format netcdf, and jacobian() in Python, take all."
    )


def _place(place: tuple[float, float]) -> str:
    return f"{place[0]:g}, {place[1]:g} (longitude, latitude)"


def _srr(fields: Sequence[Any]) -> tuple[Any, ...]:
    values = np.stack([np.asarray(each) for each in fields]).astype(np.float32)
    attributes = {"units": SRR_UNITS, "loss_lifetime_hrs": INERT}
    return ("time", "latitude", "longitude"), values, attributes


def _inlet(record: ReleaseRecord) -> str:
    if record.receptor.kind != "point":
        return "column"
    reference = "magl" if record.receptor.altitude_ref == "agl" else "masl"
    return f"{record.height_m:g}{reference}"


def _scalars(records: Sequence[ReleaseRecord]) -> dict[str, Any]:
    units = {
        "release_lon": "degrees_east", "release_lat": "degrees_north", "release_height": "m",
        "air_temperature": "K", "air_pressure": "Pa", "wind_speed": "m s-1",
        "wind_from_direction": "degree", "atmosphere_boundary_layer_thickness": "m",
    }  # fmt: skip
    rows = [
        {"release_lon": each.place[0], "release_lat": each.place[1],
         "release_height": each.height_m, **each.weather}
        for each in records
    ]  # fmt: skip
    return {
        name: ("time", np.array([row[name] for row in rows], np.float32), {"units": unit})
        for name, unit in units.items()
    }


def _attributes(record: ReleaseRecord, names: ExportNames) -> dict[str, Any]:
    found: dict[str, Any] = {
        "species": names.species, "model": names.model, "met_model": names.met_model,
        "domain": names.domain, "site": names.site, "inlet_height": _inlet(record),
        "title": f"Footprints of {names.site}", "source": f"stilt {__version__}",
        "Conventions": "CF-1.8",
        "comment": "Heights of particle locations are above ground; a particle that never leaves "
        "the domain counts at the side nearest to its end.",
    }  # fmt: skip
    if record.receptor.kind == "column":
        found["max_level"] = len(record.receptor.positions)
    return found
