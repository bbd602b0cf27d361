"""`stilt init`: a starter project."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path

import click

from stilt.cli.common import complete_folder, json_option, print_json
from stilt.config.templates import STARTER, TEMPLATES
from stilt.errors import UsageError
from stilt.roots import Place, below, is_url


@click.command(
    epilog="""\b
Examples:
  stilt init ./case
  stilt init ./case --template tower
  cd case && stilt init
  stilt init s3://bucket/case
"""
)
@click.argument("directory", default=".", metavar="[DIR]", shell_complete=complete_folder)
@click.option(
    "--template",
    type=click.Choice(list(TEMPLATES)),
    help="Begin with the weather, grids and receptors of this kind of work.",
)
@json_option
def init(directory: str, template: str | None, as_json: bool) -> None:
    """Write a starter config.yaml and receptors.csv into DIR (default: here), or to a URL.

    Templates hrrr, gfs, era5 and wrf begin with that weather and a receptor; tower with the
    afternoon hours of a tower, satellite with columns. All can be checked and run once the weather
    is there.
    """
    chosen = TEMPLATES[template] if template else STARTER
    files = {
        "config.yaml": chosen.config,
        "receptors.csv": chosen.receptors or _one_receptor(),
    }
    root: Place
    if is_url(directory):
        root = directory.rstrip("/")
        _write_there(root, files)
    else:
        root = Path(directory).expanduser().resolve()
        _write_here(root, files)
        if template:
            (root / "met").mkdir(exist_ok=True)
    where = shlex.quote(directory)
    for line in (
        f"Initialized STILT project at '{root}'",
        f"  1. {chosen.first}",
        f"  2. stilt check {where}  and then  stilt run {where}",
    ):
        click.echo(line, err=as_json)
    if as_json:
        print_json({"project": str(root), "files": [str(below(root, name)) for name in files]})


def _write_here(root: Path, files: Mapping[str, str]) -> None:
    if (root / "config.yaml").exists():
        raise _is_there(root)
    root.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        if not (root / name).exists():
            (root / name).write_text(text, encoding="utf-8")


def _write_there(url: str, files: Mapping[str, str]) -> None:
    from stilt.project.url_folder import UrlFolder

    place = UrlFolder(url)
    there = place.listed(deep=False)
    if "config.yaml" in there:
        raise _is_there(url)
    for name, text in files.items():
        if name not in there:
            place.write(text.encode(), name)


def _is_there(root: Place) -> UsageError:
    return UsageError(
        f"'{root}' has a config.yaml already: edit that, or name another folder for a new project."
    )


def _one_receptor() -> str:
    from stilt.receptors import starter_receptors_csv

    return starter_receptors_csv()
