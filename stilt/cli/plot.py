"""`stilt plot`: pictures of a project's results."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import click
from click.core import ParameterSource

from stilt.cli.common import (
    json_option,
    listed_option,
    open_model,
    output_dir_option,
    print_json,
    project_argument,
    time_range,
)
from stilt.cli.ids import locations, one_id
from stilt.cli.pictures import (
    KINDS,
    OF_MANY,
    OF_PARTICLES,
    USED_BY,
    Kind,
    PictureRequest,
    draw_each,
    draw_many,
    refuse_unused,
    target_file,
)
from stilt.errors import UsageError


def _numbers(count: int | None) -> Callable[..., tuple[float, ...] | None]:
    """Return a callback that reads numbers with commas between them."""

    def read(
        context: click.Context, parameter: click.Parameter, text: str | None
    ) -> tuple[float, ...] | None:
        if text is None:
            return None
        try:
            values = tuple(float(part) for part in re.split(r"[,x]", text))
        except ValueError:
            values = ()
        if not values or count not in (None, len(values)):
            wanted = "numbers" if count is None else f"{count} numbers"
            raise click.BadParameter(f"{text!r} is not {wanted} with commas between them.")
        return values

    return read


@click.command(
    epilog="""\b
Examples:
  stilt plot ./case                                        # mean of all footprints
  stilt plot ./case hrrr_202301011200_-111.85_40.77_5      # map of one, all hours
  stilt plot ./case 202301011200 --kind facet --out hours.pdf
  stilt plot ./case 202301011200 --kind particles --color-by height
  stilt plot ./case 202301011200 --kind animation --out film.mp4
  stilt plot ./case --each --out pictures/                 # a map of every one
  stilt plot ./case --from 2023-01-01 --to 2023-01-07 --name default
  stilt plot ./case --kind series --location WBB
