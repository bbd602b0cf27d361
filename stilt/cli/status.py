"""`stilt status`: counts per state and per failure reason."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from stilt.cli.common import (
    EXIT_COMPLETE,
    counts_line,
    json_option,
    open_files,
    output_dir_option,
    print_json,
    project_argument,
    unlisted_text,
)
from stilt.errors import UsageError
from stilt.nearest_names import nearest_name
from stilt.project.moved_weather import moved_weather

if TYPE_CHECKING:
    from stilt.project.inputs import Project

LABELS = ("total", "completed", "running", "pending", "failed")
STALE_NOTE = (
    "Stale: outputs exist, but another configuration, other weather or weather in another folder "
    "made them; `stilt run` makes them again."
)
EMPTY_NOTE = (
    "Empty: {empty} of {completed} completed simulation(s); no particle came near the ground "
    "within a footprint's grid, so the footprints are zero everywhere."
)
MIXED_NOTE = (
    "Made by more than one: {makers}. Their numbers agree within rounding, not to the last byte; "
    "none of them is stale."
)


def status_report(files: Project, scene_id: str | None = None) -> dict[str, Any]:
    """Counts per state and per failure reason, ready for JSON."""
    counts = files.counts(scene_id).to_dict()
    return {
        "project": str(files.place),
        "scene_id": scene_id,
        **{label: counts[label] for label in (*LABELS, "stale", "empty")},
        "reasons": counts["reasons"],
        "made_by": counts["made_by"],
        "moved_weather": moved_weather(files) if counts["stale"] else [],
        "unlisted": files.index.unlisted_results(),
    }


def left_early(files: Project) -> str:
    """Return the sentence on particles that left the weather's grid early; "" without one."""
    from stilt.project.followed import left_early_text

    if files.expected is None:
        return ""
    return left_early_text(files.config, files.index.output_sizes(files.expected))


def print_status(report: dict[str, Any]) -> None:
    """One line per label; what is stale is indented below what is pending, reasons at the end."""
    lines = []
    for label in LABELS:
        lines.append((label, report[label]))
        if label == "pending" and report["stale"]:
            lines.append(("  stale", report["stale"]))
    lines += [(f"  {reason}", count) for reason, count in report["reasons"].items()]
    width = max(len(text) for text, _ in lines)
    for text, count in lines:
        click.echo(f"{text:<{width}}  {count}")
    if report["stale"]:
        click.echo(STALE_NOTE)
    for sentence in report["moved_weather"]:
        click.echo(sentence)
    if report.get("left_early"):
        click.echo(report["left_early"])
    if report["empty"]:
        click.echo(EMPTY_NOTE.format(empty=report["empty"], completed=report["completed"]))
    for sentence in unlisted_text(report["unlisted"]):
        click.echo(sentence)
    if len(report["made_by"]) > 1:
        makers = "; ".join(f"{number} by {maker}" for maker, number in report["made_by"].items())
        click.echo(MIXED_NOTE.format(makers=makers))


def print_times(seconds: dict[str, float], as_json: bool) -> None:
    """One line per part of the work with its seconds and its share of all."""
    if as_json:
        print_json(seconds)
        return
    total = sum(seconds.values())
    for part, spent in seconds.items():
        click.echo(f"{part:<12}{spent:>10.1f} s  {100 * spent / total:>5.1f} %")
    click.echo(f"{'all':<12}{total:>10.1f} s")


@click.command(
    epilog="""\b
Examples:
  stilt status ./case
  stilt status ./case --by-scene
  stilt status ./case --verify
  stilt status ./case --times
  stilt status ./case --watch
  stilt status ./case --json | jq .result.failed
"""
)
@project_argument()
@click.option("--scene-id", metavar="ID", help="Count the simulations of one scene only.")
@click.option("--by-scene", is_flag=True, help="One line of counts per scene.")
@click.option("--verify", is_flag=True, help="Look at all output files, and correct the index.")
@click.option("--times", is_flag=True, help="Seconds that workers spent on each part of the work.")
@click.option("--watch", "watched", is_flag=True, help="Follow the runs until they have ended.")
@click.option(
    "--interval",
    type=click.FloatRange(min=0.1),
    default=5.0,
    metavar="SECONDS",
    help="Between two looks with --watch.  [5]",
)
@output_dir_option
@json_option
def status(
    project: str | None,
    scene_id: str | None,
    by_scene: bool,
    verify: bool,
    times: bool,
    watched: bool,
    interval: float,
    output_dir: str | None,
    as_json: bool,
) -> int:
    """Show how many simulations of PROJECT are in which state, and why some failed.

    The counts come from the index, which takes no time; --verify examines the files. --watch
    follows runs wherever they were started: rate, time left, workers and their hosts, failures as
    they occur; its exit code is 1 if not everything is complete in the end.
    """
    if watched and (as_json or by_scene or times or scene_id):
        raise UsageError("--watch goes with --verify, --interval and --output-dir only.")
    files = open_files(project, output_dir)
    if verify:
        files.verify()
    if watched:
        from stilt.cli.watch import watch

        return watch(files, interval)
    if times:
        print_times(files.index.times(), as_json)
        return EXIT_COMPLETE
    if by_scene:
        scenes = {scene: each.to_dict() for scene, each in files.scene_counts().items()}
        if as_json:
            print_json(scenes)
        elif not scenes:
            click.echo("Scenes: none")
        else:
            for scene, counts in scenes.items():
                click.echo(f"{scene}  {counts_line(counts)}")
            everything = files.counts().to_dict()
            rest = {
                label: everything[label] - sum(counts[label] for counts in scenes.values())
                for label in LABELS
            }
            if rest["total"]:
                click.echo(f"without a scene  {counts_line(rest)}")
        return EXIT_COMPLETE
    if scene_id is not None and scene_id not in (known := sorted(files.scene_counts())):
        raise UsageError(f"Unknown scene '{scene_id}': {nearest_name(scene_id, known)}")
    report = status_report(files, scene_id)
    report["left_early"] = left_early(files)
    if as_json:
        print_json(report)
        return EXIT_COMPLETE
    print_status(report)
    for holder in files.elsewhere():
        click.echo(f"Computed by {holder}: what it is computing counts as pending here.")
    return EXIT_COMPLETE
