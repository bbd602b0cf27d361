"""One simulation: what it has, what it lacks, and making its files."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stilt.errors import SimulationError
from stilt.execution.failures import Failure, log_failure
from stilt.execution.particles import followed_share
from stilt.execution.pieces import Piece, footprint_piece, particle_piece
from stilt.execution.stored import InShard
from stilt.interrupts import raise_if_interrupted
from stilt.project.artifacts import (
    DamagedArtifactError,
    Made,
    Stamp,
    footprint_attributes,
    made_of,
    trajectory_texts,
)
from stilt.project.inputs import Project
from stilt.project.keys import (
    ERROR_SUFFIX,
    Expectation,
    content_hash,
    is_made_by,
    key_in,
    receptor_key,
    weather_in,
)
from stilt.project.kinds import ENDS, ERROR_PARTICLES, FOOTPRINTS, PARTICLES
from stilt.project.receipts import FootprintEntry, Result, now
from stilt.receptors import Receptor, met_of
from stilt.timing import timed
from stilt.version import __version__

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from stilt.trajectories import Trajectories
    from stilt.transport.particle_rows import ReleaseRows
    from stilt.transport.transport_batch import CollectedRows, Table

logger = logging.getLogger(__name__)

ERROR_PHASE = "error trajectory"

_Found = tuple[Made, Stamp, str]

_LEFT_BEHIND = ("project", "expected", "stored", "outbox")


@dataclass
class Task:
    """A simulation in a batch.

    Attributes:
        sim_id: its id.
        receptor: its receptor.
        project: the project it belongs to.
        expected: outputs that make it complete.
        skip: keep outputs that this configuration made.
        result: what the receipt will say.
        failure: what stopped it, None while nothing has.
        met_files: weather files of its window.
        weather: what they hold; see :mod:`stilt.meteorology.fingerprint`.
        stored: outputs that it has in the store, by kind and name.
        outbox: takes outputs to the store; None where they become files.
    """

    sim_id: str
    receptor: Receptor
    project: Project
    expected: Expectation
    skip: bool
    result: Result
    failure: Failure | None = None
    met_files: tuple[str, ...] = ()
    weather: str = ""
    missing_footprints: list[str] = field(default_factory=list)
    lacks_particles: bool = True
    lacks_error_particles: bool = False
    stored: Mapping[tuple[str, str], InShard] = field(default_factory=dict)
    outbox: Callable[[Piece], None] | None = None

    def __post_init__(self) -> None:
        self._receptor_key = receptor_key(self.receptor)

    def __getstate__(self) -> dict[str, Any]:
        """All but what another process finds by itself; see :meth:`attach_to`."""
        return {name: value for name, value in vars(self).items() if name not in _LEFT_BEHIND}

    def attach_to(self, project: Project) -> None:
        """Attach this task to a project in another process, to which it was sent."""
        self.project = project
        self.stored, self.outbox = {}, None
        self.expected = project.expectations[met_of(self.sim_id)]

    def look(self) -> None:
        """Find out which outputs exist and were made by this configuration."""
        layout, result = self.project.layout, self.result
        for name, key in self.expected.footprints.items():
            found = self._valid(FOOTPRINTS, name, layout.footprint(self.sim_id, name), key)
            if found is None:
                self.missing_footprints.append(name)
            else:
                made, stamp, shard = found
                result.footprints[name] = FootprintEntry(
                    key_in(made.hash) or "", made.total, made.empty_reason, *stamp, shard
                )
        main = layout.trajectory(self.sim_id)
        if found := self._valid(PARTICLES, "", main, self.expected.transport):
            made, stamp, result.trajectory_shard = found
            result.transport_key = key_in(made.hash)
            result.trajectory_bytes, result.trajectory_mtime_us = stamp
        error = layout.error_trajectory(self.sim_id)
        wanted = self.expected.error
        if wanted is not None and (found := self._valid(ERROR_PARTICLES, "", error, wanted)):
            made, stamp, result.error_shard = found
            result.error_key = key_in(made.hash)
            result.error_bytes, result.error_mtime_us = stamp
        self.lacks_particles = self._lacks(False, result.transport_key)
        self.lacks_error_particles = wanted is not None and self._lacks(True, result.error_key)

    def lacks(self, *, is_error: bool) -> bool:
        """Whether the main run, or the error run, of the transport is still to be made."""
        return self.lacks_error_particles if is_error else self.lacks_particles

    def _lacks(self, is_error: bool, have: str | None) -> bool:
        """Whether a run of the transport is needed."""
        if self.project.config.trajectories:
            return have is None
        return have is None and bool(self._footprints_to_make(is_error))

    @property
    def made_before(self) -> bool:
        """Whether it lacks particles although a footprint of it exists, current or not."""
        layout = self.project.layout
        return self.lacks_particles and any(
            (FOOTPRINTS, name) in self.stored or layout.footprint(self.sim_id, name).exists()
            for name in self.expected.footprints
        )

    def _footprints_to_make(self, is_error: bool) -> list[str]:
        return [n for n in self.missing_footprints if n.endswith(ERROR_SUFFIX) == is_error]

    def _valid(self, kind: str, name: str, path: Path, key: str) -> _Found | None:
        """An output in the store or a file, if it is of this configuration and receptor."""
        if not self.skip:
            return None
        if (kept := self.stored.get((kind, name))) is not None and self._is_ours(kept.made, key):
            return kept.made, kept.stamp, kept.shard
        try:
            made = made_of(self.project.output_files.local_copy(path))
        except DamagedArtifactError as error:
            logger.warning("%s; it is computed again.", error)
            return None
        if made is None or not self._is_ours(made, key):
            return None
        return made, self.project.output_files.stamp(path), ""

    def _is_ours(self, made: Made, key: str) -> bool:
        """Whether an output is of this configuration, receptor and weather, which is noted."""
        keys = self.expected.accepted(key)
        if not any(is_made_by(made.hash, each, self._receptor_key) for each in keys):
            return False
        weather = weather_in(made.hash)
        if self.project.has_other_weather(made.met_files, weather):
            return False
        self.met_files, self.weather = made.met_files, weather
        self.result.device, self.result.jax = made.device, made.jax
        return True

    def computed_on(self, device: str, jax: str) -> None:
        """Note the kind of device, and the version of JAX, that computed its particles."""
        self.result.device, self.result.jax = device, jax

    def _made(self, key: str, total: float | None = None) -> Made:
        """What a file made now says about itself."""
        return Made(
            content_hash(key, self._receptor_key, self.weather),
            total=total,
            met_files=self.met_files,
            device=self.result.device,
            jax=self.result.jax,
            version=__version__,
        )

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Turn an exception of the block into this simulation's failure; interrupts pass."""
        try:
            yield
        except Exception as error:
            raise_if_interrupted(error)
            self.fail(Failure.of(error, name))

    def fail(self, failure: Failure) -> None:
        """Note the first failure, in the log and on stderr as well."""
        if self.failure is not None:
            return
        self.failure = failure
        logger.error("%s: %s: %s", self.sim_id, failure.reason, failure.detail)
        log_failure(self.project, self.sim_id, failure)

    def receive(
        self,
        rows: CollectedRows,
        *,
        is_error: bool = False,
        corrected: bool = False,
    ) -> None:
        """Take the particles of a run of the transport: correct, keep, and make footprints.

        Args:
            rows: the particles, or what stopped them.
            is_error: they are those of the error run.
            corrected: their influence is corrected for the near field already.
        """
        with self.phase(ERROR_PHASE if is_error else "trajectory"):
            if isinstance(rows, SimulationError):
                raise rows
            with timed("transport"):
                table = _table_of(rows)
            if isinstance(table, SimulationError):
                raise table
            particles = table if corrected else self.corrected(table)
            if not is_error:
                self._count(particles)
            if self.project.config.trajectories:
                self.keep(self.trajectories(particles, is_error=is_error))
            elif self.project.config.keeps_ends and not is_error:
                self.keep_ends(particles, rows.at_ends)
            self.make_footprints(particles, is_error=is_error)

    def make_from_stored(self) -> None:
        """Make missing footprints from trajectories that exist."""
        for is_error, have in ((False, self.result.transport_key), (True, self.result.error_key)):
            if self.failure is None and have and self._footprints_to_make(is_error):
                with self.phase("trajectory"):
                    particles = self._kept(is_error=is_error).particles
                    if not is_error:
                        self._count(particles)
                    self.make_footprints(particles, is_error=is_error)

    def _count(self, particles: pd.DataFrame) -> None:
        """Note the size of the main run's table, and how long its particles were followed."""
        self.result.n_rows = len(particles)
        self.result.followed = followed_share(particles, self.project.config)

    def _kept(self, *, is_error: bool) -> Trajectories:
        """Read particles that exist."""
        from stilt.trajectories import Trajectories

        layout, result = self.project.layout, self.result
        if result.error_shard if is_error else result.trajectory_shard:
            from stilt.store.particle_rows import particles_of

            kept = self.stored[ERROR_PARTICLES if is_error else PARTICLES, ""]
            return particles_of(kept.reader, self.sim_id)
        path = (layout.error_trajectory if is_error else layout.trajectory)(self.sim_id)
        return Trajectories.from_parquet(path)

    def make_footprints(self, particles: pd.DataFrame, *, is_error: bool) -> None:
        """Make the missing footprints of these particles; the first failure ends it."""
        for name in self._footprints_to_make(is_error):
            with self.phase(f"footprint:{name}"):
                self._make_footprint(particles, name)
            if self.failure is not None:
                return

    def finish(self) -> Result:
        """Complete the receipt's entry."""
        result, config = self.result, self.project.config
        result.finished_at = now()
        result.met_files, result.weather = self.met_files, self.weather
        result.seconds = (result.finished_at - result.started_at).total_seconds()
        expected = self.expected
        complete = set(expected.footprints) <= set(result.footprints)
        if config.trajectories:
            complete &= result.transport_key is not None
            complete &= expected.error is None or result.error_key is not None
        if self.failure is not None:
            result.reason, result.detail = self.failure.reason, self.failure.detail
            # The main run is done: only its companion is missing, and that is not a failure.
            companion = self.failure.phase == ERROR_PHASE
            result.state = "pending" if companion else "failed"
            if companion:
                result.detail = f"Error run: {result.detail}"
        else:
            result.state = "complete" if complete else "pending"
        return result

    def corrected(self, table: pd.DataFrame) -> pd.DataFrame:
        """Particles with the near-field correction, when the configuration asks for it."""
        config = self.project.config
        if not config.hnf_plume:
            return table
        with timed("import"):
            from stilt.footprint.near_field import apply_near_field

        with timed("near field"):
            return apply_near_field(
                table,
                receptor=self.receptor,
                veght=config.veght,
                heights_msl=config.heights_msl,
            )

    def trajectories(self, particles: pd.DataFrame, *, is_error: bool) -> Trajectories:
        """Particles with what they were computed from."""
        from stilt.trajectories import Trajectories

        params = self.project.config.transport_dict(error_run=True)
        return Trajectories(
            particles,
            self.receptor,
            params={**params, "met": met_of(self.sim_id)},
            met_files=self.met_files,
            is_error=is_error,
        )

    def keep(self, stored: Trajectories) -> None:
        """Publish a trajectory file."""
        layout = self.project.layout
        key = self.expected.error if stored.is_error else self.expected.transport
        assert key is not None
        if self.outbox is not None:
            with timed("writing"):
                piece = particle_piece(self.sim_id, stored, self._made(key), key)
            self.outbox(piece)
            return
        final = (layout.error_trajectory if stored.is_error else layout.trajectory)(self.sim_id)
        working = self._working(final)
        with timed("writing"):
            stored.to_parquet(working, extra=trajectory_texts(self._made(key)))
            stamp = self.project.output_files.publish(working, final, linked=not stored.is_error)
        if stored.is_error:
            self.result.error_key = key
            self.result.error_bytes, self.result.error_mtime_us = stamp
        else:
            self.result.transport_key = key
            self.result.trajectory_bytes, self.result.trajectory_mtime_us = stamp

    def keep_ends(self, particles: pd.DataFrame, at_ends: Mapping[str, np.ndarray]) -> None:
        """Publish where particles began and ended, from which backgrounds are made.

        Args:
            particles: the table.
            at_ends: further columns, (2, particles) each: of the first rows and of the last.
        """
        from stilt.background.ends import first_and_last

        with timed("writing"):
            ends = first_and_last(particles, at_ends)
            stored = self.trajectories(ends, is_error=False)
        if self.outbox is not None:
            with timed("writing"):
                key = self.expected.transport
                piece = particle_piece(self.sim_id, stored, self._made(key), key, kind=ENDS)
            self.outbox(piece)
            return
        final = self.project.layout.ends(self.sim_id)
        working = self._working(final)
        with timed("writing"):
            stored.to_parquet(working, extra=trajectory_texts(self._made(self.expected.transport)))
            self.project.output_files.publish(working, final, linked=False)

    def _make_footprint(self, particles: pd.DataFrame, name: str) -> None:
        with timed("import"):
            from stilt.footprint import Footprint

        layout, config = self.project.layout, self.project.config
        settings = self.project.kernels.bound(
            config.footprints[name.removesuffix(ERROR_SUFFIX)], self.receptor
        )
        with timed("footprint"):
            footprint = Footprint.calculate(
                particles,
                self.receptor,
                settings,
                name,
                heights_msl=config.heights_msl,
                warn=False,
            )
            total = footprint.total
        key = self.expected.footprints[name]
        if self.outbox is not None:
            with timed("writing"):
                piece = footprint_piece(self.sim_id, footprint, self._made(key, total), key)
            self.outbox(piece)
            return
        final = layout.footprint(self.sim_id, name)
        working = self._working(final)
        attrs = footprint_attributes(self._made(key, total))
        with timed("writing"):
            footprint.to_netcdf(working, attrs=attrs)
            stamp = self.project.output_files.publish(working, final)
        self.result.footprints[name] = FootprintEntry(key, total, footprint.empty_reason, *stamp)

    def _working(self, final: Path) -> Path:
        """Where a file is made before it is published."""
        if not self.project.has_compute_root:
            return final
        return self.project.compute_root / self.sim_id / final.name


def _table_of(rows: ReleaseRows) -> Table:
    from stilt.transport import table_of

    return table_of(rows)
