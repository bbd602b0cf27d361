"""`stilt export`: results for other programs."""

from __future__ import annotations

from typing import Any

import click

from stilt.cli.common import (
    json_option,
    listed_option,
    open_model,
    output_dir_option,
    print_json,
    project_argument,
    time_range,
)
from stilt.cli.ids import locations
from stilt.nearest_names import nearest_name

LAYOUTS = ("openghg", "paris", "ct-lagrange")


@click.command(
    epilog="""\b
Examples:
  stilt export ./case footprints.nc                        # one CF file
  stilt export ./case footprints.zarr --name default
  stilt export ./case cells.parquet --from 2023-07-01 --to 2023-07-31
  stilt export ./case files/ --format files                # a NetCDF file for each
  stilt export ./case particles.parquet --particles
  stilt export ./case ghg/ --format openghg --site WBB --domain UTAH --species ch4
  stilt export ./case ctl/ --format ct-lagrange
"""
)
@project_argument(required=True)
@click.argument("out")
@click.option(
    "--format",
    "chosen",
    type=click.Choice(("files", "netcdf", "zarr", "parquet", *LAYOUTS)),
    help="What to write.  [default: as the suffix of OUT says, else files]",
)
@click.option(
    "--site", help="Site in the names of files for OpenGHG, and the label site of its receptors."
)
@click.option("--domain", help="Domain in the names of files for OpenGHG.")
@click.option("--species", default="inert", help="Gas in files for OpenGHG; co2 adds hours back.")
@click.option(
    "--location", "places", multiple=True, metavar="PLACE",
    help="Receptors at this place only: an id, or a site of receptors.csv.",
)  # fmt: skip
@click.option("--name", help="Footprint to export.  [default: the first of the configuration]")
@click.option("--particles", is_flag=True, help="Write particles instead of footprints.")
@click.option("--error", is_flag=True, help="Results of the error runs.")
@click.option(
    "--along",
    type=click.Choice(("hours_back", "time")),
    default="hours_back",
    show_default=True,
    help="Hours counted from each receptor, or clock hours.",
)
@click.option("--from", "start", metavar="TIME", help="Receptors from this time on, UTC.")
@click.option("--to", "end", metavar="TIME", help="Receptors up to this time, UTC, or this day.")
@click.option("--met", metavar="NAME", help="Simulations in this meteorology only.")
@click.option("--scene", metavar="ID", help="Simulations of this scene only.")
@listed_option
@output_dir_option
@json_option
def export(
    project: str,
    out: str,
    chosen: Any,
    name: str | None,
    particles: bool,
    error: bool,
    along: Any,
    start: str | None,
    end: str | None,
    met: str | None,
    scene: str | None,
    site: str | None,
    domain: str | None,
    species: str,
    places: tuple[str, ...],
    listed: bool,
    output_dir: str | None,
    as_json: bool,
) -> None:
    """Write results of PROJECT to OUT for other programs: NetCDF, Zarr or Parquet.

    --format openghg (or paris) and ct-lagrange write the files that OpenGHG and inversions of
    CarbonTracker-Lagrange read, into the folder OUT.

    One file holds all receptors that are chosen; --format files writes one for each. Results that
    another configuration made are left out.
    """
    model = open_model(project, output_dir, outputs=True)
    selection: dict[str, Any] = {
        "mets": met,
        "scene_id": scene,
        "listed": listed or None,
        "location_ids": locations(model, places) if places else None,
    }
    if start or end:
        selection["time_range"] = time_range(start, end)
    selection = {key: value for key, value in selection.items() if value is not None}
    if chosen in LAYOUTS:
        if particles or error:
            option = "--particles" if particles else "--error"
            raise click.UsageError(
                f"{option} has no effect with --format {chosen}, which holds footprints of the "
                "main run: leave it out, or choose another format."
            )
        written = model.export(
            out, chosen, name=name, site=site, domain=domain, species=species, **selection
        )
        if as_json:
            print_json({"out": out, "files": [str(path) for path in written]})
        else:
            click.echo(f"{len(written)} file(s) written to {out}.")
        return
    if particles:
        if name is not None:
            raise click.UsageError(
                "--name chooses footprints and has no effect with --particles: leave out one."
            )
        number = model.trajectories.export(out, format=chosen, error=error, **selection)
    else:
        names = model.footprints.names()
        if not names:
            raise click.UsageError("There are no footprints: --particles exports particles.")
        name = name or names[0]
        name = f"{name}_error" if error and not name.endswith("_error") else name
        if name not in model.footprints:
            if error and (main := name.removesuffix("_error")) in names:
                raise click.UsageError(
                    f"The footprint '{main}' has no error run: set error: true under "
                    f"footprints.{main} in config.yaml, or leave out --error."
                )
            raise click.UsageError(f"There is no footprint '{name}': {nearest_name(name, names)}")
        collection = model.footprints[name]
        number = collection.export(out, format=chosen, along=along, **selection)
    if as_json:
        print_json({"out": out, "simulations": number})
    else:
        click.echo(f"{number} simulation(s) written to {out}.")
