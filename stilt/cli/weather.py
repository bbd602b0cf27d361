"""`stilt weather`: look at weather, convert it, fetch it, and see to what is kept of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from stilt.cli.common import (
    EXIT_COMPLETE,
    EXIT_FAILED,
    Commands,
    Verb,
    json_option,
    open_files,
    open_model,
    print_json,
    project_argument,
)
from stilt.errors import UsageError
from stilt.roots import is_url

if TYPE_CHECKING:
    import pandas as pd

    from stilt.config import MetConfig, ModelConfig
    from stilt.model import Model


class _Verbs(click.Group):
    """The verbs in the order in which a user meets them."""

    list_commands = Commands.list_commands
    format_commands = Commands.format_commands


@click.group(
    cls=_Verbs,
    epilog="""\b
Examples:
  stilt weather list ./case
  stilt weather show "2023-07-15 18:00" -111.85 40.77 ./case
""",
)
def weather() -> None:
    """Inspect, convert and download weather files, and manage their cache."""


def _source_options(verb: Verb) -> Verb:
    """Options that name weather without a project."""
    decorators: tuple[Callable[[Verb], Verb], ...] = (
        click.option(
            "--directory", metavar="DIR", help="Folder or URL of weather, without PROJECT.",
        ),
        click.option(
            "--format", "form", default="auto", metavar="FORMAT",
            help="Format of the files in DIR, as in config.yaml.  [auto]",
        ),
        click.option("--met", metavar="NAME", help="Only this meteorology of the project."),
    )  # fmt: skip
    for decorator in reversed(decorators):
        verb = decorator(verb)
    return verb


def _weather_of(
    project: str | None, directory: str | None, form: str, met: str | None
) -> tuple[dict[str, MetConfig], ModelConfig | None, Path | None]:
    """Meteorologies to look at, the project's settings, and where it keeps indexes of files."""
    if directory is not None:
        if project is not None or met is not None:
            raise UsageError("Give a PROJECT, with --met if you like, or --directory: not both.")
        from stilt.config import MetConfig

        if is_url(directory):
            return {_met_name(directory): MetConfig(directory=directory, format=form)}, None, None
        folder = Path(directory).expanduser()
        if not folder.is_dir():
            raise UsageError(f"There is no folder {folder}: correct --directory.")
        # ARL asks for names of files; any name will do here.
        config = MetConfig(directory=folder, format=form, file_format="*", file_tres="1h")
        return {_met_name(str(folder.resolve())): config}, None, None
    files = open_files(project, None)
    return _chosen(files.config.mets, met), files.config, files.cache_dir


def _met_name(place: str) -> str:
    """Return a name that a meteorology may have, from the last part of a folder or URL."""
    last = place.rstrip("/").rpartition("/")[2]
    return re.sub(r"[^a-z0-9]", "", last.lower()) or "weather"


def _chosen(mets: Mapping[str, MetConfig], met: str | None) -> dict[str, MetConfig]:
    if met is None:
        return dict(mets)
    if met not in mets:
        raise UsageError(f"config.yaml has no meteorology '{met}': known are {', '.join(mets)}.")
    return {met: mets[met]}


@weather.command(
    "list",
    epilog="""\b
Examples:
  stilt weather list ./case --picture coverage.png
  stilt weather list --directory /data/era5 --format era5
""",
)
@project_argument()
@_source_options
@click.option("--picture", metavar="FILE", help="Draw area and times into FILE (.png, .pdf, .svg).")
@json_option
def list_(
    project: str | None,
    directory: str | None,
    form: str,
    met: str | None,
    picture: str | None,
    as_json: bool,
) -> int:
    """List the contents of the weather files of PROJECT, or of a folder.

    Times and gaps, grids, levels, fields and substitutes for missing ones, forecast cycles,
    and files that are damaged, of another kind, or not found by file_format. Fields are not read.
    Exit code 1 when a file is damaged or there is no analysis.
    """
    from stilt.cli.weather_text import archive_lines
    from stilt.meteorology.archive import list_met

    mets, _, cache_dir = _weather_of(project, directory, form, met)
    archives = [list_met(config, name, cache_dir=cache_dir) for name, config in mets.items()]
    if as_json:
        print_json([archive.to_dict() for archive in archives])
    else:
        for archive in archives:
            click.echo("\n".join(archive_lines(archive)))
    if picture is not None:
        from stilt.plotting.coverage import save_coverage

        click.echo(f"Picture: {save_coverage(archives, picture)}", err=as_json)
    bad = any(archive.damaged or not archive.streams for archive in archives)
    return EXIT_FAILED if bad else EXIT_COMPLETE


