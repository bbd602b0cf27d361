"""`stilt explain`: what happened to one simulation, and what to do."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby
from typing import TYPE_CHECKING, Any

import click

from stilt.cli.common import (
    json_option,
    open_model,
    output_dir_option,
    print_json,
    project_argument,
)
from stilt.cli.completion import complete_simulation
from stilt.cli.ids import one_id
from stilt.errors import REMEDIES

if TYPE_CHECKING:
    from stilt.model import Model

MOST_SHOWN = 5


@click.command(
    epilog="""\b
Examples:
  stilt explain ./case                                     # all failures
  stilt explain ./case hrrr_202301011200_-111.85_40.77_5
"""
)
@project_argument(required=True)
@click.argument("sim_id", required=False, metavar="[SIM_ID]", shell_complete=complete_simulation)
@output_dir_option
@json_option
def explain(project: str, sim_id: str | None, output_dir: str | None, as_json: bool) -> None:
    """Say why simulations of PROJECT failed and what to do about it.

    With SIM_ID: its cause, the weather it used or lacks, its log, and the command to run it again.
    """
    model = open_model(project, output_dir, outputs=True)
    if sim_id is not None:
        found = model.simulations[one_id(model, sim_id)].explain()
        found["advice"] = _advice(model, found) if found["reason"] else ""
        if as_json:
            print_json([found])
        else:
            _print_one(found)
        return
    rows = model.failures()
    for row in rows:
        row["advice"] = _advice(model, row)
    if as_json:
        print_json(rows)
        return
    if not rows:
        click.echo(_without_failures(model.status()))
    for _, group in groupby(sorted(rows, key=_remedy), key=_remedy):
        _print_failures(list(group))


def _without_failures(counts: Mapping[str, int]) -> str:
    """Say that nothing has failed, and what is left to do."""
    if not counts["total"]:
        return "Nothing has been run: `stilt check` looks at the receptors, `stilt run` runs them."
    if left := counts["total"] - counts["completed"]:
        return (
            f"No failure is recorded; {left:,} of {counts['total']:,} simulations are not "
            "complete: `stilt run` goes on with them."
        )
    return "No failure is recorded."


def _remedy(row: Mapping[str, Any]) -> tuple[str, str]:
    return (row["reason"], row["advice"])


def _print_failures(rows: list[dict[str, Any]]) -> None:
    """Print what failed for one reason and what to do; of many failures only the first."""
    reason, advice = _remedy(rows[0])
    click.echo(f"{reason}: {len(rows):,} {'simulation' if len(rows) == 1 else 'simulations'}")
    click.echo(f"  to do: {advice}")
    for row in rows[:MOST_SHOWN]:
        click.echo(f"  {row['sim_id']}: {row['detail']}")
    if (more := len(rows) - MOST_SHOWN) > 0:
        click.echo(f"  and {more:,} more (--json lists them all)")


def _advice(model: Model, row: Mapping[str, Any]) -> str:
    return REMEDIES.get(row["reason"], f"See {model.layout.log(row['sim_id'])}.")


def _print_one(found: Mapping[str, Any]) -> None:
    """The explanation of one simulation, a paragraph for each question."""
    click.echo(f"{found['sim_id']}\n  state: {found['state']}")
    if found["reason"]:
        click.echo(f"  cause: {found['reason']}: {found['detail']}\n  to do: {found['advice']}")
    elif found["state"] == "stale":
        click.echo(
            "  cause: another configuration, other weather or weather in another folder made its "
            "outputs; `stilt status` says more"
        )
    for path in found["files_gone"]:
        click.echo(f"  gone: {path}; `stilt run` computes it again")
    for path in found["weather_used"]:
        click.echo(f"  weather used: {path}")
    if found["weather_error"]:
        # The weather may be there, and the receptor outside it.
        outside = found["weather_reason"].startswith("RECEPTOR")
        label = "would fail now" if outside else "weather lacked"
        same = found["weather_error"] == found["detail"]
        click.echo(f"  {label}: {'see the cause' if same else found['weather_error']}")
    for text in found["remarks"]:
        click.echo(f"  remark: {text}")
    fine = "none" if found["files_gone"] else "none: nothing has gone wrong"
    click.echo(f"  log: {found['log'] or fine}")
    # Without a traceback it says no more than the cause.
    if "\nTraceback: " in found["log_text"] or not found["reason"]:
        for line in found["log_text"].splitlines():
            click.echo(f"    {line}")
    click.echo(f"  run it again: {found['command']}")
