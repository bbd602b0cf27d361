"""Analyses prepared for transport: on its internal levels, with their turbulence.

An analysis is decoded and put on the internal levels once, then kept as arrays on disk that all
workers map into memory. A file's name carries the hash of everything that shaped its content.
"""

from __future__ import annotations

import hashlib
import json
import logging
import mmap
import os
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import BinaryIO

import numpy as np

from stilt.constants import HEAT_CAPACITY_AIR, SECONDS_PER_MINUTE
from stilt.digests import file_digest, is_intact
from stilt.errors import MeteorologyError, Reason
from stilt.locks import locked_if_possible
from stilt.meteorology import mixed_layer, surface_layer, turbulence
from stilt.meteorology.columns import (
    VELOCITY_VARIANCES,
    Columns,
    has_vertical_motion,
    remap,
)
from stilt.meteorology.fields import (
    AIR_FIELDS,
    COLUMN_FIELDS,
    SURFACE_FIELDS,
    TURBULENCE_FIELDS,
)
from stilt.meteorology.formats import open_analysis
from stilt.meteorology.formats.hybrid import with_pressure
from stilt.meteorology.grids import MetGrid
from stilt.meteorology.horizontal_turbulence import horizontal_variances
from stilt.meteorology.levels import InternalLevels, internal_levels
from stilt.meteorology.reach import is_large
from stilt.meteorology.records import AnalysisPair, AnalysisRef, RawAnalysis
from stilt.meteorology.turbulence import TurbulenceOptions
from stilt.meteorology.used import in_use, note_use
from stilt.meteorology.vertical_motion import rate_along_surfaces, rate_from_divergence
from stilt.meteorology.weather_notes import WeatherNotes
from stilt.notices import notice
from stilt.roots import real_place
from stilt.timing import timed

logger = logging.getLogger(__name__)

PREPARATION_VERSION = 15
"""Raised whenever prepared arrays change for the same input."""

SURFACES: dict[int, Callable[[Columns], np.ndarray]] = {
    1: lambda columns: columns.pressure_hpa,
    2: lambda columns: columns.potential_temperature_k,
    3: lambda columns: columns.pressure_hpa / columns.temperature_k,
}
"""What air keeps in vertical motion of a choice, see :class:`PreparationOptions`; the density is
that of air without vapour but for a factor, as in HYSPLIT."""

BLOCK_VALUES = 500_000
"""Nodes times levels that are prepared at a time on large grids, in some 300 MB."""

