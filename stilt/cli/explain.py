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
from stilt.cli.ids import ids_or_place
from stilt.errors import REMEDIES
from stilt.roots import shown

if TYPE_CHECKING:
    from stilt.model import Model
    from stilt.project.progress import Progress

MOST_SHOWN = 5


@click.command(
    epilog="""\b
Examples:
  stilt explain ./case                                     # all failures
  stilt explain ./case hrrr_202301011200_-111.85_40.77_5
  stilt explain ./case WBB                                 # all of a site
"""
)
@project_argument(required=True)
@click.argument(
    "sim_id", required=False, metavar="[SIM_ID|PLACE]", shell_complete=complete_simulation
)
@output_dir_option
@json_option
def explain(project: str, sim_id: str | None, output_dir: str | None, as_json: bool) -> None:
    """Say why simulations of PROJECT failed and what to do about it.

    With SIM_ID: its cause, the weather it used or lacks, its log, and the command to run it again.
    With PLACE, a site of receptors.csv or a location's id: the states of all simulations there, and
    why some failed.
    """
    model = open_model(project, output_dir, outputs=True)
    ids = [] if sim_id is None else ids_or_place(model, sim_id)
    if len(ids) == 1:
        found = model.simulations[ids[0]].explain()
        found["advice"] = _advice(model, found) if found["reason"] else ""
        if as_json:
            print_json([found])
        else:
            _print_one(found, shown(model.project))
        return
    here = set(ids)
    rows = [row for row in model.failures() if not here or row["sim_id"] in here]
    for row in rows:
        row["advice"] = _advice(model, row)
    if ids:
        states = _states(model, ids)
        if as_json:
            failed = {row["sim_id"]: row for row in rows}
            nothing = dict.fromkeys(("reason", "detail", "advice"), "")
            print_json(
                [
                    {**nothing, **failed.get(sim_id, {}), "sim_id": sim_id, "state": state}
                    for sim_id, state in states.items()
                ]
            )
            return
        _print_place(str(sim_id), states)
    elif as_json:
        print_json(rows)
        return
    elif not rows:
        from stilt.project.progress import progress

        click.echo(_without_failures(progress(model.files), shown(model.project)))
    for _, group in groupby(sorted(rows, key=_remedy), key=_remedy):
        _print_failures(list(group))
    if ids:
        example = rows[0]["sim_id"] if rows else ids[0]
        click.echo(f"Each of them: stilt explain {shown(model.project)} {example}")


def _states(model: Model, ids: list[str]) -> dict[str, str]:
    """Return the state of each of some simulations."""
    table = model.index.frame(
        model.files.expected, where="list_contains(?, s.sim_id)", parameters=[ids]
    )
    return dict(zip(table["sim_id"], table["state"], strict=True))


def _print_place(place: str, states: Mapping[str, str]) -> None:
    """Print how many simulations at a place are in which state, and which; of many the first."""
    click.echo(f"{place}: {len(states):,} simulations")
    by_state: dict[str, list[str]] = {}
    for sim_id, state in states.items():
        by_state.setdefault(state, []).append(sim_id)
    for state, ids in by_state.items():
        click.echo(f"  {state}: {len(ids):,}")
        for sim_id in ids[:MOST_SHOWN]:
            click.echo(f"    {sim_id}")
        if (more := len(ids) - MOST_SHOWN) > 0:
            click.echo(f"    and {more:,} more (--json lists them all)")


def _without_failures(seen: Progress, project: str) -> str:
    """Say that nothing has failed, and what is left to do."""
    counts = seen.counts
    if not counts.total:
        return (
            f"Nothing has been run: `stilt check {project}` looks at the receptors, `stilt run "
            f"{project}` runs them."
        )
    if left := counts.total - counts.completed:
        said = f"No failure is recorded; {left:,} of {counts.total:,} simulations are not complete"
        if seen.going_on:
            return f"{said}, and are being run: `stilt status --watch {project}` follows them."
        return f"{said}: `stilt run {project}` goes on with them."
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


def _print_one(found: Mapping[str, Any], project: str) -> None:
    """The explanation of one simulation, a paragraph for each question."""
    click.echo(f"{found['sim_id']}\n  state: {found['state']}")
    if found["reason"]:
        click.echo(f"  cause: {found['reason']}: {found['detail']}\n  to do: {found['advice']}")
    elif found["state"] == "stale":
        click.echo(
            "  cause: another configuration, other weather or weather in another folder made its "
            f"outputs; `stilt status {project}` says more"
        )
    for path in found["files_gone"]:
        click.echo(f"  gone: {path}; `stilt run {project}` computes it again")
    for name, why in found["empty"].items():
        click.echo(f"  empty: footprint '{name}' is zero everywhere: {why}")
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
    is_older = found["log"] and not found["log_text"]
    older = " (of an earlier attempt, which failed)" if is_older else ""
    click.echo(f"  log: {found['log'] or fine}{older}")
    # Without a traceback it says no more than the cause.
    if "\nTraceback: " in found["log_text"] or not found["reason"]:
        for line in found["log_text"].splitlines():
            click.echo(f"    {line}")
    click.echo(f"  run it again: {found['command']}")
