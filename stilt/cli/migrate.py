"""`stilt migrate`: a project made of a campaign of R-STILT or PYSTILT."""

from __future__ import annotations

from pathlib import Path

import click

from stilt.cli.common import json_option, print_json


@click.command(
    epilog="""\b
Examples:
  stilt migrate ./my-rstilt-project ./case
  stilt migrate ./pystilt-project ./case --met hrrr
"""
)
@click.argument("old")
@click.argument("new")
@click.option(
    "--met", metavar="NAME", help="R-STILT: a name for its weather. PYSTILT: the variant to take."
)
@click.option("--column", nargs=2, type=float, metavar="BOTTOM TOP",
              help="Ends of R-STILT's columns in m above ground.")  # fmt: skip
@click.option(
    "--grid", type=click.IntRange(min=1), default=1, metavar="NUMBER",
    help="Which grid's footprints to take, where they have several.  [default: 1, the commonest]",
)  # fmt: skip
@json_option
def migrate(
    old: str,
    new: str,
    met: str | None,
    column: tuple[float, float] | None,
    grid: int,
    as_json: bool,
) -> None:
    """Make a project NEW from the campaign OLD of R-STILT or PYSTILT.

    Its receptors, footprints and, where they can be read, particles are taken over; `stilt run`
    then computes new receptors only, and one Jacobian holds both.
    """
    from stilt.answers.migrate import migrate as take_over

    source, target = Path(old).expanduser(), Path(new).expanduser()
    done = take_over(source, target, met=met, column=column, grid=grid)
    if as_json:
        print_json({**vars(done), "project": str(done.project)})
        return
    click.echo(
        f"{done.footprints} footprint(s) and {done.particles} particle file(s) of {done.program} "
        f"are in {done.project}."
    )
    for number, footprints in done.on_other_grids.items():
        click.echo(
            f"Left out: {footprints} footprint(s) on another grid; --grid {number} takes them, "
            "into a project of their own."
        )
    if done.left_out:
        click.echo(f"Settings left out: {'; '.join(done.left_out)}.")
    for note in done.notes:
        click.echo(note)
    click.echo(
        "Before computing further receptors, say where their weather is: under "
        f"{' and '.join(f'mets.{name}' for name in done.mets)} in {done.project / 'config.yaml'}, "
        "set directory, file_format and file_tres (or format), and leave moved_from, which keeps "
        "the imported results valid. Other changed settings make them stale, so that a run "
        "replaces them."
    )
