"""Meteorology at points as a dataset: what the files hold there, and what transport makes of it."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from stilt.config import MetConfig, ModelConfig
from stilt.constants import SECONDS_PER_MINUTE
from stilt.errors import UsageError
from stilt.meteorology.catalogue import MetCatalogue
from stilt.meteorology.formats import field_names, read_analysis
from stilt.meteorology.grids import MetGrid
from stilt.meteorology.prepare import levels_for
from stilt.meteorology.prepared_store import PreparedStore
from stilt.meteorology.records import AnalysisRef, RawAnalysis
from stilt.meteorology.stored_datasets import stored_for_now
from stilt.meteorology.subgrid import cropped_to
from stilt.transport.clock import minute_of
from stilt.transport.preparation import preparation_options
from stilt.transport.sample import sample_weather

Points = pd.DataFrame | Mapping[str, Any] | Sequence[Mapping[str, Any]]
_Floats = NDArray[Any]

_MARGIN = 4
_JUST_ABOVE = 1.0 + 1e-4


@dataclass(frozen=True)
class _Variable:
    """How a variable of the dataset is described."""

    units: str
    long_name: str
    standard_name: str = ""

    def attributes(self) -> dict[str, str]:
        named = {"standard_name": self.standard_name} if self.standard_name else {}
        return {"units": self.units, "long_name": self.long_name, **named}


_ON_LEVELS = {
    "height": _Variable("m", "height above ground", "height"),
    "air_pressure": _Variable("hPa", "air pressure", "air_pressure"),
    "air_temperature": _Variable("K", "air temperature", "air_temperature"),
    "relative_humidity": _Variable("1", "relative humidity", "relative_humidity"),
    "eastward_wind": _Variable("m s-1", "wind towards the east", "eastward_wind"),
    "northward_wind": _Variable("m s-1", "wind towards the north", "northward_wind"),
    "vertical_motion": _Variable(
        "m s-1", "mean upward motion relative to terrain-following levels"
    ),
    "dry_air_density": _Variable("kg m-3", "density of dry air"),
    "sigma_w": _Variable("m s-1", "standard deviation of the turbulent vertical velocity"),
    "time_scale": _Variable("s", "Lagrangian time scale of the vertical velocity"),
}
_OF_TRANSPORT = {
    "surface_altitude": _Variable("m", "height of the ground above sea level", "surface_altitude"),
    "mixed_layer_height": _Variable(
        "m", "height of the mixed layer above ground",
        "atmosphere_boundary_layer_thickness",
    ),
    "sensible_heat_flux": _Variable(
        "W m-2", "sensible heat flux, upward", "surface_upward_sensible_heat_flux"
    ),
}  # fmt: skip
_OF_FILES = {
    "PRSS": ("surface_air_pressure", _Variable("hPa", "surface pressure", "surface_air_pressure")),
    "T02M": ("air_temperature_2m", _Variable("K", "temperature at 2 m", "air_temperature")),
    "TMPS": ("surface_temperature", _Variable("K", "surface temperature", "surface_temperature")),
    "PBLH": (
        "file_mixed_layer_height",
        _Variable(
            "m", "mixed-layer height of the files", "atmosphere_boundary_layer_thickness"
        ),
    ),
    "USTR": ("friction_velocity", _Variable("m s-1", "friction velocity of the files")),
    "LHTF": (
        "latent_heat_flux",
        _Variable("W m-2", "latent heat flux, upward", "surface_upward_latent_heat_flux"),
    ),
    "DSWF": (
        "shortwave_flux",
        _Variable(
            "W m-2", "short-wave radiation, downward",
            "surface_downwelling_shortwave_flux_in_air",
        ),
    ),
    "RGHS": (
        "roughness_length", _Variable("m", "roughness length", "surface_roughness_length")
    ),
    "TCLD": ("cloud_cover", _Variable("%", "total cloud cover", "cloud_area_fraction")),
}  # fmt: skip
_TEN_METRE = {
    "eastward_wind_10m": _Variable("m s-1", "wind towards the east at 10 m", "eastward_wind"),
    "northward_wind_10m": _Variable("m s-1", "wind towards the north at 10 m", "northward_wind"),
}
_DESCRIBED = {**_ON_LEVELS, **_OF_TRANSPORT, **dict(_OF_FILES.values()), **_TEN_METRE}


def sample_meteorology(
    mets: Mapping[str, MetConfig] | MetConfig,
    points: Points,
    *,
    config: ModelConfig | None = None,
) -> xr.Dataset:
    """Return the meteorology at points, on the transport's internal levels.

    Between nodes and between analyses the values are those that transport uses at that place and
    time: winds and the state of the air are bilinear in space and linear in time, mixed layer and
    turbulence are those of the nearest node; between analyses on two grids the nearer one holds.
    Only the part of the files around the points is used.

    Args:
        mets: meteorologies by name, or one.
        points: table (or what makes one) with columns ``time`` (UTC), ``longitude`` and
            ``latitude`` (degrees).
        config: settings of the transport (kmixd, kblt, z_top, ...); their defaults when None.
            Vertical motion is that of ``w_option: 0`` where the setting is 1, 2 or 3, which need
            the path of a particle.

    Returns:
        Dataset over ``meteorology``, ``point`` and ``level`` with CF names and units: on levels
        height (m above ground), air_pressure, air_temperature, relative_humidity, eastward_wind,
        northward_wind, vertical_motion, dry_air_density, sigma_w and time_scale; at the ground
        surface_altitude, mixed_layer_height and sensible_heat_flux as transport has them, and the
        fields of the files that have a name there. NaN outside a grid, above the last level of a
        meteorology with fewer levels than others, and where files lack a field.

    Raises:
        UsageError: a column is missing, or a value is not a number or a time.
        MeteorologyError: the weather of a time is missing or damaged.
    """
    named = {"": mets} if isinstance(mets, MetConfig) else dict(mets)
    if not named:
        raise UsageError("There is no meteorology to look at: name one in mets.")
    where = _table(points)
    settings = config or ModelConfig(mets=named if all(named) else {"met": mets})
    if settings.w_option in (1, 2, 3):
        settings = settings.model_copy(update={"w_option": 0})
    sampled = {name: _sample(met, name, where, settings) for name, met in named.items()}
    return _dataset(where, sampled)


def _table(points: Points) -> pd.DataFrame:
    """Return points as a table with numbered rows."""
    is_one = isinstance(points, Mapping) and all(np.ndim(value) == 0 for value in points.values())
    table = pd.DataFrame([points] if is_one else points)
    missing = [name for name in ("time", "longitude", "latitude") if name not in table]
    if missing:
        raise UsageError(
            f"The points have no {' and no '.join(missing)}: give time (UTC), longitude and "
            "latitude of each."
        )
    try:
        times = pd.to_datetime(table["time"], utc=True).dt.tz_localize(None)
        places = table[["longitude", "latitude"]].astype(float)
    except (ValueError, TypeError) as error:
        raise UsageError(f"The points cannot be read: {error}.") from error
    if len(table) == 0 or times.isna().any() or not np.isfinite(places.to_numpy()).all():
        raise UsageError("The points have empty values, or there are none.")
    beyond = places["latitude"][places["latitude"].abs() > 90.0]
    if len(beyond):
        raise UsageError(
            f"A point has the latitude {beyond.iloc[0]:g}, beyond 90 degrees: are latitude and "
            "longitude exchanged?"
        )
    return places.assign(time=times).reset_index(drop=True)


def _sample(
    met: MetConfig, name: str, where: pd.DataFrame, config: ModelConfig
) -> dict[str, _Floats]:
    """Return the fields of one meteorology: (points, levels) and (points,)."""
    found: list[tuple[NDArray[np.intp], dict[str, _Floats]]] = []
    with stored_for_now(met) as stored, tempfile.TemporaryDirectory(prefix="stilt-") as scratch:
        catalogue = MetCatalogue(stored, name)
        for time, rows in where.groupby("time"):
            at = pd.Timestamp(str(time))
            refs = _of_one_grid(catalogue.select(at, at), at)
            inside = rows[refs[0].grid.contains(rows["longitude"], rows["latitude"])]
            if inside.empty:
                inside, refs = rows, [_corner(ref) for ref in refs]
            else:
                bounds = _bounds_around(refs[0].grid, inside)
                refs = [cropped_to(ref, bounds) for ref in refs]
            numbers = inside.index.to_numpy()
            found.append((numbers, _at_one_time(refs, inside, config, Path(scratch))))
    out: dict[str, _Floats] = {}
    for numbers, fields in found:
        for key, values in fields.items():
            if key not in out:
                out[key] = np.full((len(where), *values.shape[1:]), np.nan)
            out[key][numbers] = values
    return out


def _of_one_grid(refs: Sequence[AnalysisRef], time: pd.Timestamp) -> Sequence[AnalysisRef]:
    """Return the analyses around a time; between two grids the nearer one, as in a run."""
    if len({ref.grid.key() for ref in refs}) == 1:
        return refs
    return [min(refs, key=lambda ref: abs(pd.Timestamp(ref.time) - time))]


def _bounds_around(grid: MetGrid, rows: pd.DataFrame) -> tuple[float, float, float, float]:
    """Return west, south, east and north of the nodes around places, with a margin of nodes."""
    x, y = grid.to_xy(rows["longitude"], rows["latitude"])
    low_x, high_x = np.floor(x.min()) - _MARGIN, np.ceil(x.max()) + _MARGIN
    low_y, high_y = max(y.min() - _MARGIN, 0.0), min(y.max() + _MARGIN, grid.ny - 1.0)
    edge_x, edge_y = np.meshgrid(np.linspace(low_x, high_x, 9), np.linspace(low_y, high_y, 9))
    lon, lat = grid.unwrapped_lonlat(edge_x, edge_y)
    lon = np.unwrap(np.unwrap(lon, period=360.0, axis=1), period=360.0, axis=0)
    return float(lon.min()), float(lat.min()), float(lon.max()), float(lat.max())


def _corner(ref: AnalysisRef) -> AnalysisRef:
    """Return a small part of an analysis: it gives the levels where no place is in the grid."""
    grid = ref.grid
    first, last = (grid.to_lonlat(at, at) for at in (0.0, min(8.0, grid.nx - 1.0, grid.ny - 1.0)))
    (west, south), (east, north) = (tuple(map(float, each)) for each in (first, last))
    return cropped_to(ref, (west, south, max(east, west + 1e-3), north))


def _at_one_time(
    refs: Sequence[AnalysisRef], rows: pd.DataFrame, config: ModelConfig, scratch: Path
) -> dict[str, _Floats]:
    """Return the fields at places of one time; ``refs`` are the analyses around it."""
    grid = refs[0].grid
    levels = levels_for(grid, config.z_top)
    x, y = grid.to_xy(rows["longitude"], rows["latitude"])
    outside = ~grid.usable(x, y)
    store = PreparedStore(scratch, read_analysis)
    begin = minute_of(refs[0].time)
    prepared = [
        store.get(ref, preparation_options(config, begin, minute_of(ref.time))) for ref in refs
    ]
    weights = _time_weights(refs, rows["time"].iloc[0])

    def between(fields: Sequence[_Floats]) -> _Floats:
        """Interpolate fields (ny, nx, ...) of each analysis to the places."""
        total = sum(w * np.asarray(f, float) for w, f in zip(weights, fields, strict=True))
        flat = np.asarray(total).reshape(grid.ny, grid.nx, -1)
        each = [grid.interpolate(flat[..., k], x, y) for k in range(flat.shape[-1])]
        return np.stack(each, axis=-1).reshape(len(rows), *np.shape(total)[2:])

    column = between([one.column for one in prepared])
    air = between([one.air for one in prepared])
    dx, dy = grid.spacing_m()
    per_minute = np.stack([dx, dy], axis=-1)[:, :, None, :] / SECONDS_PER_MINUTE
    wind = between([one.column[..., 1:3] * per_minute for one in prepared])
    terrain = between([one.surface[..., 0] for one in prepared])
    stretch = (levels.model_top_m - terrain[:, None]) / levels.model_top_m
    height = levels.heights_m * stretch
    turn = grid.wind_rotation_rad(rows["longitude"], rows["latitude"])
    east, north = _earthward(wind[..., 0], wind[..., 1], turn[:, None])
    profile = {
        "height": height,
        "air_pressure": column[..., 3],
        "air_temperature": air[..., 0],
        "relative_humidity": air[..., 1],
        "eastward_wind": east,
        "northward_wind": north,
        "vertical_motion": column[..., 0] / SECONDS_PER_MINUTE * stretch,
        "dry_air_density": column[..., 4],
        **_turbulence(refs, rows, height, config, scratch),
    }
    raw = [_surface_of(ref) for ref in refs]
    for field, (key, _) in _OF_FILES.items():
        if all(field in one.surface for one in raw):
            profile[key] = between([one.surface[field] for one in raw])
    if all({"U10M", "V10M"} <= set(one.surface) for one in raw):
        u, v = (between([one.surface[field] for one in raw]) for field in ("U10M", "V10M"))
        profile["eastward_wind_10m"], profile["northward_wind_10m"] = _earthward(u, v, turn)
    for values in profile.values():
        values[outside] = np.nan
    return profile


def _turbulence(
    refs: Sequence[AnalysisRef],
    rows: pd.DataFrame,
    height: _Floats,
    config: ModelConfig,
    scratch: Path,
) -> dict[str, _Floats]:
    """Return what the transport's own look-up gives just above every level, and at the ground."""
    n_levels = height.shape[1]
    points = pd.DataFrame(
        {
            "time": np.repeat(rows["time"].to_numpy(), n_levels),
            "long": np.repeat(rows["longitude"].to_numpy(), n_levels),
            "lati": np.repeat(rows["latitude"].to_numpy(), n_levels),
            "zagl": height.ravel() * _JUST_ABOVE,
        }
    )
    found = sample_weather(points, refs, config, cache_dir=scratch)

    def of(name: str) -> _Floats:
        return found[name].to_numpy(float).reshape(height.shape)

    return {
        "sigma_w": of("sigw"),
        "time_scale": of("tlgr"),
        "surface_altitude": of("zsfc")[:, 0],
        "mixed_layer_height": of("mlht")[:, 0],
        "sensible_heat_flux": of("shtf")[:, 0],
    }