@weather.command(
    # Longitudes west of Greenwich begin with a minus.
    context_settings={"ignore_unknown_options": True},
    epilog="""\b
Examples:
  stilt weather show "2023-07-15 18:00" -111.85 40.77 ./case
  stilt weather show 2023-07-15T18:00 -111.85 40.77 --directory /data/era5 --format era5
""",
)
@click.argument("time", metavar="TIME")
@click.argument("longitude", type=float, metavar="LON")
@click.argument("latitude", type=float, metavar="LAT")
@project_argument()
@_source_options
@click.option(
    "--top",
    type=click.FloatRange(min=0.0, min_open=True),
    default=5000.0,
    help="Height shown, m above ground.  [5000]",
)
@json_option
def show(
    time: str,
    longitude: float,
    latitude: float,
    project: str | None,
    directory: str | None,
    form: str,
    met: str | None,
    top: float,
    as_json: bool,
) -> None:
    """Show the weather at TIME (UTC), LON and LAT as the transport uses it.

    Fields at the ground, the height of the mixed layer, and on internal levels wind, temperature,
    humidity, the standard deviation of the turbulent vertical velocity and its time scale. With
    PROJECT by its settings (kmixd, kblt, ...), else by the usual ones.
    """
    from stilt.cli.weather_text import point_lines, point_record
    from stilt.receptors.times import parse_time
    from stilt.transport.point_meteorology import sample_meteorology

    mets, config, _ = _weather_of(project, directory, form, met)
    point = {"time": parse_time(time), "longitude": longitude, "latitude": latitude}
    data = sample_meteorology(mets, point, config=config).isel(point=0)
    if as_json:
        print_json([point_record(data.isel(meteorology=n)) for n in range(len(mets))])
        return
    for number in range(len(mets)):
        click.echo("\n".join(point_lines(data.isel(meteorology=number), top)))


@weather.command(
    "to-arl",
    epilog="""\b
Examples:
  stilt weather to-arl /data/era5 ./arl --format era5
  stilt weather to-arl ./case ./arl --met era5 --start 2023-07-01 --end 2023-07-31
""",
)
@click.argument("source", metavar="SOURCE")
@click.argument("target", metavar="TARGET")
@click.option(
    "--format", "form", default="auto", metavar="FORMAT",
    help="Format of a folder's files, as in config.yaml.  [auto]",
)  # fmt: skip
@click.option("--met", metavar="NAME", help="Which meteorology, where SOURCE is a project.")
@click.option("--start", metavar="TIME", help="First time needed, UTC; with --end.")
@click.option("--end", metavar="TIME", help="Last time needed, UTC.")
@click.option(
    "--bounds", type=float, nargs=4, metavar="WEST SOUTH EAST NORTH", help="Only this area.",
)  # fmt: skip
@click.option(
    "--hours-per-file", type=click.IntRange(min=1), default=24, help="Hours in one file.  [24]"
)
@click.option(
    "--file-format", default="%Y%m%d_%H", metavar="PATTERN",
    help="Names of the files, a strftime pattern.  [%Y%m%d_%H]",
)  # fmt: skip
@json_option
def to_arl(
    source: str,
    target: str,
    form: str,
    met: str | None,
    start: str | None,
    end: str | None,
    bounds: tuple[float, float, float, float] | None,
    hours_per_file: int,
    file_format: str,
    as_json: bool,
) -> None:
    """Write the weather of SOURCE, a folder or a project, to ARL files in the folder TARGET.

    The files are read by HYSPLIT and by every program for ARL files. Pressure levels stay; hybrid
    levels become sigma levels with their pressure (PRES).
    """
    from stilt.meteorology import to_arl as convert
    from stilt.receptors.times import parse_time

    config = _one_source(source, form, met, bounds)
    paths = convert(
        config,
        target,
        start=None if start is None else parse_time(start),
        end=None if end is None else parse_time(end),
        hours_per_file=hours_per_file,
        file_format=file_format,
    )
    if as_json:
        print_json([str(path) for path in paths])
        return
    size = sum(path.stat().st_size for path in paths) / 1e6
    click.echo(f"{len(paths)} file(s), {size:.1f} MB, in {target}. In config.yaml:")
    click.echo(
        f"  directory: {target}\n  file_format: '{file_format}'\n  file_tres: {hours_per_file}h"
    )