_HALO = 2
_ROWS_LOOKED_AT = 40
_ARRAYS = ("column", "turbulence", "air", "surface")
_DIGESTS = "digests.json"
# NumPy parses the header of a file as Python, and CPython before 3.11.8 now and then fails when two
# threads parse at once (gh-106905: "AST constructor recursion depth mismatch").
_ONE_HEADER_AT_A_TIME = threading.Lock()
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
    return PreparedAnalysis(
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


def prepare_in_blocks(
    raw: RawAnalysis,
    levels: InternalLevels,
    options: PreparationOptions,
    pair: tuple[RawAnalysis, RawAnalysis] | None = None,
) -> Iterator[PreparedAnalysis]:
    """Prepare some rows after the other, in bounded memory; together they are :func:`prepare`'s.

    Args:
        raw, levels, options, pair: as :func:`prepare` takes them; fields may be memory-mapped, and
            the coefficients of hybrid levels may stand in place of PRES.
    """
    ny, nx = raw.grid.ny, raw.grid.nx
    dx, dy = raw.grid.spacing_m()
    step = max(1, BLOCK_VALUES // (nx * max(levels.count, raw.grid.n_levels)))
    for first in range(0, ny, step):
        last = min(first + step, ny)
        # Differences reach one row further, and at the edge of a grid they are others.
        rows = slice(max(first - _HALO, 0), min(last + _HALO, ny))
        block = prepare(
            _rows_of(raw, rows),
            levels,
            options,
            pair and (_rows_of(pair[0], rows), _rows_of(pair[1], rows)),
            (dx[rows], dy[rows]),
        )
        own = slice(first - rows.start, last - rows.start)
        yield PreparedAnalysis(*(getattr(block, name)[own] for name in _ARRAYS))


def _rows_of(raw: RawAnalysis, rows: slice) -> RawAnalysis:
    """Some rows of an analysis; its grid keeps its origin, which preparing does not ask for."""
    surface = {name: values[rows] for name, values in raw.surface.items()}
    upper = {name: _read_rows(values, rows) for name, values in raw.upper.items()}
    grid = replace(raw.grid, ny=len(range(*rows.indices(raw.grid.ny))))
    return with_pressure(RawAnalysis(raw.time, grid, raw.forecast_hour, surface, upper))


def _read_rows(values: np.ndarray, rows: slice) -> np.ndarray:
    """A copy of some rows of a field; what a mapping has read for it is let go of."""
    taken = np.array(values if values.shape[1] == 1 else values[:, rows])
    mapping = getattr(values, "_mmap", None)
    if mapping is not None and hasattr(mapping, "madvise"):
        mapping.madvise(mmap.MADV_DONTNEED)
    return taken


def _to_look_at(raw: RawAnalysis) -> Iterator[RawAnalysis]:
    """What is looked at for odd values: of a large grid the surface, and levels in some rows."""
    if not is_large(raw.grid):
        yield raw
        return
    yield replace(raw, upper={})
    rows = slice(0, None, max(1, raw.grid.ny // _ROWS_LOOKED_AT))
    heat = ("DSWF", "SHTF", "HFLX")
    surface = {name: values for name, values in raw.surface.items() if name not in heat}
    yield _rows_of(replace(raw, surface=surface), rows)


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
    # What HYSPLIT writes where a file does not say.
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


class PreparedStore:
    """Prepared analyses on disk, made when first asked for and shared by every process."""

    def __init__(self, directory: Path, read: Callable[[AnalysisRef], RawAnalysis]) -> None:
        """Keep arrays under ``directory``; ``read`` decodes an analysis that is not there yet."""
        self.directory = Path(directory)
        self._read = read

    def get(
        self,
        ref: AnalysisRef,
        options: PreparationOptions,
        pair: AnalysisPair | None = None,
    ) -> PreparedAnalysis:
        """Return the prepared analysis, memory-mapped, computed now if it has not been before.

        Args:
            ref: which one.
            options: settings.
            pair: see :func:`prepare`.
        """
        with timed("weather"):
            return self._get(ref, options, pair)

    def has(
        self, ref: AnalysisRef, options: PreparationOptions, pair: AnalysisPair | None = None
    ) -> bool:
        """Return whether the analysis that :meth:`get` would give has been prepared."""
        return (self.directory / self._key(ref, options, pair)).is_dir()

    def _get(
        self,
        ref: AnalysisRef,
        options: PreparationOptions,
        pair: AnalysisPair | None,
    ) -> PreparedAnalysis:
        folder = self.directory / self._key(ref, options, pair)
        if not _is_whole(folder):
            self.directory.mkdir(parents=True, exist_ok=True)
            with locked_if_possible(f"{folder}.lock"):
                if not _is_whole(folder):
                    self._make(folder, ref, options, pair)
        note_use(folder)
        with _ONE_HEADER_AT_A_TIME, in_use(folder):
            arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in _ARRAYS}
        return PreparedAnalysis(**arrays)

    def _make(
        self,
        folder: Path,
        ref: AnalysisRef,
        options: PreparationOptions,
        pair: AnalysisPair | None,
    ) -> None:
        """Prepare an analysis, that of a large grid in blocks of rows."""
        levels = options.levels or levels_for(ref.grid, options.z_top_m)
        with tempfile.TemporaryDirectory(dir=self.directory, prefix=".reading_") as scratch:
            raw: dict[AnalysisRef, RawAnalysis] = {}
            for number, one in enumerate({ref, *(pair or ())}):
                if is_large(ref.grid):
                    raw[one] = open_analysis(one, Path(scratch) / str(number))
                else:
                    raw[one] = self._read(one)
            notes = WeatherNotes(self.directory)
            for part in _to_look_at(raw[ref]):
                notes.look(ref, part)
            read = pair and (raw[pair[0]], raw[pair[1]])
            if is_large(ref.grid):
                self._write(folder, prepare_in_blocks(raw[ref], levels, options, read), ref.grid.ny)
            else:
                self._write(folder, [prepare(raw[ref], levels, options, read)], ref.grid.ny)

    def _key(
        self,
        ref: AnalysisRef,
        options: PreparationOptions,
        pair: AnalysisPair | None,
    ) -> str:
        identity = [
            PREPARATION_VERSION,
            ref.grid.key(),
            {name: value for name, value in asdict(options).items() if value is not None},
            *(
                [real_place(one.path), one.checksum, one.content, str(one.time)]
                for one in (ref, *(pair or ()))
            ),
        ]
        digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:20]
        return f"{str(ref.time).replace(':', '').replace('-', '')}_{digest}"

    def _write(self, folder: Path, blocks: Iterable[PreparedAnalysis], ny: int) -> None:
        """Write the arrays beside their final place, then rename the folder.

        Args:
            folder: the final place.
            blocks: of rows, from south to north.
            ny: how many rows there are.

        Damaged arrays are replaced; a process that has them mapped keeps its own.
        """
        with tempfile.TemporaryDirectory(dir=self.directory, prefix=".making_") as scratch:
            made = Path(scratch) / "arrays"
            made.mkdir()
            _save_blocks(made, blocks, ny)
            digests = {name: file_digest(made / f"{name}.npy") for name in _ARRAYS}
            (made / _DIGESTS).write_text(json.dumps(digests))
            if os.path.lexists(folder):
                notice(
                    logger, "Prepared weather was damaged and has been computed again: %s", folder
                )
                folder.rename(Path(scratch) / "damaged")
            try:
                made.rename(folder)
            except OSError:
                # Where there are no locks, another process may have been faster.
                if not _is_whole(folder):
                    raise


def _save_blocks(folder: Path, blocks: Iterable[PreparedAnalysis], ny: int) -> None:
    """Write blocks of rows as one ``.npy`` file an array, as NumPy would write the whole."""
    with ExitStack() as files:
        open_files: dict[str, BinaryIO] = {}
        for block in blocks:
            for name in _ARRAYS:
                rows = np.ascontiguousarray(getattr(block, name))
                if name not in open_files:
                    file = files.enter_context((folder / f"{name}.npy").open("wb"))
                    header = np.lib.format.header_data_from_array_1_0(rows)
                    header["shape"] = (ny, *rows.shape[1:])
                    np.lib.format.write_array_header_1_0(file, header)
                    open_files[name] = file
                rows.tofile(open_files[name])


def _is_whole(folder: Path) -> bool:
    """Return whether a folder holds every array as it was written.

    The arrays are read for it once in a process, and again when they have been written to.
    """
    try:
        digests = json.loads((folder / _DIGESTS).read_bytes())
        return all(is_intact(folder / f"{name}.npy", digests[name]) for name in _ARRAYS)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return False
    except (ValueError, KeyError, TypeError, AttributeError):
        return False