"""
)
@project_argument(required=True)
@click.argument("sim_id", required=False, metavar="[SIM_ID]")
@click.option("--kind", type=click.Choice(KINDS), help="What to draw.  [default: map, or mean]")
@click.option("--out", metavar="PATH", help="File to write, or a folder with a / at its end.")
@click.option(
    "--format", "suffix", metavar="EXT", help="Kind of file: png, pdf, svg, ...  [default: png]"
)
@click.option("--name", help="Footprint to draw.  [default: the first of the configuration]")
@click.option("--each", is_flag=True, help="Draw a picture of every simulation.")
@click.option("--from", "start", metavar="TIME", help="Receptors from this time on, UTC.")
@click.option("--to", "end", metavar="TIME", help="Receptors up to this time, UTC, or this day.")
@click.option("--met", metavar="NAME", help="Simulations in this meteorology only.")
@click.option(
    "--location", "places", multiple=True, metavar="PLACE",
    help="Receptors at this place only: an id, or a site of receptors.csv.",
)  # fmt: skip
@click.option("--hour", metavar="N|TIME", help="One hour of a footprint: 0 is the earliest.")
@click.option(
    "--hours",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Hours in each panel of a facet.",
)
@click.option("--color-by", metavar="WHAT", help="Particles: age, height, influence or a column.")
@click.option(
    "--frames", type=click.IntRange(1), default=80, show_default=True,
    help="Frames of an animation.",
)  # fmt: skip
@click.option("--fps", type=float, default=12, show_default=True, help="Frames a second.")
@click.option("--linear", is_flag=True, help="Colours from zero instead of logarithmic.")
@click.option("--whole-grid", is_flag=True, help="Show all of the grid, not only the influence.")
@click.option("--extent", callback=_numbers(4), metavar="W,E,S,N", help="Part of the map to show.")
@click.option("--vmin", type=float, help="Influence at the pale end of the colours.")
@click.option("--vmax", type=float, help="Influence at the dark end of the colours.")
@click.option("--cmap", metavar="NAME", help="Colour map of matplotlib.")
@click.option(
    "--shares",
    callback=_numbers(None),
    metavar="S,S",
    help="Outline areas that hold these shares, such as 0.5,0.9.",
)
@click.option(
    "--no-outlines", is_flag=True, help="Leave out coastlines, borders, states and lakes."
)
@click.option("--title", metavar="TEXT", help="Title; an empty one leaves it out.")
@click.option("--size", callback=_numbers(2), metavar="W,H", help="Width and height in inches.")
@click.option(
    "--dpi", type=click.IntRange(1), default=150, show_default=True, help="Dots per inch."
)
@listed_option
@output_dir_option
@json_option
def plot(
    project: str,
    sim_id: str | None,
    kind: Kind | None,
    out: str | None,
    suffix: str | None,
    name: str | None,
    each: bool,
    start: str | None,
    end: str | None,
    met: str | None,
    places: tuple[str, ...],
    hour: str | None,
    hours: int,
    color_by: str | None,
    frames: int,
    fps: float,
    dpi: int,
    listed: bool,
    output_dir: str | None,
    as_json: bool,
    **look: Any,
) -> None:
    """Draw results of PROJECT: footprints, particles, means.

    SIM_ID may be a part of an id that no other simulation has. Without it the mean of all
    footprints is drawn, or of those that --from, --to, --met, --location and --listed choose.
    """
    model = open_model(project, output_dir, outputs=True)
    selection: dict[str, Any] = {"mets": met, "listed": listed or None}
    if places:
        selection["location_ids"] = locations(model, places)
    if start or end:
        selection["time_range"] = time_range(start, end)
    chosen = {key: value for key, value in selection.items() if value is not None}
    ids = [one_id(model, sim_id)] if sim_id else []
    if each and not ids:
        ids = model.simulations.ids(**chosen)
    if (
        not (ids or each)
        and len(complete := model.simulations.ids(state="complete", **chosen)) == 1
    ):
        ids = complete
    kind = kind or ("map" if ids and model.footprints.names() else "particles" if ids else "mean")
    refuse_unused(kind, _given())
    wanted = PictureRequest(kind, name, hour, hours, color_by, frames, fps, _keywords(kind, look))
    if kind in OF_MANY:
        target = target_file(out, suffix, f"{model.name}{wanted.mark}_{kind}")
        written = [draw_many(model, wanted, chosen, target, dpi)]
    elif each and not ids:
        raise UsageError(f"No simulation is in this selection: `stilt status {project}` counts.")
    elif not ids:
        done = model.simulations.ids(state="complete", **chosen)
        such = f", such as {done[0]}" if done else ""
        raise UsageError(
            f"A picture of the kind '{kind}' shows one simulation: name it, or give --each. "
            f"There are {len(model.simulations)}{such}; `stilt status {project}` counts them."
        )
    else:
        written = draw_each(model, wanted, ids, out, suffix, dpi)
    if as_json:
        print_json([str(path) for path in written])
    else:
        for path in written:
            click.echo(path)


def _given() -> dict[str, str]:
    """Return the options of :data:`USED_BY` on the command line, by their keywords."""
    context = click.get_current_context()
    return {
        parameter.name: parameter.opts[-1]
        for parameter in context.command.params
        if parameter.name in USED_BY
        and context.get_parameter_source(parameter.name) is ParameterSource.COMMANDLINE
    }


def _keywords(kind: Kind, look: Mapping[str, Any]) -> dict[str, Any]:
    """Return keywords of the library's pictures for the options that were given."""
    found = {
        "extent": look["extent"], "vmin": look["vmin"], "vmax": look["vmax"],
        "cmap": look["cmap"], "title": look["title"], "figsize": look["size"],
    }  # fmt: skip
    keywords = {key: value for key, value in found.items() if value is not None}
    if look["no_outlines"]:
        keywords["outlines"] = False
    if kind not in OF_PARTICLES or kind == "animation":
        keywords |= {"log": False} if look["linear"] else {}
        keywords |= {"zoom": False} if look["whole_grid"] else {}
        keywords |= {"shares": look["shares"]} if look["shares"] else {}
    if kind == "series":
        return {key: keywords[key] for key in ("title", "figsize") if key in keywords}
    return keywords
