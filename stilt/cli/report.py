"""`stilt report`: what came of a project, as one page."""

from __future__ import annotations

from pathlib import Path

import click

from stilt.cli.common import (
    json_option,
    open_model,
    output_dir_option,
    print_json,
    project_argument,
)
from stilt.errors import UsageError


@click.command(
    epilog="""\b
Examples:
  stilt report ./case
  stilt report ./case --out reports/july.html --name valley
"""
)
@project_argument(required=True)
@click.option("--out", metavar="FILE", help="File to write.  [default: PROJECT_report.html here]")
@click.option("--name", help="Footprint on the map.  [default: the first of the configuration]")
@click.option(
    "--maps",
    type=click.IntRange(1),
    default=1000,
    show_default=True,
    help="Most receptors shown.",
)
@click.option("--no-weather", is_flag=True, help="Do not look at the weather files.")
@output_dir_option
@json_option
def report(
    project: str,
    out: str | None,
    name: str | None,
    maps: int,
    no_weather: bool,
    output_dir: str | None,
    as_json: bool,
) -> None:
    """Write the results of PROJECT as one self-contained HTML page.

    It has the status, a map to step through by receptor and hour, time series, the coverage of the
    weather, failures with what to do, speed and cost. It opens in any browser, without a network,
    and can be sent by mail.
    """
    model = open_model(project, output_dir, outputs=True)
    from stilt.report import write_report
    from stilt.report.sections import bytes_text

    path = Path(out).expanduser() if out else Path(f"{model.name}_report.html")
    if path.is_dir() or (out or "").endswith("/"):
        path = path / f"{model.name}_report.html"
    if path.suffix.lower() not in (".html", ".htm"):
        raise UsageError(f"The report is a page: give a file that ends with .html, not {path}.")
    write_report(model, path, name=name, most_maps=maps, weather=not no_weather)
    size = path.stat().st_size
    if as_json:
        print_json({"report": str(path), "bytes": size})
    else:
        click.echo(f"{path} ({bytes_text(size)}): open it in a browser.")
