"""`stilt observe`: from an instrument's files to receptors and kernels of a project."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from stilt.cli.common import (
    json_option,
    open_model,
    output_dir_option,
    print_json,
    time_range,
)
from stilt.errors import UsageError

if TYPE_CHECKING:
    from stilt.model import Model


@click.command(
    epilog="""\b
Examples:
  stilt observe S5P_OFFL_L2__CH4_*.nc --reader tropomi --bounds -113 40 -111 42 ./case
  stilt observe if20120823_20121201.public.qc.nc --reader tccon --species ch4 ./case
  stilt observe tower.csv --reader csv --species co2 --units ppm --name tower ./case
  stilt observe ./case                             # what observations in config.yaml names
"""
)
@click.argument("files", nargs=-1, metavar="[FILES]...")
@click.argument("project", metavar="PROJECT")
@click.option(
    "--reader",
    type=click.Choice(["tropomi", "wfmd", "oco2", "tccon", "ggg", "csv"]),
    help="What FILES are.",
)
@click.option(
    "--name", metavar="NAME",
    help="Name of the tables.  [default: the reader and --species, such as tccon-ch4]",
)  # fmt: skip
@click.option("--species", metavar="GAS", help="Gas, for products of several.")
@click.option("--units", metavar="UNITS", help="Units of a csv table that does not say.")
@click.option(
    "--time-format",
    metavar="FORMAT",
    help="Form of the times in a csv table when the year is not first, as '%d.%m.%Y %H:%M'.",
)
@click.option(
    "--bounds", nargs=4, type=float, metavar="W S E N", help="Area of the soundings in degrees."
)
@click.option("--from", "start", metavar="TIME", help="First time, UTC.")
@click.option("--to", "end", metavar="TIME", help="Last time, UTC, or this day.")
@click.option("--all-quality", is_flag=True, help="Keep what the quality flag rejects.")
@click.option(
    "--thin", type=float, metavar="DEG", help="One sounding per cell of this size and hour."
)
@click.option(
    "--receptor", type=click.Choice(["auto", "point", "column", "slant"]), default="auto",
    help="Kind of receptor.  [default: points where there are altitudes, else columns]",
)  # fmt: skip
@click.option("--bottom", type=float, default=0.0, show_default=True,
              help="Lower end of columns and slant paths in m.")  # fmt: skip
@click.option("--top", type=float, default=3000.0, show_default=True,
              help="Upper end of columns and slant paths in m.")  # fmt: skip
@click.option("--altitude-ref", type=click.Choice(["agl", "msl"]), default="agl",
              show_default=True, help="What bottom and top of columns are above.")  # fmt: skip
@click.option(
    "--replace",
    is_flag=True,
    help="Replace all soundings of this name, and their receptors without results.",
)
@output_dir_option
@json_option
def observe(
    files: tuple[str, ...],
    project: str,
    reader: str | None,
    name: str | None,
    output_dir: str | None,
    as_json: bool,
    replace: bool,
    **choice: Any,
) -> None:
    """Read soundings of FILES, and add their receptors and averaging kernels to PROJECT.

    Without FILES: those that ``observations`` in config.yaml names.
    """
    if Path(project).is_file() and Path(project).name != "config.yaml":
        raise UsageError(f"The project comes last, after the files, and '{project}' is a file.")
    model = open_model(project, output_dir)
    from stilt.project.unused_kernels import unused_kernels

    if files:
        if reader is None:
            raise UsageError(
                "Say what the files are: --reader tropomi, wfmd, oco2, tccon, ggg or csv."
            )
        from stilt.config.observations import ObservationsConfig
        from stilt.project.observed import soundings_of

        settings = ObservationsConfig(**_settings(files, reader, **choice))
        soundings, _ = soundings_of(settings, Path())
        name = name or _default_name(reader, settings.species)
        placing = ("receptor", "bottom", "top", "altitude_ref")
        receptors = model.observe(
            soundings,
            name,
            replace=replace,
            **{key: getattr(settings, key) for key in placing},
        )
        names = [name]
    elif reader is not None:
        raise UsageError(f"Name the files to read before the project, {project}.")
    else:
        receptors = model.observe(replace=replace)
        names = list(model.config.observations)
    kernels = [
        str(model.files.observations.kernel_path(each))
        for each in names
        if model.files.observations.kernel_path(each).exists()
    ]
    if as_json:
        print_json(
            {
                "soundings": len(receptors),
                "receptors": len(model.receptors),
                "names": names,
                "kernels": kernels,
            }
        )
        return
    click.echo(
        f"{len(receptors)} sounding(s) of {', '.join(names)}{_gases(model, names)}; the project "
        f"has {len(model.receptors)} receptor(s)."
    )
    for path in kernels:
        click.echo(f"Averaging kernels: {path}")
    if unused := unused_kernels(model.files.observations, model.config.footprints):
        click.echo(unused)


def _default_name(reader: str, species: str | None) -> str:
    """Return the reader's name, with the gas for products of several."""
    from stilt.observations.readers import DEFAULT_SPECIES

    gas = species or DEFAULT_SPECIES.get(reader)
    return f"{reader}-{gas}" if gas else reader


def _gases(model: Model, names: Sequence[str]) -> str:
    """Return which gases the tables have, in parentheses; "" where they do not say."""
    tables = [model.files.observations.read(name) for name in names]
    gases = sorted({str(gas) for table in tables for gas in table["species"] if gas})
    return f" ({', '.join(gases)})" if gases else ""


def _settings(
    files: tuple[str, ...],
    reader: str,
    *,
    species: str | None,
    units: str | None,
    time_format: str | None,
    bounds: tuple[float, float, float, float] | None,
    start: str | None,
    end: str | None,
    all_quality: bool,
    thin: float | None,
    **placing: Any,
) -> dict[str, Any]:
    """Return the options as an entry of ``observations`` in config.yaml."""
    settings: dict[str, Any] = {
        "files": list(files),
        "reader": reader,
        "species": species,
        "units": units,
        "time_format": time_format,
        "good": not all_quality,
        "thin_degrees": thin,
        **placing,
    }
    if bounds is not None:
        settings["bounds"] = dict(zip(("xmin", "ymin", "xmax", "ymax"), bounds, strict=True))
    if start is not None or end is not None:
        settings["time_range"] = list(time_range(start, end))
    return settings
