"""Find what makes a whole run impossible: `stilt check` reports it, and a run refuses it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from stilt.errors import ConfigValidationError, StiltError
from stilt.execution.memory import machine_memory_bytes
from stilt.execution.setup import refuse_missing_gpu

if TYPE_CHECKING:
    from stilt.config import FootprintConfig, ModelConfig
    from stilt.project.inputs import Project

_BYTES = 8


def refusals(files: Project) -> list[str]:
    """Return one sentence for each thing that a run of a project would refuse; starts nothing.

    Whether outputs on a URL may be written is tried with a small file, which is removed again.
    """
    said = [*impossible(files.config)]
    steps: list[Callable[[], None]] = [lambda: _check_backend(files), files.require_folders]
    if files.config.execution.backend == "local":
        steps.append(lambda: refuse_missing_gpu(files))
    if files.remote is not None:
        steps.append(files.remote.check_writing)
    for step in steps:
        try:
            step()
        except StiltError as error:
            said.append(str(error))
    if not _is_writable(files.layout.root):
        said.append(
            f"{files.layout.root} cannot be written to: give write permission, or write to another "
            "folder with --output-dir."
        )
    return said


def refuse_impossible(config: ModelConfig) -> None:
    """Refuse a configuration that cannot be computed on this machine.

    Raises:
        ConfigValidationError: the first sentence of :func:`impossible`.
    """
    for said in impossible(config):
        raise ConfigValidationError(said)


def impossible(config: ModelConfig) -> Iterator[str]:
    """Yield a sentence for each setting with which no simulation can end well on this machine."""
    memory = machine_memory_bytes()
    hours = abs(config.n_hours)
    table = hours * 60 * config.numpar * (len(config.varsiwant) + 2) * _BYTES
    if table > memory:
        yield (
            f"numpar: {config.numpar} over {hours} hours needs {_gb(table)} of memory for the "
            f"particles of one receptor, and this machine has {_gb(memory)}: use fewer particles "
            "or hours."
        )
    for name, footprint in config.footprints.items():
        try:
            cells = _cells(footprint)
        except ConfigValidationError as error:
            yield f"footprints.{name}.grid: {error}"
            continue
        layers = 1 if footprint.time_integrate else hours
        needed = cells * layers * _BYTES
        if needed > memory:
            yield (
                f"footprints.{name}.grid: {cells:,} cells times {layers} layer(s) need "
                f"{_gb(needed)} of memory, and this machine has {_gb(memory)}: make the cells "
                "larger or the grid smaller, or set time_integrate: true."
            )


def _cells(footprint: FootprintConfig) -> int:
    from stilt.footprint.cell_grid import CellGrid

    frame = CellGrid.of(footprint.grid)
    return frame.x.count * frame.y.count


def _check_backend(files: Project) -> None:
    from stilt.execution.backend import get_executor

    executor = get_executor(files.config.execution)
    if files.remote is not None:
        files.remote.check(executor.n_workers if executor.on_this_machine else 2)
    executor.check(output_root=files.layout.root)


def _is_writable(folder: Path) -> bool:
    """Return whether a folder could be made, or written to if it is there."""
    for place in (folder, *folder.parents):
        if place.exists():
            return place.is_dir() and os.access(place, os.W_OK | os.X_OK)
    return False


def _gb(nbytes: int) -> str:
    return f"{nbytes / 1e9:,.1f} GB"
