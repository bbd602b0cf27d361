"""What `stilt weather` prints for a person."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from stilt.meteorology.archive import LEVEL_KINDS, Archive, Stream, spacing_text
from stilt.meteorology.arl_format import minute_text
from stilt.meteorology.guessed_format import other_kind
from stilt.meteorology.weather_cache import Cleared, Kept, size_text, totals

if TYPE_CHECKING:
    from pathlib import Path

    import xarray as xr

    from stilt.roots import Place

_PROFILE = (
    "height", "air_pressure", "air_temperature", "relative_humidity", "eastward_wind",
    "northward_wind", "sigma_w", "time_scale",
)  # fmt: skip
_HEADER = (
    "  height m  pressure hPa  temp. K  humidity %  wind m/s  from deg  sigma_w m/s  time scale s"
)


def archive_lines(archive: Archive) -> list[str]:
    """Write what an archive holds for a person, a line for each fact."""
    title = f"{archive.name}: " if archive.name else ""
    lines = [f"{title}{archive.where} ({archive.format}): {len(archive.files)} file(s)"]
    for stream in archive.streams:
        lines += [f"  {line}" for line in _stream_lines(stream)]
    if not archive.streams:
        lines.append("  no analysis")
    lines += [f"  damaged: {text}" for text in archive.damaged.values()]
    for label, paths in (
        ("not weather files of this format", archive.not_weather),
        ("not found by file_format", archive.not_named),
    ):
        if paths:
            lines.append(f"  {label}: {_some([_with_kind(path) for path in paths])}")
    if archive.incomplete:
        times = [minute_text(time) for time in archive.incomplete]
        lines.append(f"  no whole analysis at: {_some(times)}")
    return lines


def _with_kind(path: Place) -> str:
    kind = other_kind(path)
    return f"{os.path.basename(path)} ({kind})" if kind else os.path.basename(path)


def _stream_lines(stream: Stream) -> list[str]:
    grid, times = stream.grid, stream.times
    lon, lat = stream.outline()
    every = "" if stream.interval is None else f", every {_length(stream.interval)}"
    kind = LEVEL_KINDS.get(grid.vertical_flag, str(grid.vertical_flag))
    reach = f", {grid.levels[0]:g} to {grid.levels[-1]:g}" if grid.levels else ""
    lines = [
        f"times: {minute_text(times[0])} to {minute_text(times[-1])}, {len(times)} analyses{every}"
    ]
    for first, last in stream.gaps:
        until = "" if first == last else f" to {minute_text(last)}"
        lines.append(f"  gap: {minute_text(first)}{until}")
    lines += [
        f"grid: {grid.nx} x {grid.ny}, {grid.kind}, {spacing_text(grid)}, "
        f"longitude {lon.min():.2f} to {lon.max():.2f}, "
        f"latitude {lat.min():.2f} to {lat.max():.2f}",
        f"levels: {grid.n_levels} {kind}{reach}",
        f"surface fields: {' '.join(stream.fields.surface)}",
        f"fields on levels: {' '.join(stream.fields.upper)}",
        *(f"lacks: {one}" for one in stream.lacks),
    ]
    if stream.cycles:
        shown = [f"{minute_text(begun)} ({number})" for begun, number in stream.cycles.items()]
        lines.append(f"forecast cycles (analyses used): {_some(shown)}")
    if stream.passed_over:
        number = len({ref.time for ref in stream.passed_over})
        lines.append(f"in several files: {number} time(s); the shortest forecast is used")
    return lines


def _length(step: np.timedelta64) -> str:
    minutes = int(step / np.timedelta64(1, "m"))
    return f"{minutes // 60} h" if minutes % 60 == 0 else f"{minutes} min"


def _some(texts: Sequence[str], shown: int = 6) -> str:
    more = f" and {len(texts) - shown} more" if len(texts) > shown else ""
    return ", ".join(texts[:shown]) + more


def point_lines(data: xr.Dataset, top_m: float) -> list[str]:
    """Write the meteorology of one point: the ground, then a table of levels up to a height.

    Args:
        data: of :func:`stilt.sample_meteorology`, one meteorology and one point.
        top_m: height above ground of the last level shown.
    """
    time = np.datetime_as_string(data.time.values, "m").replace("T", " ")
    place = f"longitude {float(data.longitude):g}, latitude {float(data.latitude):g}"
    lines = [f"{data.meteorology.item()}: {time} UTC, {place}"]
    ground = [name for name in data.data_vars if "level" not in data[name].dims]
    known = [name for name in ground if np.isfinite(data[name].item())]
    if not known:
        return [*lines, "  outside the grid, or within its unusable edge"]
    width = max(len(data[name].attrs["long_name"]) for name in known)
    lines += [
        f"  {data[name].attrs['long_name']:<{width}}  {data[name].item():.4g} "
        f"{data[name].attrs['units']}"
        for name in known
    ]
    lines.append(_HEADER)
    for k in range(data.sizes["level"]):
        row = {name: data[name].isel(level=k).item() for name in _PROFILE}
        if not np.isfinite(row["height"]) or row["height"] > top_m:
            continue
        speed = np.hypot(row["eastward_wind"], row["northward_wind"])
        towards = np.degrees(np.arctan2(row["eastward_wind"], row["northward_wind"]))
        lines.append(
            f"{row['height']:10.0f}{row['air_pressure']:14.1f}{row['air_temperature']:9.1f}"
            f"{100.0 * row['relative_humidity']:12.0f}{speed:10.1f}"
            f"{(towards + 180.0) % 360.0:10.0f}{row['sigma_w']:13.3f}{row['time_scale']:14.0f}"
        )
    return lines


def point_record(data: xr.Dataset) -> dict[str, Any]:
    """Return the meteorology of one point as numbers and lists; None where it is not known."""
    record: dict[str, Any] = {
        "meteorology": data.meteorology.item(),
        "time": np.datetime_as_string(data.time.values, "s"),
        "longitude": float(data.longitude),
        "latitude": float(data.latitude),
    }
    for name in map(str, data.data_vars):
        values = data[name].to_numpy()
        record[name] = _known(values.tolist()) if values.ndim else _known([values.item()])[0]
    return record


def _known(values: Sequence[float]) -> list[float | None]:
    return [value if np.isfinite(value) else None for value in values]


def cache_lines(
    folder: Path,
    kept: Sequence[Kept],
    cleared: Cleared | None,
    user_folder: Path,
    user_bytes: int,
) -> list[str]:
    """Write what is kept of weather, and what was removed."""
    lines = [f"{folder}"]
    for kind, found in totals(kept).items():
        lines.append(f"  {kind}: {found['number']}, {size_text(found['bytes'])}")
    if cleared is not None:
        freed = sum(entry.nbytes for entry in cleared.removed)
        lines.append(f"  removed: {len(cleared.removed)}, {size_text(freed)}")
        if cleared.in_use:
            held = sum(entry.nbytes for entry in cleared.in_use)
            lines.append(f"  kept, may be in use: {len(cleared.in_use)}, {size_text(held)}")
    lines.append(f"{user_folder} (compiled code, and weather with STILT_CACHE_DIR)")
    lines.append(f"  all of it: {size_text(user_bytes)}")
    return lines
