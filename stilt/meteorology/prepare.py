"""Analyses prepared for transport: on its internal levels, with their turbulence."""

from __future__ import annotations

import logging
import mmap
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from stilt.constants import HEAT_CAPACITY_AIR, SECONDS_PER_MINUTE
from stilt.errors import MeteorologyError, Reason
from stilt.meteorology import mixed_layer, surface_layer, turbulence
from stilt.meteorology.columns import (
    VELOCITY_VARIANCES,
    Columns,
    remap,
)
from stilt.meteorology.fields import (
    AIR_FIELDS,
    COLUMN_FIELDS,
    SURFACE_FIELDS,
    TURBULENCE_FIELDS,
)
from stilt.meteorology.formats.hybrid import with_pressure
from stilt.meteorology.gaps import refuse_unknown
from stilt.meteorology.grids import MetGrid
from stilt.meteorology.horizontal_turbulence import horizontal_variances
from stilt.meteorology.input_levels import has_vertical_motion
from stilt.meteorology.levels import InternalLevels, internal_levels
from stilt.meteorology.records import RawAnalysis
from stilt.meteorology.turbulence import TurbulenceOptions
from stilt.meteorology.vertical_motion import rate_along_surfaces, rate_from_divergence

logger = logging.getLogger(__name__)

PREPARATION_VERSION = 17
"""Raised whenever prepared arrays change for the same input."""

SURFACES: dict[int, Callable[[Columns], np.ndarray]] = {
    1: lambda columns: columns.pressure_hpa,
    2: lambda columns: columns.potential_temperature_k,
    3: lambda columns: columns.pressure_hpa / columns.temperature_k,
}
"""What air keeps in vertical motion of a choice, see :class:`PreparationOptions`; the density is
that of air without vapour but for a factor, as in HYSPLIT."""

BLOCK_VALUES = 300_000
"""Nodes times levels that are prepared at a time, in some 100 MB; what fits a processor's caches is
also done in half the time of a whole grid."""

ARRAYS = ("column", "turbulence", "air", "surface")
"""Names of the arrays of a :class:`PreparedAnalysis`, in its order."""

_HALO = 2
_FEWEST_ROWS = 4
_BUCKET_HOURS = {"1": 1, "3": 3, "6": 6, "T": 12, "D": 24, "A": 0}
"""Hours over which a file collects its precipitation, by the last letter of the name; 0 for the
time since the forecast began."""


@dataclass(frozen=True)
class PreparationOptions:
    """What shapes a prepared analysis, besides its fields (HYSPLIT's names in brackets).

    Attributes:
        z_top_m: top of the computation (Z_TOP).
        mixed_layer_scheme: KMIXD.
        mixed_layer_floor_m: KMIX0.
        mixed_layer_factor: ZISCALE at this analysis; negative takes the file's own height.
        from_fluxes: surface layer from fluxes, KBLS = 1.
        use_ten_metre: K10M.
        vertical_motion: 0 the file's own, from the divergence of the wind where it has none;
            1, 2, 3 along surfaces of pressure, potential temperature and density; 4 none; 5 from
            the divergence of the wind (W_OPTION).
        turbulence: KBLT, KZMIX, TVMIX, VSCALES, VSCALEU, TKERD / TKERN.
        levels: internal levels; None takes those that belong to the grid's own.
    """

    z_top_m: float = 25_000.0
    mixed_layer_scheme: int = 3
    mixed_layer_floor_m: float = 150.0
    mixed_layer_factor: float = 1.0
    from_fluxes: bool = True
    use_ten_metre: bool = True
    vertical_motion: int = 0
    turbulence: TurbulenceOptions = field(default_factory=TurbulenceOptions)
    levels: InternalLevels | None = None


@dataclass(frozen=True)
class PreparedAnalysis:
    """One analysis as transport reads it; arrays are float32 and may be memory-mapped.

    Attributes:
        column: (ny, nx, levels, :data:`~stilt.meteorology.fields.COLUMN_FIELDS`): vertical motion
            in metres over flat ground per minute, wind in cells per minute, hPa, kg m-3, the mass
            of dry air between the ground and the level in kg m-2, and the horizontal variances of
            turbulence along x and y in m2 s-2.
        turbulence: (ny, nx, levels, :data:`~stilt.meteorology.fields.TURBULENCE_FIELDS`): standard
            deviation of the vertical velocity in m s-1 and its time scale in s.
        air: (ny, nx, levels, :data:`~stilt.meteorology.fields.AIR_FIELDS`): temperature in K,
            relative humidity as a fraction, and the divergence of the mass flux over the density,
            per minute.
        surface: (ny, nx, :data:`~stilt.meteorology.fields.SURFACE_FIELDS`).
    """

    column: np.ndarray
    turbulence: np.ndarray
    air: np.ndarray
    surface: np.ndarray


