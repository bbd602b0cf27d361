"""One simulation: its files, its state, and computing it alone."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from stilt.errors import ConfigValidationError, Reason, SimulationError
from stilt.execution.failures import is_our_block, last_block
from stilt.execution.stored import stored_outputs
from stilt.execution.task import Task
from stilt.footprint.empty import empty_text
from stilt.project.files_of import files_of
from stilt.project.inputs import Project
from stilt.project.keys import ERROR_SUFFIX, parse_footprint_keys
from stilt.project.kinds import ERROR_PARTICLES, FOOTPRINTS, PARTICLES
from stilt.project.reading import Located, locate, read_footprint, read_trajectories
from stilt.project.receipts import Result
from stilt.project.registration import receptor_json
from stilt.receptors import Receptor, SimID
from stilt.roots import Place, place_of
from stilt.store import opened

if TYPE_CHECKING:
    from stilt.config import ModelConfig
    from stilt.footprint import Footprint
    from stilt.trajectories import Trajectories


class Simulation:
    """One receptor in one meteorology. Nothing is read before it is asked for.

    Attributes:
        id: the simulation's id.
        receptor: its receptor.
    """

    def __init__(self, sim_id: str, receptor: Receptor, project: Project) -> None:
        self.id = SimID(sim_id)
        self.receptor = receptor
        self._project = project

    @property
    def project(self) -> Place:
        """Folder of the project that it belongs to, or the text of its URL."""
        return self._project.place

    @property
    def params(self) -> ModelConfig:
        """The configuration."""
        return self._project.config

    @property
    def directory(self) -> Path:
        """Folder of the simulation's files."""
        return self._project.layout.simulation_dir(self.id)

    @property
    def files(self) -> list[Path]:
        """Files in the simulation's folder, by name; outputs in the store have none."""
        if not self.directory.is_dir():
            return []
        return sorted(path for path in self.directory.iterdir() if not path.name.startswith("."))

    @property
    def met_dir(self) -> Place | tuple[Place, ...]:
        """Folder of the weather files, or the URL of a store, or several of them."""
        return self.params.mets[self.id.met].directory

    @property
    def log_path(self) -> Path:
        """The simulation's log."""
        return self._project.output_files.local_copy(self._project.layout.log(self.id))

    @property
    def trajectories_path(self) -> Path:
        """Particles of the main run; written from the store if they are kept there."""
        return self._file(PARTICLES)

    @property
    def error_trajectories_path(self) -> Path:
        """Particles of the run with perturbed weather; as :attr:`trajectories_path`."""
        return self._file(ERROR_PARTICLES)

    def footprint_path(self, name: str = "") -> Path:
        """A footprint's file; written from the store if it is kept there."""
        return self._file(FOOTPRINTS, name)

    def _located(self, kind: str, name: str = "") -> Located:
        return locate(self._project, [str(self.id)], kind, name)[0]

    def _file(self, kind: str, name: str = "") -> Path:
        found = self._located(kind, name)
        return files_of(self._project, [found], kind, name)[0] if found.shard else found.path

    @property
    def is_backward(self) -> bool:
        """Whether particles are followed back in time."""
        return self.params.n_hours < 0

    @property
    def time_range(self) -> tuple[pd.Timestamp, pd.Timestamp]:
        """Hours that footprints may cover: backward [t + n_hours, t], forward an hour more."""
        time, span = self.receptor.time, pd.Timedelta(hours=self.params.n_hours)
        if self.is_backward:
            return time + span, time
        return time, time + span + pd.Timedelta(hours=1)

    @property
    def status(self) -> str | None:
        """``complete``, ``failed:<REASON>``, or None while neither is known."""
        task = self._task(skip=True)
        task.look()
        if task.finish().state == "complete":
            return "complete"
        rows = self._project.index.rows([self.id], ("state", "reason"))
        if rows and rows[0]["state"] == "failed":
            return f"failed:{rows[0]['reason']}"
        return None

    def explain(self) -> dict[str, Any]:
        """Describe how this simulation ended, with which weather, and how to run it again.

        Returns:
            sim_id, state, reason and detail (the one cause, "" when there is none), attempts,
            host, batch_id and finished_at of the last attempt, weather_used (files of the last
            attempt), files_gone (outputs that the index has and that are not there any more),
            empty (why footprints are zero everywhere, by name), weather_lacked
            (hours that the files there are now do not hold), weather_error and
            weather_reason ("" when a run would find all it needs), remarks (what looks odd in
            the weather or the release heights), log ("" or its path), log_text (its last block,
            "" where a later attempt is complete), and command (which runs this simulation alone).
        """
        index = self._project.index
        names = ("reason", "detail", "attempts", "host", "batch_id", "finished_at", "met_files")
        row = next(iter(index.rows([self.id], names)), dict.fromkeys(names))
        state = index.state(str(self.id), self._project.expectations)
        used = json.loads(row["met_files"] or "[]")
        log = self.log_path if self.log_path.exists() else None
        gone = [str(path) for path in self.gone()]
        redo = " --no-skip-existing" if state == "complete" and not gone else ""
        return {
            "sim_id": str(self.id),
            "state": state or "not registered",
            **{name: row[name] for name in names[:-1]},
            "weather_used": used,
            "files_gone": gone,
            "empty": self._empty_footprints(),
            **self._look_at_weather(used),
            "log": "" if log is None else str(log),
            "log_text": "" if log is None else _of_last_attempt(log, state),
            "command": f"echo {shlex.quote(str(self.id))} | stilt push-worker "
            f"{shlex.quote(str(self._project.place))} --chunk -{redo}",
        }

    def _empty_footprints(self) -> dict[str, str]:
        """Return why footprints are zero everywhere, by name."""
        found = self._project.index.sql(
            "SELECT name, empty_reason FROM footprints "
            "WHERE sim_id = ? AND coalesce(empty_reason, '') <> ''",
            [str(self.id)],
        )
        return {
            str(name): empty_text(str(reason))
            for name, reason in zip(found["name"], found["empty_reason"], strict=True)
        }

    def gone(self) -> list[Path]:
        """Return files of outputs that the index has and that are not there any more."""
        rows = self._project.index.rows([self.id], ("transport_key", "error_key", "footprint_keys"))
        found: list[Path] = []
        for row in rows:
            names = parse_footprint_keys(row["footprint_keys"])[0]
            outputs = [(FOOTPRINTS, name) for name in names]
            outputs += [(PARTICLES, "")] if row["transport_key"] else []
            outputs += [(ERROR_PARTICLES, "")] if row["error_key"] else []
            found += [
                path
                for path in (self._located(kind, name).path for kind, name in outputs)
                if not (path.exists() or path.with_suffix(".empty").exists())
            ]
        return found

    def _look_at_weather(self, used: Sequence[str]) -> dict[str, Any]:
        """Return what :meth:`explain` says about weather files: those used, those there now."""
        from stilt.meteorology.coverage import check_coverage
        from stilt.meteorology.nest import catalogue_of
        from stilt.meteorology.weather_notes import WeatherNotes

        catalogue = catalogue_of(self.params.mets, self.id.met, self._project.cache_dir)
        (found,) = check_coverage(catalogue, [self.receptor], self.params.n_hours, self.params)
        paths = [*used, *(ref.path for ref in found.analyses)]
        odd = WeatherNotes(self._project.cache_dir).of(paths)
        remarks = [text for text in (found.height, found.overlap, *odd.values()) if text]
        return {
            "weather_lacked": [str(time) for time in found.missing],
            "weather_error": found.detail,
            "weather_reason": str(found.reason or ""),
            "remarks": remarks,
        }

    @property
    def log(self) -> str:
        """Text of the log.

        Raises:
            FileNotFoundError: nothing has gone wrong so far.
        """
        return self.log_path.read_text(encoding="utf-8")

    @cached_property
    def source_met_files(self) -> list[Place]:
        """Weather files that the simulation's hours need, as the configuration finds them.

        Raises:
            MeteorologyError: weather is missing.
        """
        from stilt.meteorology.nest import catalogue_of

        catalogue = catalogue_of(self.params.mets, self.id.met, self._project.cache_dir)
        return catalogue.files(self.receptor.time, self.params.n_hours)

    @property
    def met_files(self) -> list[Place]:
        """Weather files that the stored trajectory was computed with; none without one."""
        found = self._located(PARTICLES)
        if not found.exists():
            return []
        if found.shard:
            used = opened(found.path).stored(str(self.id)).shared["met_files"]
        else:
            from stilt.trajectories import read_metadata

            used = read_metadata(found.path)["met_files"]
        return [place_of(path) for path in used]

    @property
    def trajectories(self) -> Trajectories | None:
        """Particles of the main run; None when they are not there."""
        return _particles(self._located(PARTICLES))

    @property
    def error_trajectories(self) -> Trajectories | None:
        """Particles of the perturbed run; None when they are not there."""
        return _particles(self._located(ERROR_PARTICLES))

    def get_footprint(self, name: str = "") -> Footprint | None:
        """A stored footprint; None when it is not there."""
        found = self._located(FOOTPRINTS, name)
        return read_footprint(found) if found.exists() else None

    def run_trajectories(
        self,
        timeout: float | None = None,
        rm_dat: bool | None = None,
        write: bool = False,
        *,
        error: bool = False,
    ) -> Trajectories:
        """Run the transport of this simulation alone, in this process.

        Args:
            timeout: seconds after which the run is abandoned.
            rm_dat: accepted for compatibility with PYSTILT; has no effect.
            write: keep the particles in the simulation's folder.
            error: make the error run, with perturbed weather, instead of the main run.

        Raises:
            ConfigValidationError: an error run without error parameters.
            SimulationError: weather is missing or the transport failed.
        """
        from stilt.execution.single import particles_of

        del rm_dat
        task = self._task(skip=False)
        return particles_of(task, timeout=timeout, write=write, is_error=error)

    def generate_footprint(self, name: str = "", *, write: bool = False) -> Footprint:
        """Make a configured footprint from the stored trajectory, computed first if missing.

        Args:
            name: of the footprint; may be left out when only one is configured. ``<name>_error``
                is made from the error run, for a footprint with ``error: true``.
            write: keep it in the simulation's folder.

        Raises:
            ConfigValidationError: no footprint of that name is configured.
            SimulationError: the transport or the footprint failed.
        """
        from stilt.footprint import Footprint

        configured = self.params.footprints
        if not name and len(configured) == 1:
            name = next(iter(configured))
        is_error = name.endswith(ERROR_SUFFIX)
        settings = configured.get(name.removesuffix(ERROR_SUFFIX))
        if settings is None or (is_error and not settings.error):
            raise ConfigValidationError(
                f"No footprint is named '{name}': configured are {', '.join(configured) or 'none'}."
            )
        stored = self.error_trajectories if is_error else self.trajectories
        stored = stored or self.run_trajectories(write=write, error=is_error)
        footprint = Footprint.calculate(
            stored.particles, self.receptor, settings, name, heights_msl=self.params.heights_msl
        )
        if write:
            task = self._task(skip=True)
            task.look()
            if name in task.missing_footprints:
                task.missing_footprints = [name]
                task.make_footprints(stored.particles, is_error=is_error)
            _raise_failure(task)
        return footprint

    def _task(self, *, skip: bool) -> Task:
        met = self.id.met
        if met not in self._project.expectations:
            raise ConfigValidationError(f"config.yaml has no meteorology named '{met}'.")
        result = Result(str(self.id), receptor_json(self.receptor))
        expected = self._project.expectations[met]
        task = Task(str(self.id), self.receptor, self._project, expected, skip, result)
        if skip:
            task.stored = stored_outputs(self._project, [str(self.id)]).get(str(self.id), {})
        return task

    def __fspath__(self) -> str:
        return str(self.directory)

    def __repr__(self) -> str:
        return f"<Simulation {self.id}>"


def _particles(located: Located) -> Trajectories | None:
    return read_trajectories(located) if located.exists() else None


def _raise_failure(task: Task) -> None:
    failure = task.failure
    if failure is not None:
        raise SimulationError(failure.detail, reason=Reason(failure.reason), sim_id=task.sim_id)


def _of_last_attempt(log: Path, state: str) -> str:
    """Return the last block of a log; "" where an attempt after that one is complete."""
    text = last_block(log.read_text(encoding="utf-8", errors="replace"))
    return "" if state == "complete" and is_our_block(text) else text
