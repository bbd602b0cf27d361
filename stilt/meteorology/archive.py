"""What a weather archive holds: files, times, gaps, grids, levels, fields and forecast cycles."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stilt.config import MetConfig
from stilt.config.forecasts import ForecastChoice
from stilt.errors import MeteorologyError, UsageError
from stilt.meteorology.formats import AUTO, field_names, weather_format
from stilt.meteorology.formats.merge import merged
from stilt.meteorology.formats.stores import is_store
from stilt.meteorology.grids import MetGrid
from stilt.meteorology.index_cache import IndexCache
from stilt.meteorology.overlap import EVERY_FORECAST, choose_by_time
from stilt.meteorology.records import AnalysisRef, FieldNames
from stilt.meteorology.search import FolderListing, name_beginnings
from stilt.meteorology.stand_ins import StandIn, stand_ins
from stilt.roots import Place, is_url, place_of

LEVEL_KINDS = {
    1: "sigma", 2: "pressure", 3: "terrain-following", 4: "hybrid", 5: "WRF hybrid",
}  # fmt: skip
"""What the levels of a vertical flag are, see :class:`stilt.meteorology.grids.MetGrid`."""

_EDGE_POINTS = 50


@dataclass(frozen=True)
class Stream:
    """Analyses on one grid with one list of levels.

    Attributes:
        grid: horizontal grid and levels.
        analyses: one of each valid time, in their order.
        interval: between most neighbouring times; None with fewer than two.
        gaps: times missing between the analyses, as (first, last) of each gap.
        fields: names of the fields of the first analysis.
        lacks: what is missing, and what transport does instead if it can do without.
        cycles: start times of forecasts, with the number of analyses used from each.
        passed_over: analyses of the same times that are not used.
    """

    grid: MetGrid
    analyses: tuple[AnalysisRef, ...]
    interval: np.timedelta64 | None
    gaps: tuple[tuple[np.datetime64, np.datetime64], ...]
    fields: FieldNames
    lacks: tuple[StandIn, ...]
    cycles: dict[np.datetime64, int]
    passed_over: tuple[AnalysisRef, ...]

    @property
    def times(self) -> NDArray[np.datetime64]:
        """Valid times, in their order."""
        return np.array([ref.time for ref in self.analyses])

    def outline(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Longitudes and latitudes along the edge of the grid, once around."""
        return grid_outline(self.grid)


@dataclass(frozen=True)
class Archive:
    """What is in folders of weather files, and in Zarr stores.

    Attributes:
        name: of the meteorology; "" for a folder alone.
        places: the folders and URLs.
        format: of the files, as configured.
        files: files and stores that hold analyses.
        streams: analyses by grid, that with the most first.
        not_weather: files that are not of the format.
        damaged: files with damage, and a sentence about it; analyses before it are listed.
        not_named: files with analyses whose names do not match ``file_format``.
        incomplete: times that are there only in part, such as surface fields without levels.
    """

    name: str
    places: tuple[Place, ...]
    format: str
    files: tuple[Place, ...]
    streams: tuple[Stream, ...]
    not_weather: tuple[Place, ...]
    damaged: dict[Place, str]
    not_named: tuple[Place, ...]
    incomplete: tuple[np.datetime64, ...]

    @property
    def where(self) -> str:
        """The folders and URLs as text."""
        return " and ".join(map(str, self.places))

    def to_dict(self) -> dict[str, Any]:
        """The same as numbers, texts and lists, for JSON."""
        return {
            "name": self.name,
            "directories": [str(place) for place in self.places],
            "format": self.format,
            "files": [str(path) for path in self.files],
            "not_weather": [str(path) for path in self.not_weather],
            "damaged": {str(path): text for path, text in self.damaged.items()},
            "not_named": [str(path) for path in self.not_named],
            "incomplete": [str(time) for time in self.incomplete],
            "streams": [_stream_dict(stream) for stream in self.streams],
        }


def list_met(config: MetConfig, name: str = "", *, cache_dir: str | Path | None = None) -> Archive:
    """List what the weather files of one meteorology hold, without reading their fields.

    Every file in its folders is looked at, whatever its name, and every store.

    Args:
        config: where the files are and how they are named.
        name: of the meteorology.
        cache_dir: folder that keeps the files' indexes between runs; in memory alone when None.

    Raises:
        UsageError: there is no such folder.
    """
    archive, listings = _listed(
        config.places,
        config.format,
        config.subgrid_directory,
        cache_dir,
        config.forecasts,
        " beside config.yaml",
    )
    times = [time for stream in archive.streams for time in (stream.times[0], stream.times[-1])]
    unnamed = _not_named(listings, config, archive.files, sorted(times))
    return replace(archive, name=name, not_named=unnamed)