def _is_project(source: str) -> bool:
    """Whether a folder or URL has a config.yaml."""
    if not is_url(source):
        return (Path(source).expanduser() / "config.yaml").is_file()
    from stilt.project.url_folder import UrlFolder

    return UrlFolder(source).info("config.yaml") is not None


def _one_source(
    source: str, form: str, met: str | None, bounds: tuple[float, float, float, float] | None
) -> MetConfig:
    """The one meteorology of a folder or a project, cropped to an area if one is given."""
    is_project = _is_project(source)
    mets, _, _ = _weather_of(
        source if is_project else None, None if is_project else source, form, met
    )
    if len(mets) > 1:
        raise UsageError(f"Say with --met which meteorology: {', '.join(mets)}.")
    (config,) = mets.values()
    if bounds is None:
        return config
    from stilt.config import Bounds

    west, south, east, north = bounds
    if not (-180 <= west <= 360 and -180 <= east <= 360 and -90 <= south < north <= 90):
        raise UsageError(
            f"--bounds {west:g} {south:g} {east:g} {north:g} is no area: give WEST SOUTH EAST "
            "NORTH in degrees, -180 to 360 eastward and -90 to 90 northward, south below north."
        )
    if west >= east and not west > 0 > east:
        raise UsageError(
            f"--bounds: west {west:g} must be below east {east:g}; an area across the dateline has "
            "west above 0 and east below it, or above 180."
        )
    area = Bounds(xmin=west, ymin=south, xmax=east, ymax=north)
    return config.model_copy(update={"subgrid_enable": True, "subgrid_bounds": area})


