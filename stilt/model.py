"""The model: a project's receptors, configuration and results, and running them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, Unpack

import pandas as pd

from stilt.answers.of_model import Answers
from stilt.collections import ReceptorList, SimulationCollection
from stilt.config import ModelConfig, RuntimeSettings
from stilt.config.realizations import without_realizations
from stilt.errors import UsageError
from stilt.execution.backend import Backend, check_backend, get_executor
from stilt.execution.cut_grids import cut_grids
from stilt.execution.observing import Observer
from stilt.execution.running import run_pending
from stilt.execution.runs import Run
from stilt.execution.setup import refuse_wrong_process
from stilt.outputs import FootprintCollections, TrajectoryCollection
from stilt.project.ahead import Ahead, look_ahead
from stilt.project.holders import refuse_if_all_held
from stilt.project.index import Index
from stilt.project.index_queries import failures, registered
from stilt.project.inputs import Project
from stilt.project.layout import ProjectLayout
from stilt.project.receptor_source import ReceptorSource
from stilt.project.stored_inputs import input_token, store_config, store_receptors
from stilt.project.update import Registration
from stilt.receptors import Receptor
from stilt.receptors.times import check_time_format
from stilt.roots import PathLike, Place, below
from stilt.selection import Selection, condition

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from stilt.observations.soundings import ReceptorKind, Soundings
    from stilt.project.compact import Compacted

logger = logging.getLogger(__name__)

T = TypeVar("T")


class Model(Answers):
    """A project: what is simulated, and its results. Creating one writes nothing to disk.

    Args:
        project: the project's folder, a URL that fsspec knows (``s3://bucket/case``), or a
            :class:`stilt.project.Project`, which has its own output_dir, compute_root, runtime
            and config; None creates a temporary folder.
        receptors: one receptor, several, the path of a CSV file (in the current folder, or else in
            the project's), a DataFrame or dictionaries with
            the columns of receptors.csv, or tuples (time, longitude, latitude, altitude); None
            reads receptors.csv of the project when they are first needed.
        config: the configuration; None reads config.yaml when it is first needed.
        output_dir: folder for outputs, when it is not the project.
        compute_root: folder in which simulations are computed before they are published.
        runtime: settings of the machine; None reads the environment.
        time_format: form of the receptors' times where they are text that does not have the year
            first, as a pattern of ``datetime.strptime``, such as ``%d.%m.%Y %H:%M``. A project
            keeps it for its receptors.csv, as long as that file stays the same.
        **kwargs: fields of a new configuration.

    Raises:
        TypeError: config and further keywords together, a Project together with a setting that it
            has itself, or receptors of an unknown kind.
        UsageError: a project on a URL with another output root, a time format that cannot be
            used, or a mistake in a table of receptors.
    """

    def __init__(
        self,
        project: PathLike | Project | None = None,
        receptors: Any = None,
        config: ModelConfig | None = None,
        output_dir: PathLike | None = None,
        compute_root: PathLike | None = None,
        runtime: RuntimeSettings | None = None,
        time_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        if config is not None and kwargs:
            raise TypeError("Cannot pass both a ModelConfig instance and keyword arguments.")
        own = (output_dir, compute_root, runtime, config)
        if isinstance(project, Project):
            if kwargs or any(given is not None for given in own):
                raise TypeError(
                    "A Project has its own output_dir, compute_root, runtime and config."
                )
            self.files = project
        else:
            self.files = Project(
                project,
                output_dir=output_dir,
                compute_root=compute_root,
                runtime=runtime,
                config=ModelConfig(**kwargs) if kwargs else config,
            )
        time_format = None if time_format is None else check_time_format(time_format)
        self._source = ReceptorSource(self.files, receptors, time_format)
        self._receptors: ReceptorList | None = None
        self._simulations: SimulationCollection | None = None
        self._warned_of_cut_grids = False

    @property
    def project(self) -> Place:
        """The project's folder, or the text of its URL."""
        return self.files.place

    @property
    def name(self) -> str:
        """Name of the project."""
        return self.files.name

    @property
    def layout(self) -> ProjectLayout:
        """Paths under the output root."""
        return self.files.layout

    @property
    def output_root(self) -> Path:
        """Folder that holds all outputs; for outputs at a URL, their index and copies."""
        return self.files.layout.root

    @property
    def compute_root(self) -> Path:
        """Folder in which simulations are computed before they are published."""
        return self.files.compute_root

    @property
    def config(self) -> ModelConfig:
        """The configuration; see :attr:`stilt.project.Project.config`."""
        return self.files.config

    @property
    def index(self) -> Index:
        """The index of outputs; ``model.index.sql("SELECT ...")`` answers queries of your own."""
        return self.files.index

    @property
    def receptors(self) -> ReceptorList:
        """The receptors, by position, slice or receptor id; read once.

        Raises:
            FileNotFoundError: none were given, and there is no receptors.csv.
            UsageError: receptors.csv holds a mistake.
        """
        if self._receptors is None:
            self._receptors = ReceptorList(self._source.read())
        return self._receptors

    @property
    def simulations(self) -> SimulationCollection:
        """The simulations of this project, read from the index on demand."""
        if self._simulations is None:
            self._simulations = SimulationCollection(self)
        return self._simulations

    @property
    def trajectories(self) -> TrajectoryCollection:
        """The trajectories of this project."""
        return TrajectoryCollection(self)

    @property
    def footprints(self) -> FootprintCollections:
        """The footprints of this project, by name."""
        return FootprintCollections(self)

    def store_inputs(self) -> None:
        """Copy config.yaml and receptors.csv to the output root, where workers read them.

        Stored files with the same meaning are left as they are.
        """
        store_config(self.files)
        source = self._source
        if source.given is None and (source.path is None or source.is_stored):
            return
        # A copy of a file whose times need a stated format could not be read without it.
        kept = source.path if source.time_format is None else None
        store_receptors(self.files, self.receptors, kept)

    @property
    def observations(self) -> pd.DataFrame:
        """The measurements: one row per sounding, index = receptor id.

        Those that :meth:`observe` stored, with value, uncertainty, units, species, sensor, labels
        and the ``name`` of their table; without any, the columns of receptors.csv besides time
        and place.
        """
        from stilt.project.observed import labels_of

        tables = self.files.observations
        if tables.names() or not (self._source.given or self._source.path):
            return tables.read_all()
        return labels_of(self.receptors)

    def observe(
        self,
        soundings: Soundings | None = None,
        name: str = "observations",
        *,
        receptor: ReceptorKind = "auto",
        bottom: float = 0.0,
        top: float = 3000.0,
        heights: Sequence[float] | None = None,
        altitude_ref: str = "agl",
        replace: bool = False,
    ) -> list[Receptor]:
        """Store soundings in the project, and add their receptors to receptors.csv.

        Values, uncertainties and labels are then in :attr:`observations`, and averaging kernels
        in ``observations/NAME-kernels.parquet``, where the transform ``averaging_kernel`` of a
        footprint reads them.

        Args:
            soundings: what a reader of :mod:`stilt.observations` returned; None reads what
                ``observations`` of the configuration names.
            name: of the tables; soundings of the same name and id are replaced.
            receptor, bottom, top, heights, altitude_ref: as for
                :meth:`stilt.observations.Soundings.receptors`; taken from the configuration if the
                soundings are.
            replace: first drop what the tables of this name hold, and the receptors that only
                these soundings brought, unless they have results.

        Returns:
            The receptors of the soundings, in their order.

        Raises:
            UsageError: nothing is configured or nothing is left, or a file cannot be read.
            FileNotFoundError: there is no such file.
        """
        from stilt.project.observed import configured_soundings, join_receptors
        from stilt.project.replaced import dropped_receptors

        if soundings is not None:
            placed = soundings.receptors(
                receptor, bottom=bottom, top=top, heights=heights, altitude_ref=altitude_ref
            )
            found = {name: (soundings, placed)}
        else:
            found = configured_soundings(self.config.observations, self.files.relative_to)
        known = list(self.receptors) if self._source.is_a_named_file else self._source.given
        time_format = self._source.time_format or self._source.kept_time_format
        added = [each for _, placed in found.values() for each in placed]
        tables = self.files.observations
        before = {key: tables.read(key) for key in found if replace and tables.has(key)}
        with self.files.sending("receptors.csv", "observations"):
            for key, (chosen, placed) in found.items():
                tables.add(key, chosen, placed, replace=replace)
            join_receptors(
                self.files.root / "receptors.csv", added, known=known, time_format=time_format,
                dropped=dropped_receptors(tables, self.index, before),
            )  # fmt: skip
        self.files.forget_expectations()
        self._source, self._receptors = ReceptorSource(self.files), None
        return added

    def register_pending(self, receptors: Any = None, *, scene_id: str | None = None) -> list[str]:
        """Store the inputs and register their simulations, to be run later, here or elsewhere.

        Args:
            receptors: as for the model; these replace the stored receptors.csv, of which one that
                a person wrote is kept as receptors.csv.1. None registers the model's own.
            scene_id: text that groups these simulations; None keeps the scene that each has.

        Returns:
            Their ids, meteorology by meteorology, in the order of the receptors; none for an
            empty list, which changes nothing.
        """
        if receptors is not None:
            source = ReceptorSource(self.files, receptors, self._source.time_format)
            if source.given is not None and not source.given:
                return []
            self._source, self._receptors = source, None
        ask = partial(registered, mets=list(self.config.simulated_mets))
        return self._update(ask, scene_id=scene_id, looks=False)

    def realizations(self, count: int) -> list[Model]:
        """Return models that differ from this one only in their random numbers, itself first.

        Number k has the seed of this one plus k, and its outputs in ``realizations/k`` of the
        output root. Each is run like any model; their differences are the noise of a finite number
        of particles, and means over them have less of it.

        Args:
            count: how many, this one included.

        Raises:
            UsageError: the count is below 1.
        """
        if count < 1:
            raise UsageError(f"The number of realizations must be at least 1, got {count}.")
        seed, mets = (
            self.config.seed or 0,
            without_realizations(self.config.mets, self.config.realizations),
        )
        return [
            self,
            *(
                Model(
                    below(self.files.outputs, "realizations", str(number)),
                    receptors=list(self.receptors),
                    config=self.config.with_changes(seed=seed + number, mets=mets, realizations=1),
                )
                for number in range(1, count)
            ),
        ]

    def is_registered(self) -> bool:
        """Return whether the stored inputs are this model's and all simulations are registered."""
        if not self._source.reads_what_is_stored():
            return False
        stored = self.index.token()
        return bool(stored) and stored == input_token(self.files)

    def pending(
        self, *, skip_existing: bool | None = None, **selection: Unpack[Selection]
    ) -> list[str]:
        """Register the simulations, check their outputs, and return what a run would compute.

        Args:
            skip_existing: leave out what is complete; None uses the configuration.
            **selection: which simulations; ``state`` is ignored.

        Raises:
            ConfigValidationError: a meteorology that is not configured.
        """
        return self._look_ahead(skip_existing, selection).pending

    def run(
        self,
        executor: Backend | None = None,
        skip_existing: bool | None = None,
        rebuild: bool | None = None,
        wait: bool = True,
        *,
        n_workers: int | None = None,
        observer: Observer | None = None,
    ) -> Run:
        """Register what is missing and compute it.

        Args:
            executor: where to compute; None uses the configuration's backend, by default this
                machine.
            skip_existing: compute only what is not complete; False computes everything again,
                trajectories included; None uses the configuration.
            rebuild: rebuild the index from the outputs first.
            wait: return when all is done; False returns at once from a backend that detaches.
            n_workers: worker processes, or workers of a cluster, in place of the configuration's.
            observer: receives the progress of the run.

        Returns:
            The run, with counts, failures by reason, and ``raise_for_failures()``.

        Raises:
            TypeError: ``executor`` is no backend.
            UsageError: n_workers is given beside a backend, which has its own,
                the configuration asks for a GPU that this machine does not have, a folder
                for caches or for computing cannot be used, or this process was forked from one
                that has computed.
            ConfigValidationError: no simulation can be computed on this machine, for lack of
                memory or because of a grid without cells.
            RunUnfinishedError: simulations were not computed although none of them has failed,
                or other processes are already computing all that is left, or, for a project at a
                URL, another machine is computing any of it.
            KeyboardInterrupt: Ctrl-C or SIGTERM; what is finished is kept.

        Warns:
            WeatherWarning: weather looks wrong, or receptors lie a little outside it.
        """
        refuse_wrong_process()
        if executor is None:
            asked = {} if n_workers is None else {"n_workers": n_workers}
            executor = get_executor({**self.config.execution.to_dict(), **asked})
        else:
            check_backend(executor, n_workers)
        with nullcontext() if executor.detaches else self.files.leased():
            if executor.on_this_machine:
                self.files.require_folders()
            if rebuild:
                self.index.rebuild()
            ahead = self._look_ahead(skip_existing)
            refuse_if_all_held(ahead.holders, ahead.pending or ahead.running)
            return run_pending(
                self.files, executor, ahead,
                skip_existing=skip_existing, wait=wait, observer=observer,
            )  # fmt: skip

    def status(self, scene_id: str | None = None, *, verify: bool = False) -> dict[str, Any]:
        """Count simulations: total, completed, running, pending, failed, stale, empty.

        ``reasons`` counts the failed ones by reason; stale ones are pending because their outputs
        come from another configuration. ``made_by`` counts those with outputs by the device and
        the version of JAX that computed them.

        Args:
            scene_id: count only those of one scene.
            verify: check all output files first, and correct the index where they are gone or
                damaged; otherwise the index is trusted.
        """
        if verify:
            self.files.verify()
        return self.files.counts(scene_id).to_dict()

    def scene_counts(self) -> dict[str, dict[str, Any]]:
        """Return the :meth:`status` of every scene, by scene id."""
        return {scene: each.to_dict() for scene, each in self.files.scene_counts().items()}

    def failure_counts(self, scene_id: str | None = None) -> dict[str, int]:
        """Count failed simulations by reason."""
        return dict(self.status(scene_id)["reasons"])

    def failures(self) -> list[dict[str, Any]]:
        """Return what failed and why: sim_id, reason, detail and finished_at of each, by id.

        Simulations of which only the error run failed are included; they count as pending.
        """
        none: list[dict[str, Any]] = []
        return self.index.read(failures, none)

    def rebuild(self, *, verify: bool | None = None) -> None:
        """Rebuild the index from the files.

        Args:
            verify: compare file sizes with those recorded; None does so in small projects.
        """
        self.index.rebuild(verify=verify)
        if self.files.expected is None:
            logger.info("Without config.yaml, states are as recorded.")
        else:
            self.index.reconcile(self.files.expected)

    def compact(self) -> Compacted:
        """Tidy the store: join small shards, and drop outputs that later ones supersede.

        Returns:
            What was done.

        Raises:
            RunUnfinishedError: simulations of this project are being computed.
        """
        from stilt.project.compact import compact_store

        return compact_store(self.files)

    def _update(
        self, ask: Callable[[DuckDBPyConnection], T], *, scene_id: str | None = None, looks: bool
    ) -> T:
        """Store the inputs, register their simulations in the index, and then query it."""
        self._warn_of_cut_grids()
        always = scene_id is not None or not self._source.reads_what_is_stored()
        if always:
            self.store_inputs()
        rows = partial(self._source.registration_rows, self)
        registration = Registration(input_token(self.files), rows, scene_id, always)
        answer, _ = self.index.update(
            self.files.expectations, ask, registration=registration, looks=looks
        )
        if self._source.given is None:
            self._receptors = None
        self._simulations = None
        return answer

    def _look_ahead(self, skip_existing: bool | None, selection: Selection | None = None) -> Ahead:
        """Register the simulations, check their outputs, and return what a run would find."""
        where, parameters = condition(self, selection or {})
        ask = partial(
            look_ahead,
            index=self.index,
            expected=self.files.expectations,
            skip_existing=self.config.skip_existing if skip_existing is None else skip_existing,
            where=where,
            parameters=parameters,
        )
        return self._update(ask, looks=True)

    def _warn_of_cut_grids(self) -> None:
        """Warn once of grids in degrees whose sides are not a whole number of cells."""
        if self._warned_of_cut_grids:
            return
        self._warned_of_cut_grids = True
        for sentence in cut_grids(self.config, degrees_only=True):
            logger.warning("%s", sentence)

    def __repr__(self) -> str:
        return f"<Model {self.name!r} in {self.files.output_root}>"