def list_archive(
    directory: str | Path, form: str = AUTO, *, cache_dir: str | Path | None = None
) -> Archive:
    """List what the weather files in a folder hold, without reading their fields.

    Args:
        directory: the folder, searched with those in it, or the URL of a Zarr store.
        form: format of the files, as in config.yaml.
        cache_dir: folder that keeps the files' indexes between runs; in memory alone when None.

    Raises:
        UsageError: there is no such folder.
        ConfigValidationError: there is no such format.
    """
    return _listed((place_of(directory),), form, None, cache_dir)[0]


def _listed(
    places: Sequence[Place],
    form: str,
    exclude: Path | None,
    cache_dir: str | Path | None,
    choice: ForecastChoice = EVERY_FORECAST,
    beside: str = "",
) -> tuple[Archive, list[FolderListing]]:
    folders = [place for place in places if isinstance(place, Path)]
    for folder in folders:
        if not folder.is_dir():
            where = beside if not folder.is_absolute() else ""
            raise UsageError(
                f"There is no folder {folder}{where}: correct the directory of the weather."
            )
    if form != AUTO:
        weather_format(form)
    listings = [FolderListing(folder, exclude=exclude) for folder in folders]
    indexes = IndexCache(Path(cache_dir) / "met-index" if cache_dir else None, form)
    parts: list[AnalysisRef] = []
    files, foreign, damaged = list[Place](), list[Place](), dict[Place, str]()
    held: list[Place] = [place for place in places if isinstance(place, str)]
    held.extend(file for listing in listings for file in listing.all_files)
    for path in held:
        index = indexes.index_of(path)
        if index.damage and (index.refs or is_store(path) or _is_of_format(path, form)):
            damaged[path] = index.damage
        if index.refs:
            files.append(path)
        elif path not in damaged:
            foreign.append(path)
        parts.extend(index.refs)
    whole = merged(parts, places)
    halves = {part.time for part in parts if not np.isnat(part.time)} - {r.time for r in whole}
    archive = Archive(
        name="",
        places=tuple(places),
        format=form,
        files=tuple(files),
        streams=_streams(whole, choice),
        not_weather=tuple(foreign),
        damaged=damaged,
        not_named=(),
        incomplete=tuple(sorted(halves)),
    )
    return archive, listings