@weather.command(
    epilog="""\b
Examples:
  stilt weather fetch ./case                       # what its receptors need
  stilt weather fetch --source hrrr --directory met --start 2023-07-01 --end 2023-07-02
"""
)
@project_argument()
@click.option("--met", metavar="NAME", help="Only this meteorology of the project.")
@click.option("--source", metavar="ARCHIVE", help="Archive to fetch from, without PROJECT.")
@click.option("--directory", metavar="DIR", help="Folder to fetch into, without PROJECT.")
@click.option("--start", metavar="TIME", help="First time needed, UTC, in place of the receptors'.")
@click.option("--end", metavar="TIME", help="Last time needed, UTC.")
@json_option
def fetch(
    project: str | None,
    met: str | None,
    source: str | None,
    directory: str | None,
    start: str | None,
    end: str | None,
    as_json: bool,
) -> int:
    """Fetch the weather files that PROJECT or a period needs, from the archives named as source.

    Files that are there are not fetched again. A run fetches what it needs by itself; this is for
    machines that compute without a network. Exit code 1 when some weather is still missing.
    """
    from stilt.meteorology.fetching import fetch_weather
    from stilt.receptors.times import parse_time

    if (start is None) != (end is None):
        raise UsageError("Give both --start and --end, or neither.")
    period = None if start is None or end is None else (parse_time(start), parse_time(end))
    if period is not None and period[0] > period[1]:
        raise UsageError(f"The start, {period[0]}, is after the end, {period[1]}: exchange them.")
    if source is not None or directory is not None:
        if source is None or directory is None or period is None or project is not None:
            raise UsageError(
                "Without PROJECT give --source, --directory, --start and --end; with it, neither "
                "--source nor --directory."
            )
        from stilt.config import MetConfig

        fetched = [fetch_weather(MetConfig(directory=Path(directory), source=source), [period])]
    else:
        model = open_model(project, None)
        mets = _chosen(model.config.mets, met)
        fetchable = {name: config for name, config in mets.items() if config.source is not None}
        if not fetchable:
            raise UsageError(
                "No meteorology has a source to fetch from: set source in config.yaml."
            )
        windows = [period] if period else _windows(model)
        fetched = [
            fetch_weather(config, windows, name, cache_dir=model.files.cache_dir)
            for name, config in fetchable.items()
        ]
    if as_json:
        print_json([asdict(one) for one in fetched])
    for one in () if as_json else fetched:
        label = f"{one.name}: " if one.name else ""
        click.echo(f"{label}{len(one.files)} new file(s) for {len(one.windows)} period(s)")
        for sentence in one.missing:
            click.echo(f"  still missing: {sentence}")
    return EXIT_FAILED if any(one.missing for one in fetched) else EXIT_COMPLETE


@weather.command(
    epilog="""\b
Examples:
  stilt weather cache ./case
  stilt weather cache ./case --limit 20GB
"""
)
@project_argument()
@click.option("--limit", metavar="SIZE", help="Remove what was used least recently down to SIZE.")
@click.option("--clear", is_flag=True, help="Remove everything that is not in use.")
@json_option
def cache(project: str | None, limit: str | None, clear: bool, as_json: bool) -> None:
    """Show the size of the weather cache of PROJECT, and remove what was not used recently.

    Prepared weather, indexes of weather files and cropped files, all of which are recreated when
    they are needed. What is being read or was used within ten minutes stays, and cropped files that
    were used within a day. With STILT_CACHE_DIR the weather of all projects is kept together.
    """
    from stilt.cache import user_cache
    from stilt.cli.weather_text import cache_lines
    from stilt.meteorology import weather_cache

    if limit is not None and clear:
        raise UsageError("Give --limit or --clear, not both.")
    most = None if limit is None else weather_cache.parse_size(limit)
    files = open_files(project, None)
    crops = [met.subgrid_directory for met in files.config.mets.values()]
    kept = weather_cache.kept_weather(files.cache_dir, crops)
    cleared = None
    if clear or most is not None:
        cleared = weather_cache.clear_weather(kept, limit_bytes=most or 0.0)
        kept = weather_cache.kept_weather(files.cache_dir, crops)
    user_folder = user_cache(files.runtime.cache_dir)
    user_bytes = weather_cache.folder_bytes(user_folder)
    if not as_json:
        click.echo("\n".join(cache_lines(files.cache_dir, kept, cleared, user_folder, user_bytes)))
        return
    print_json(
        {
            "directory": str(files.cache_dir),
            "kinds": weather_cache.totals(kept),
            "removed": [each.to_dict() for each in cleared.removed] if cleared else [],
            "in_use": [each.to_dict() for each in cleared.in_use] if cleared else [],
            "user_cache": {"directory": str(user_folder), "bytes": user_bytes},
        }
    )


def _windows(model: Model) -> list[tuple[pd.Timestamp, pd.Timestamp]]:
    """Return first and last time, UTC, that each receptor needs weather for."""
    import pandas as pd

    span = pd.Timedelta(hours=model.config.n_hours)
    both = ((receptor.time, receptor.time + span) for receptor in model.receptors)
    return [(min(times), max(times)) for times in both]
