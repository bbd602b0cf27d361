"""`stilt run`: register what is pending and compute it."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from stilt.cli.common import (
    EXIT_COMPLETE,
    NO_RECEPTORS,
    Interrupted,
    compute_root_option,
    counts_line,
    exit_code,
    json_option,
    output_dir_option,
    print_json,
    project_argument,
    project_root,
    require_registered,
    time_format_option,
    unlisted_text,
)
from stilt.cli.progress import RunProgress
from stilt.errors import StiltError, UsageError
from stilt.roots import below, shown

if TYPE_CHECKING:
    from stilt.project.index_queries import OutputSizes
    from stilt.project.inputs import Project

NO_SKIP_INTERRUPTED = (
    "Interrupted. What is finished is new, the rest is as before: the same command begins with the "
    "first simulation again, and without --no-skip a run makes only what is missing."
)


@click.command(
    epilog="""\b
Examples:
  stilt run ./case
  stilt run ./case --backend local --n-workers 4
  stilt run --config ./case/config.yaml --no-skip
"""
)
@project_argument()
@click.option("--backend", metavar="NAME", help="Where to run.  [default: the config's, local]")
@click.option(
    "--n-workers",
    type=click.IntRange(min=1),
    help="Worker processes; 1 runs inline.  [default: the config's, 1]",
)
@click.option(
    "--config",
    type=click.Path(exists=True, dir_okay=False),
    help="A config.yaml; the project is its folder.",
)
@time_format_option
@click.option("--no-skip", is_flag=True, help="Recompute everything, even what exists.")
@click.option("--wait/--no-wait", default=False, help="Wait for a detached backend.  [no-wait]")
@click.option("--rebuild/--no-rebuild", default=None, help="Read the index from the outputs first.")
@output_dir_option
@compute_root_option
@json_option
def run(
    project: str | None,
    backend: str | None,
    n_workers: int | None,
    config: str | None,
    time_format: str | None,
    no_skip: bool,
    wait: bool,
    rebuild: bool | None,
    output_dir: str | None,
    compute_root: str | None,
    as_json: bool,
) -> int:
    """Run all simulations of PROJECT (default: the current directory) that are not complete."""
    root = _root(project, config, output_dir)

    def say(text: str) -> None:
        click.echo(text, err=as_json)

    with ExitStack() as stack:
        model, executor = _prepare(
            stack, root, backend, n_workers, output_dir, compute_root, time_format, no_skip
        )
        local = not executor.detaches
        say(_headline(model, executor, no_skip))
        for line in _roots(model):
            say(line)
        receptors = model.receptors
        say(f"Receptors loaded: {len(receptors)}")
        require_registered(model)
        if not receptors:
            say(NO_RECEPTORS)
        mode = "local-blocking" if local else f"submit-and-{'wait' if wait else 'return'}"
        say(f"Execution mode: {mode}")
        try:
            ran = model.run(
                executor=executor,
                skip_existing=False if no_skip else None,
                rebuild=rebuild,
                wait=local or wait,
                observer=stack.enter_context(RunProgress(model, say)),
            )
        except KeyboardInterrupt:
            if no_skip:
                raise Interrupted(NO_SKIP_INTERRUPTED) from None
            raise
    if ran.detached and not wait:
        say(f"Submitted job: {ran.job_id}")
        say(f"How far it is: stilt status {shown(model.project)}")
        if as_json:
            print_json({"project": str(model.project), "job_id": ran.job_id})
        return EXIT_COMPLETE
    counts = model.status()
    say(f"Project: {model.name}  {counts_line(counts)}")
    ends = (
        *_failures(model, ran),
        *([ran.outcome.retried_sentence] if ran.outcome.retried else []),
        *_next_steps(model, counts),
        *_unlisted(model, receptors, counts),
    )
    for line in ends:
        click.echo(line, err=True)
    if as_json:
        print_json(
            {
                "project": str(model.project),
                "job_id": ran.job_id,
                **counts,
                "reasons": ran.reasons,
            }
        )
    return exit_code(counts)


def _failures(model: Any, ran: Any) -> list[str]:
    """What has failed: one simulation for each reason, how many more, and where all are listed."""
    said: dict[str, set[str]] = {}
    for problem in ran.said:
        for sim_id, reason in zip(problem.sim_ids, problem.reasons, strict=True):
            said.setdefault(reason, set()).add(sim_id)

    def was_said(row: Mapping[str, str]) -> bool:
        return row["sim_id"] in said.get(row["reason"], ())

    first: dict[str, Any] = {}
    for row in sorted(ran.failures, key=was_said):
        first.setdefault(row["reason"], row)
    lines = []
    for reason, row in first.items():
        why = ", as said before the run." if was_said(row) else f": {row['detail']}"
        lines.append(f"{row['sim_id']}: {reason}{why}")
        if (more := ran.reasons[reason] - 1) > 0:
            lines.append(f"  and {more:,} more: {reason}")
    if lines:
        example = next(iter(first.values()))["sim_id"]
        where = shown(model.project)
        if len(ran.failures) > len(first):
            lines.append(f"All failures and what to do: stilt explain {where}")
        lines.append(f"Cause, weather, log and what to do: stilt explain {where} {example}")
    return lines


def _unlisted(model: Any, receptors: Any, counts: Mapping[str, int]) -> list[str]:
    """Say that results of earlier receptors are still used, and those without still run."""
    if counts["total"] <= len(receptors) * len(model.config.simulated_mets):
        return []
    said = unlisted_text(model.index.unlisted_results())
    left = sorted(model.simulations.incomplete(listed=False))
    if not left:
        return said
    state = shown(below(model.project, ".stilt"))
    return [
        *said,
        f"{len(left):,} simulation(s) without results, such as {left[0]}, are of receptors that "
        f"receptors.csv does not list now, and every run tries them: remove {state} while nothing "
        "runs, and only what is listed or has results is left.",
    ]


def _next_steps(model: Any, counts: Mapping[str, int]) -> list[str]:
    """Where the results are, what to know of them, and how to look at them."""
    from stilt.project.followed import left_early_text

    if not counts["completed"]:
        return []
    # A folder of results is a project too, and the command needs no --output-dir.
    place = shown(model.files.outputs)
    folder = ("store",) if model.config.output.layout == "store" else ("simulations", "by-id")
    files = model.files
    sizes = files.index.output_sizes(files.expectations)
    lines = [f"Results are in {below(files.outputs, *folder)}: {_size_text(sizes)}."]
    lines += filter(None, [left_early_text(model.config, sizes)])
    if model.config.footprints:
        lines.append(f"Pictures: stilt plot {place}; all on one page: stilt report {place}")
    lines.append(f"Where the time went: stilt status {place} --times")
    return lines


def _size_text(sizes: OutputSizes) -> str:
    """How much room all results take, as the index knows it without a look at the files."""
    from stilt.meteorology.weather_cache import size_text

    parts = {"particles": sizes.particle_bytes, "footprints": sizes.footprint_bytes}
    listed = ", ".join(f"{name} {size_text(nbytes)}" for name, nbytes in parts.items() if nbytes)
    return f"{size_text(sum(parts.values()))} ({listed})"


def _root(project: str | None, config: str | None, output_dir: str | None) -> str:
    if config is None:
        return project_root(project, output_dir)
    if project is not None:
        raise UsageError("Give PROJECT or --config, not both.")
    path = Path(config).resolve()
    if path.name != "config.yaml":
        raise UsageError(
            f"--config takes a file named config.yaml in a project, not '{path.name}'."
        )
    return str(path.parent)


def _prepare(
    stack: ExitStack,
    root: str,
    backend: str | None,
    n_workers: int | None,
    output_dir: str | None,
    compute_root: str | None,
    time_format: str | None,
    no_skip: bool,
) -> tuple[Any, Any]:
    """The model and its executor, which starts slow things while the model reads its inputs."""
    from stilt.execution.backend import get_executor
    from stilt.project.inputs import Project

    project = Project(root, output_dir=output_dir, compute_root=compute_root)
    mapping = project.config.execution.to_dict()
    if backend is not None and backend != mapping["backend"]:
        mapping = {"backend": backend, "n_workers": mapping["n_workers"]}
    if n_workers is not None:
        mapping["n_workers"] = n_workers
    executor = get_executor(mapping)
    if no_skip or not _seems_complete(project):
        stack.enter_context(executor.prepare(project.layout.root))
    from stilt import Model

    return Model(project=project, time_format=time_format), executor


def _seems_complete(project: Project) -> bool:
    """Return whether the index knows of nothing to compute, and no input is newer than it."""
    index = project.layout.index
    if project.home is not None or project.remote is not None or not index.exists():
        return False
    inputs = (project.root / "config.yaml", project.layout.config, project.receptor_file)
    read_s = index.stat().st_mtime
    if any(path and path.exists() and path.stat().st_mtime > read_s for path in inputs):
        return False
    try:
        counts = project.counts()
    except StiltError:
        return False  # the run says what is wrong
    return 0 < counts.total == counts.completed


def _headline(model: Any, executor: Any, no_skip: bool) -> str:
    return (
        f"Starting run: project={model.project}  backend={executor.name}  "
        f"dispatch={executor.dispatch}  workers={executor.n_workers}  "
        f"skip={'no-skip' if no_skip else 'config'}"
    )


def _roots(model: Any) -> list[str]:
    lines = []
    if model.files.output_root != str(model.project):
        lines.append(f"Output root: {model.files.output_root}")
    if model.files.has_compute_root:
        lines.append(f"Compute root: {model.compute_root}")
    return lines