def grid_outline(grid: MetGrid) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return longitudes, without jumps, and latitudes along the edge of a grid, once around."""
    x = np.linspace(0.0, grid.nx - 1.0, _EDGE_POINTS)
    y = np.linspace(0.0, grid.ny - 1.0, _EDGE_POINTS)
    along_x, along_y = np.full_like(x, grid.nx - 1.0), np.full_like(y, grid.ny - 1.0)
    edge_x = np.concatenate([x, along_x, x[::-1], np.zeros_like(y)])
    edge_y = np.concatenate([np.zeros_like(x), y, along_y, y[::-1]])
    lon, lat = grid.to_lonlat(edge_x, edge_y)
    if grid.cyclic_x:
        lon = np.where(edge_x > 0.5 * grid.nx, 180.0, -180.0) * np.ones_like(lat)
    return np.unwrap(lon, period=360.0) if not grid.cyclic_x else lon, lat


def gaps_in(
    times: Sequence[np.datetime64],
) -> tuple[np.timedelta64 | None, tuple[tuple[np.datetime64, np.datetime64], ...]]:
    """Return the usual interval between times, and where times are missing.

    Args:
        times: in their order, each once.

    Returns:
        The most frequent interval (the shortest of equally frequent ones), None with fewer than
        two times; and the first and last missing time of each gap.
    """
    if len(times) < 2:
        return None, ()
    steps = np.diff(np.array(times, "datetime64[m]"))
    counted = Counter(steps.tolist())
    most = max(counted.values())
    interval = np.timedelta64(min(step for step, n in counted.items() if n == most), "m")
    gaps = [
        (times[number] + interval, times[number + 1] - interval)
        for number, step in enumerate(steps)
        if step > interval
    ]
    return interval, tuple((first, max(first, last)) for first, last in gaps)


def _streams(whole: Sequence[AnalysisRef], choice: ForecastChoice) -> tuple[Stream, ...]:
    by_grid: dict[MetGrid, list[AnalysisRef]] = {}
    for ref in whole:
        by_grid.setdefault(ref.grid, []).append(ref)
    streams = [_stream(grid, refs, choice) for grid, refs in by_grid.items()]
    usable = [stream for stream in streams if stream.analyses]
    return tuple(sorted(usable, key=lambda stream: -len(stream.analyses)))


def _stream(grid: MetGrid, refs: Sequence[AnalysisRef], choice: ForecastChoice) -> Stream:
    used, others = choose_by_time(refs, choice)
    interval, gaps = gaps_in([ref.time for ref in used])
    fields = FieldNames((), ())
    lacks: tuple[StandIn, ...] = ()
    # What cannot be read is reported as damage of the file.
    with suppress(MeteorologyError):
        if used:
            fields = field_names(used[0])
            lacks = stand_ins(fields, grid.vertical_flag)
    hours = np.timedelta64(1, "h")
    begun = Counter(ref.time - ref.forecast_hour * hours for ref in used if ref.forecast_hour >= 0)
    passed_over = tuple(ref for time in sorted(others) for ref in others[time])
    is_forecast = any(ref.forecast_hour > 0 for ref in (*used, *passed_over))
    return Stream(
        grid=grid,
        analyses=tuple(used),
        interval=interval,
        gaps=gaps,
        fields=fields,
        lacks=lacks,
        cycles=dict(sorted(begun.items())) if is_forecast else {},
        passed_over=passed_over,
    )


def _is_of_format(path: Place, form: str) -> bool:
    """Whether a file without a whole analysis is a damaged one of a format, or another file.

    Of files in any format only those that look like weather have damage.
    """
    return form == AUTO or weather_format(form).recognises(str(path))


def _not_named(
    listings: Sequence[FolderListing],
    config: MetConfig,
    files: Sequence[Place],
    times: Sequence[np.datetime64],
) -> tuple[Place, ...]:
    """Files that the pattern of names does not find in the time that the archive covers."""
    if config.file_format is None or not times:
        return ()
    step = config.file_interval
    first, last = pd.Timestamp(times[0]), pd.Timestamp(times[-1])
    # A file named for its last hour, or for the beginning of a long forecast, is found too.
    margin = max(pd.Timedelta(days=1), step)
    beginnings = name_beginnings(config.file_format, first - margin, last + margin, step)
    named = {
        path for listing in listings for text in beginnings for path in listing.beginning_with(text)
    }
    return tuple(path for path in files if path not in named and not is_url(path))


def _stream_dict(stream: Stream) -> dict[str, Any]:
    grid, times = stream.grid, stream.times
    lon, lat = stream.outline()
    minutes = None if stream.interval is None else int(stream.interval / np.timedelta64(1, "m"))
    return {
        "first": str(times[0]),
        "last": str(times[-1]),
        "analyses": len(times),
        "interval_minutes": minutes,
        "gaps": [{"first": str(first), "last": str(last)} for first, last in stream.gaps],
        "grid": {
            "kind": grid.kind,
            "nx": grid.nx,
            "ny": grid.ny,
            "spacing": spacing_text(grid),
            "west": float(lon.min()),
            "east": float(lon.max()),
            "south": float(lat.min()),
            "north": float(lat.max()),
            "source": grid.source.strip(),
        },
        "levels": {
            "kind": LEVEL_KINDS.get(grid.vertical_flag, str(grid.vertical_flag)),
            "number": grid.n_levels,
            "values": list(grid.levels),
        },
        "fields": {"surface": list(stream.fields.surface), "levels": list(stream.fields.upper)},
        "lacks": [{"field": one.lacks, "instead": one.instead} for one in stream.lacks],
        "cycles": {str(begun): number for begun, number in stream.cycles.items()},
        "passed_over": [
            {"time": str(ref.time), "path": ref.path, "forecast_hour": ref.forecast_hour}
            for ref in stream.passed_over
        ],
    }


def spacing_text(grid: MetGrid) -> str:
    """Write the distance between nodes: degrees or kilometres."""
    if grid.kind != "conformal":
        return f"{grid.ref_lon:g} x {grid.ref_lat:g} degrees"
    return f"{grid.size_km:g} km"