# What is no number in the end is refused there.
@np.errstate(divide="ignore", invalid="ignore", over="ignore")
def prepare(
    raw: RawAnalysis,
    levels: InternalLevels,
    options: PreparationOptions,
    pair: tuple[RawAnalysis, RawAnalysis] | None = None,
    cell_size: tuple[np.ndarray, np.ndarray] | None = None,
) -> PreparedAnalysis:
    """Put one analysis on internal levels and diagnose its turbulence.

    Args:
        raw: decoded fields of one valid time.
        levels: the internal levels.
        options: settings.
        pair: two analyses in the order in which a run meets them, whose difference tells how
            surfaces move; ``vertical_motion`` 1 to 3 need it.
        cell_size: along x and y in metres, (ny, nx) each; None asks the grid.

    Raises:
        MeteorologyError: a field that transport needs is missing.
    """
    columns = remap(raw, levels, use_ten_metre=options.use_ten_metre)
    cell_size = cell_size or raw.grid.spacing_m()
    columns = _with_vertical_motion(raw, columns, levels, cell_size, options, pair)
    surface = surface_layer.diagnose(raw, columns, levels, from_fluxes=options.from_fluxes)
    height = _mixed_layer(raw, columns, surface, options)
    w_star = mixed_layer.convective_velocity(columns, surface, height)
    check_variances(raw, options.turbulence)
    vertical = turbulence.profiles(columns, surface, height, w_star, options.turbulence)
    variances = horizontal_variances(
        columns,
        surface,
        height,
        w_star,
        vertical.profile_sigma_w_m_s,
        raw.grid.kind,
        cell_size,
        options.turbulence,
    )
    prepared = PreparedAnalysis(
        column=_pack_column(cell_size, columns, levels, variances),
        turbulence=_stack(
            TURBULENCE_FIELDS,
            {"sigma_w_m_s": vertical.sigma_w_m_s, "time_scale_s": vertical.time_scale_s},
        ),
        air=_stack(
            AIR_FIELDS,
            {
                "temperature_k": columns.temperature_k,
                "humidity_fraction": columns.humidity_fraction,
                "mass_flux_divergence": _mass_flux_divergence(cell_size, columns, levels),
            },
        ),
        surface=_pack_surface(raw, columns, surface, height),
    )
    refuse_unknown(raw, (prepared.column, prepared.turbulence, prepared.air))
    return prepared