def _surface_of(ref: AnalysisRef) -> RawAnalysis:
    """Read an analysis with those of its surface fields that are shown."""
    return read_analysis(ref, {*_OF_FILES, "U10M", "V10M"} & {*field_names(ref).surface})


def _time_weights(refs: Sequence[AnalysisRef], time: pd.Timestamp) -> list[float]:
    """Return the weight of each analysis around a time."""
    if len(refs) == 1:
        return [1.0]
    first, last = (pd.Timestamp(ref.time) for ref in (refs[0], refs[-1]))
    share = (time - first) / (last - first)
    return [1.0 - share, share]


def _earthward(u: _Floats, v: _Floats, turn: _Floats) -> tuple[_Floats, _Floats]:
    """Turn winds along a grid's axes into those towards east and north."""
    return u * np.cos(turn) + v * np.sin(turn), v * np.cos(turn) - u * np.sin(turn)


def _dataset(where: pd.DataFrame, sampled: Mapping[str, dict[str, _Floats]]) -> xr.Dataset:
    most = max(fields["height"].shape[1] for fields in sampled.values())
    keys = [key for key in _DESCRIBED if any(key in fields for fields in sampled.values())]
    variables = {}
    for key in keys:
        dims = ("meteorology", "point", "level") if key in _ON_LEVELS else ("meteorology", "point")
        shape = (len(sampled), len(where), most)[: len(dims)]
        values = np.full(shape, np.nan)
        for number, fields in enumerate(sampled.values()):
            if key in fields:
                part = fields[key]
                values[number][..., : part.shape[-1]] = part
        variables[key] = (dims, values, _DESCRIBED[key].attributes())
    return xr.Dataset(
        variables,
        {
            "meteorology": list(sampled),
            "time": ("point", where["time"].to_numpy(), {"standard_name": "time"}),
            "longitude": (
                "point", where["longitude"].to_numpy(),
                {"units": "degrees_east", "standard_name": "longitude"},
            ),
            "latitude": (
                "point", where["latitude"].to_numpy(),
                {"units": "degrees_north", "standard_name": "latitude"},
            ),
        },
        {"Conventions": "CF-1.11", "title": "Meteorology as the transport has it"},
    )  # fmt: skip