def prepare_in_blocks(
    raw: RawAnalysis,
    levels: InternalLevels,
    options: PreparationOptions,
    pair: tuple[RawAnalysis, RawAnalysis] | None = None,
) -> Iterator[PreparedAnalysis]:
    """Prepare one block of rows after another, in bounded memory; the result is :func:`prepare`'s.

    Args:
        raw, levels, options, pair: as :func:`prepare` takes them; fields may be memory-mapped, and
            the coefficients of hybrid levels may stand in place of PRES.
    """
    ny, nx = raw.grid.ny, raw.grid.nx
    dx, dy = raw.grid.spacing_m()
    step = max(_FEWEST_ROWS, BLOCK_VALUES // (nx * max(levels.count, raw.grid.n_levels)))
    for first in range(0, ny, step):
        last = min(first + step, ny)
        # Differences need one row more, and are one-sided at the edge of a grid.
        rows = slice(max(first - _HALO, 0), min(last + _HALO, ny))
        block = prepare(
            rows_of(raw, rows),
            levels,
            options,
            pair and (rows_of(pair[0], rows), rows_of(pair[1], rows)),
            (dx[rows], dy[rows]),
        )
        own = slice(first - rows.start, last - rows.start)
        yield PreparedAnalysis(*(getattr(block, name)[own] for name in ARRAYS))


def rows_of(raw: RawAnalysis, rows: slice) -> RawAnalysis:
    """Return some rows of an analysis; its grid keeps its origin, which preparing does not use."""
    surface = {name: values[rows] for name, values in raw.surface.items()}
    upper = {name: _read_rows(values, rows) for name, values in raw.upper.items()}
    grid = replace(raw.grid, ny=len(range(*rows.indices(raw.grid.ny))))
    return with_pressure(RawAnalysis(raw.time, grid, raw.forecast_hour, surface, upper))


def _read_rows(values: np.ndarray, rows: slice) -> np.ndarray:
    """Return a copy of some rows of a field, and release what a memory map has read for it."""
    taken = np.array(values if values.shape[1] == 1 else values[:, rows])
    mapping = getattr(values, "_mmap", None)
    if mapping is not None and hasattr(mapping, "madvise"):
        mapping.madvise(mmap.MADV_DONTNEED)
    return taken


def check_variances(raw: RawAnalysis, options: TurbulenceOptions) -> None:
    """Refuse an analysis with some of the variances of KBLT 4; without any, KBLT 2 stands in.

    Raises:
        MeteorologyError: one or two of them are missing.
    """
    present = [name for name in VELOCITY_VARIANCES if name in raw.upper]
    if options.scheme == 4 and 0 < len(present) < len(VELOCITY_VARIANCES):
        missing = [name for name in VELOCITY_VARIANCES if name not in raw.upper]
        raise MeteorologyError(
            f"The weather of {raw.time} has {', '.join(present)} but not {', '.join(missing)}, and "
            "kblt: 4 needs all three; use another kblt, or weather with all or none of them.",
            reason=Reason.DAMAGED_MET_FILE,
        )


def _with_vertical_motion(
    raw: RawAnalysis,
    columns: Columns,
    levels: InternalLevels,
    cell_size_m: tuple[np.ndarray, np.ndarray],
    options: PreparationOptions,
    pair: tuple[RawAnalysis, RawAnalysis] | None,
) -> Columns:
    """Return columns with the vertical motion chosen, see :class:`PreparationOptions`."""
    choice = options.vertical_motion
    if choice == 0 and has_vertical_motion(raw):
        return columns
    if choice == 4:
        rate = np.zeros_like(columns.heights_m)
    elif choice in SURFACES:
        if pair is None:
            raise ValueError(f"w_option: {choice} needs two analyses.")
        ten_metre = options.use_ten_metre
        before, now = (remap(one, levels, use_ten_metre=ten_metre) for one in pair)
        rate = rate_along_surfaces(
            SURFACES[choice](before),
            SURFACES[choice](now),
            (pair[1].time - pair[0].time) / np.timedelta64(1, "m"),
            now.wind_x_m_s,
            now.wind_y_m_s,
            cell_size_m,
            levels,
        )
    else:
        rate = rate_from_divergence(columns.wind_x_m_s, columns.wind_y_m_s, cell_size_m, levels)
    return replace(columns, sigma_rate_per_minute=rate)


def levels_for(grid: MetGrid, z_top_m: float) -> InternalLevels:
    """Return the internal levels for the level list of a met grid."""
    return internal_levels(grid.levels, grid.vertical_flag, z_top_m)


def _mixed_layer(
    raw: RawAnalysis,
    columns: Columns,
    surface: surface_layer.SurfaceLayer,
    options: PreparationOptions,
) -> np.ndarray:
    scheme = options.mixed_layer_scheme
    factor = options.mixed_layer_factor
    if factor < 0.0:
        scheme, factor = 0, 1.0
    height = mixed_layer.mixed_layer_height(raw, columns, surface, kmixd=scheme) * factor
    h = columns.heights_m
    lowest = h[0] + 0.001 * (h[1] - h[0])
    return np.maximum(height, np.maximum(options.mixed_layer_floor_m, lowest))


def _stack(order: tuple[str, ...], fields: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return fields of (levels, ny, nx) as one float32 array of (ny, nx, levels, fields)."""
    levels, *nodes = fields[order[0]].shape
    out = np.empty((*nodes, levels, len(order)), dtype=np.float32)
    for position, name in enumerate(order):
        out[..., position] = np.moveaxis(fields[name], 0, -1)
    return out


def _mass_flux_divergence(
    cell_size_m: tuple[np.ndarray, np.ndarray], columns: Columns, levels: InternalLevels
) -> np.ndarray:
    """Compute the divergence of the flux of dry air over its density, 1/min."""
    dx, dy = cell_size_m
    depth = (levels.model_top_m - columns.terrain_m) / levels.model_top_m
    mass = columns.dry_density * depth
    along_x = np.gradient(mass * columns.wind_x_m_s * dy, axis=2)
    along_y = np.gradient(mass * columns.wind_y_m_s * dx, axis=1)
    upward = -levels.model_top_m * columns.sigma_rate_per_minute * columns.dry_density
    vertical = np.gradient(upward, levels.heights_m, axis=0)
    horizontal = SECONDS_PER_MINUTE * (along_x + along_y) / (mass * dx * dy)
    return horizontal + vertical / columns.dry_density


def _pack_column(
    cell_size_m: tuple[np.ndarray, np.ndarray],
    columns: Columns,
    levels: InternalLevels,
    variances: tuple[np.ndarray, np.ndarray],
) -> np.ndarray:
    dx, dy = cell_size_m
    thickness = np.diff(columns.heights_m, axis=0)
    mean_density = 0.5 * (columns.dry_density[1:] + columns.dry_density[:-1])
    below = columns.dry_density[:1] * columns.heights_m[:1]
    mass = np.concatenate([below, below + np.cumsum(mean_density * thickness, axis=0)])
    variance_x, variance_y = variances
    fields = {
        "vertical": -levels.model_top_m * columns.sigma_rate_per_minute,
        "wind_x": columns.wind_x_m_s * SECONDS_PER_MINUTE / dx,
        "wind_y": columns.wind_y_m_s * SECONDS_PER_MINUTE / dy,
        "pressure_hpa": columns.pressure_hpa,
        "dry_density": columns.dry_density,
        "dry_mass": mass,
        "variance_x": variance_x,
        "variance_y": variance_y,
    }
    return _stack(COLUMN_FIELDS, fields)


def _pack_surface(
    raw: RawAnalysis,
    columns: Columns,
    layer: surface_layer.SurfaceLayer,
    height: np.ndarray,
) -> np.ndarray:
    surface = raw.surface

    def first(names: tuple[str, ...], default: float, factor: float = 1.0) -> np.ndarray:
        for name in names:
            if name in surface:
                return surface[name].astype(np.float64) * factor
        return np.full(columns.terrain_m.shape, default)

    def in_bucket(prefix: str) -> str | None:
        names = (name for name in surface if name.startswith(prefix))
        return next((name for name in names if name[3:] in _BUCKET_HOURS), None)

    def rate(name: str) -> np.ndarray:
        minutes = 60.0 * _hours_in_bucket(raw, _BUCKET_HOURS[name[3:]])
        return surface[name].astype(np.float64) / minutes

    total, convective = in_bucket("TPP"), in_bucket("CPP")
    # HYSPLIT's value where a file has none.
    no_convective = -0.9 if total is None else 0.0
    fields = {
        "terrain_m": columns.terrain_m,
        "mixed_layer_height_m": height,
        "lowest_temperature_k": columns.temperature_k[0],
        "sensible_heat_w_m2": _sensible_heat(raw, columns, layer),
        "latent_heat_w_m2": first(("LHTF", "WFLX"), 0.0),
        "total_cloud": first(("TCLD",), -1.0, 0.01),
        "low_cloud": first(("LCLD",), -99.0),
        "short_wave_w_m2": first(("DSWF",), 0.0),
        "rain_m_min": rate(total) if total else first(("PRT6",), -1.667e-5),
        "convective_rain_m_min": rate(convective) if convective else first((), no_convective),
    }
    return np.stack([fields[name] for name in SURFACE_FIELDS], axis=-1).astype(np.float32)


def _sensible_heat(
    raw: RawAnalysis, columns: Columns, layer: surface_layer.SurfaceLayer
) -> np.ndarray:
    """Return sensible heat flux, upward W m-2: the file's, from its temperature scale, or zero."""
    for name in ("SHTF", "HFLX"):
        if name in raw.surface:
            return raw.surface[name].astype(np.float64)
    if "TSTR" not in raw.surface:
        return np.zeros(columns.terrain_m.shape)
    density = columns.moist_density[layer.level_index]
    flux = layer.friction_velocity_m_s * layer.temperature_scale_k
    return -density * HEAT_CAPACITY_AIR * flux


def _hours_in_bucket(raw: RawAnalysis, length: int) -> int:
    """Return the hours of precipitation that a value holds: since the bucket was emptied."""
    if length == 0:
        return max(raw.forecast_hour, 1)
    hour = int(raw.time.astype("datetime64[h]").astype(np.int64)) % length
    return hour or length
