"""The model: a project's receptors, configuration and results, and running them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, Unpack

import pandas as pd

from stilt.collections import ReceptorList, SimulationCollection
from stilt.config import ModelConfig, RuntimeSettings
from stilt.errors import UsageError
from stilt.execution.backend import Backend, get_executor
from stilt.execution.cut_grids import cut_grids
from stilt.execution.forewarning import (
    tell_of_few_particles,
    tell_of_odd_weather,
    tell_of_weather,
)
from stilt.execution.forks import refuse_in_fork
from stilt.execution.lookup import receptors_of
from stilt.execution.observing import Observer
from stilt.execution.refusals import refuse_impossible
from stilt.execution.runs import EndedJob, Outcome, Run
from stilt.execution.setup import (
    main_not_run_again,
    refuse_in_starting_worker,
    refuse_missing_gpu,
)
from stilt.interrupts import interruptible
from stilt.outputs import FootprintCollections, TrajectoryCollection
from stilt.project.holders import holders, receptors_to_carry, refuse_if_all_held
from stilt.project.index import Index, ids_in_states, registered
from stilt.project.inputs import Project
from stilt.project.layout import ProjectLayout
from stilt.project.registration import registration_rows
from stilt.project.update import Registration
from stilt.receptors import Receptor, read_receptors
from stilt.receptors.given import given_receptors
from stilt.receptors.times import check_time_format
from stilt.roots import PathLike
from stilt.selection import Selection

if TYPE_CHECKING:
    import xarray as xr
    from duckdb import DuckDBPyConnection

    from stilt.observations.soundings import ReceptorKind, Soundings
    from stilt.project.compact import Compacted
    from stilt.project.owners import Holder

logger = logging.getLogger(__name__)

T = TypeVar("T")


@dataclass(frozen=True)
class _Ahead:
    """What a run would find.

    Attributes:
        pending: simulations that it would compute.
        running: those that others compute.
        holders: living processes that compute, or will compute, and what.
        receptors: stored receptor (JSON) of each pending one; None when these are too many.
    """

    pending: list[str]
    running: list[str]
    holders: Sequence[Holder]
    receptors: Mapping[str, str] | None


class Model:
    """A project: what is simulated, and what came of it. Making one writes nothing to disk.

    Args:
        project: the project's folder, or a :class:`stilt.project.Project`, which has its own
            output_dir, compute_root, runtime and config; None makes a temporary one.
        receptors: one receptor, several, the path of a CSV file, a DataFrame or dictionaries with
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
        TypeError: config and further keywords together, a Project with what it has already, or
            receptors of an unknown kind.
        UsageError: a project that is not a local folder, a time format that cannot be used, or a
            mistake in a table of receptors.
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
        self._time_format = None if time_format is None else check_time_format(time_format)
        self._source, self._given = self._accepted(receptors)
        self._receptors: ReceptorList | None = None
        self._simulations: SimulationCollection | None = None
        self._told_grids = False

    @property
    def project(self) -> Path:
        """The project's folder."""
        return self.files.root

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
        """Folder that holds all outputs."""
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
            self._receptors = ReceptorList(self._load_receptors())
        return self._receptors

    @property
    def simulations(self) -> SimulationCollection:
        """The simulations of this project, read from the index when asked for."""
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
        """Have config.yaml and receptors.csv in the output root, where workers read them.

        Files that mean the same are not touched.
        """
        self.files.store_config()
        source = self._receptor_source()
        if source is not None and source == self.layout.receptors:
            return
        if self._given is not None or source is not None:
            # A copy of a file whose times need a stated format could not be read without it.
            kept = source if self._time_format is None else None
            self.files.store_receptors(self.receptors, kept)

    @property
    def observations(self) -> pd.DataFrame:
        """What was measured: one row a sounding, index = receptor id.

        Those that :meth:`observe` stored, with value, uncertainty, units, species, sensor, labels
        and the ``name`` of their table; without any, the columns of receptors.csv besides time
        and place.
        """
        from stilt.project.kernels import RECEPTOR

        tables = self.files.observations
        if tables.names() or not (self._given or self._receptor_source()):
            return tables.read_all()
        index = pd.Index([str(receptor.id) for receptor in self.receptors], name=RECEPTOR)
        return pd.DataFrame([dict(each.labels) for each in self.receptors], index=index)

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
                :meth:`stilt.observations.Soundings.receptors`; from the configuration where the
                soundings are.
            replace: drop what the tables of the name hold.

        Returns:
            The receptors of the soundings, in their order.

        Raises:
            UsageError: nothing is configured or nothing is left, or a file cannot be read.
            FileNotFoundError: there is no such file.
        """
        from stilt.project.observed import join_receptors, soundings_of

        tables, added = self.files.observations, list[Receptor]()
        found: dict[str, tuple[Soundings, list[Receptor]]] = {}
        if soundings is not None:
            placed = soundings.receptors(
                receptor, bottom=bottom, top=top, heights=heights, altitude_ref=altitude_ref
            )
            found[name] = soundings, placed
        elif not self.config.observations:
            raise UsageError(
                "config.yaml has no observations: name files and a reader there, or give soundings."
            )
        else:
            for key, settings in self.config.observations.items():
                found[key] = soundings_of(settings, self.files.root)
        for key, (chosen, placed) in found.items():
            tables.add(key, chosen, placed, replace=replace)
            added += placed
        join_receptors(
            self.files.root / "receptors.csv",
            added,
            known=self._given if self._source is None else self.receptors,
            time_format=self._time_format or self._kept_time_format(),
        )
        self.files.forget_expectations()
        self._source, self._given, self._receptors = None, None, None
        self._time_format = None
        return added

    def register_pending(self, receptors: Any = None, *, scene_id: str | None = None) -> list[str]:
        """Store the inputs and register their simulations, to be run later, here or elsewhere.

        Args:
            receptors: as for the model; these replace the stored receptors.csv. None registers
                the model's own.
            scene_id: text that groups these simulations; None keeps the scene that each has.

        Returns:
            Their ids, meteorology by meteorology, in the order of the receptors.
        """
        self._tell_cut_grids()
        if receptors is not None:
            self._source, self._given = self._accepted(receptors)
            self._receptors = None
        return self._update(self._registered, scene_id=scene_id, looks=False)

    def background(
        self,
        field: Any,
        *,
        variable: str | None = None,
        field_units: str | None = None,
        units: str = "ppm",
        weights: str | None = None,
        **selection: Unpack[Selection],
    ) -> pd.DataFrame:
        """Return the background of every simulation: a field's value where its particles end.

        The field is interpolated to the time, place and pressure of each end, and averaged with
        the weights of the footprint's transforms (:func:`stilt.background.background_of`).

        Args:
            field: an xarray Dataset or DataArray, NetCDF files (a path, a pattern, or several) of
                CarbonTracker, a CAMS inversion, CarboScope or in CF layout, or a curtain as a
                table (:func:`stilt.background.curtain`).
            variable: of the dataset, where it has several mole fractions.
            field_units: of the field, where it does not say.
            units: of the result.
            weights: name of the footprint whose transforms weight the particles; None where all
                have the same.
            **selection: which simulations.

        Returns:
            Index = simulation id; time, background, background_std (over the particles), weight,
            age_h, left, longitude and latitude of the mean end. ``attrs`` has the units.

        Raises:
            UsageError: the field is not understood, a particle ends outside it, or nothing is
                selected.
        """
        from stilt.answers.background import background

        return background(
            self, field, selection, variable=variable, field_units=field_units, units=units,
            weights=weights,
        )  # fmt: skip

    def timeseries(
        self,
        fluxes: Mapping[str, xr.DataArray] | xr.Dataset | xr.DataArray,
        *,
        background: Any = None,
        observed: pd.DataFrame | None = None,
        name: str | None = None,
        units: str = "ppm",
        molar_mass_g: float | None = None,
        projection: str | None = None,
        site: str | None = None,
        **selection: Unpack[Selection],
    ) -> xr.Dataset:
        """Return what each flux adds to every measurement, beside background and observations.

        Args:
            fluxes: by sector, each on its own grid and with its own units: hourly, monthly or any
                other ``time`` (each stamp holds until the next), diurnal (``hour`` 0 to 23 UTC),
                by ``month`` (1 to 12), both, or constant. Signed: uptake is negative.
            background: what :meth:`background` returned, a Series by simulation id, or a number.
            observed: measurements by receptor id, with value and, if there, uncertainty and
                units; None takes :attr:`observations`.
            name: of the footprint; needed where there are several.
            units: of the result, such as ``ppm`` or ``ppb``.
            molar_mass_g: grams per mole, for fluxes of mass.
            projection: PROJ text of x and y of fluxes that do not carry their own.
            site: label of the receptors, or ``location``: makes the dimensions site and time.
            **selection: which simulations.

        Returns:
            Dataset along ``receptor`` (simulation ids, in order of time) and ``component``:
            enhancement, outside_share, total, and as given background, modelled, observed,
            observed_uncertainty, residual; coordinates time, place and the receptors' labels.

        Raises:
            UsageError: nothing is selected, a flux cannot be used, or a background is missing.
        """
        from stilt.answers.timeseries import timeseries

        known = self.observations if observed is None else observed
        return timeseries(
            self, fluxes, selection, background=background, observed=known, footprint=name,
            units=units, molar_mass_g=molar_mass_g, projection=projection, site=site,
        )  # fmt: skip

    def uncertainty(
        self,
        fluxes: Mapping[str, xr.DataArray] | xr.Dataset | xr.DataArray,
        *,
        weights: str | None = None,
        units: str = "ppm",
        molar_mass_g: float | None = None,
        **selection: Unpack[Selection],
    ) -> xr.Dataset:
        """Return how sure enhancements are: particle noise, and transport error of error runs.

        Transport variance is the variance over the particles of the error run of what fluxes add,
        less that over the main run's particles (Lin and Gerbig 2005, doi:10.1029/2004GL021127).

        Args:
            fluxes: as for :meth:`timeseries`.
            weights: name of the footprint whose transforms weight the particles; None where all
                have the same.
            units: of the result.
            molar_mass_g: grams per mole, for fluxes of mass.
            **selection: which simulations; their trajectories must be kept.

        Returns:
            Dataset along ``receptor`` and ``component`` (the fluxes and ``total``): enhancement
            (mean over particles), particle_noise (its standard error), transport_variance with
            transport_variance_noise (its standard error), and transport_error (the root; 0 where
            the difference is negative, NaN without an error run).

        Raises:
            UsageError: there are no particles, or a flux cannot be used.
        """
        from stilt.answers.uncertainty import uncertainty

        return uncertainty(
            self, fluxes, selection, weights=weights, units=units, molar_mass_g=molar_mass_g
        )

    def realizations(self, count: int) -> list[Model]:
        """Return models that differ from this one in their random numbers alone, itself first.

        Number k has the seed of this one plus k, and its outputs in ``realizations/k`` of the
        output root. Each is run like any model; what they differ by is the noise of the particle
        number, and means over them have less of it.

        Args:
            count: how many, this one included.

        Raises:
            UsageError: the count is below 1.
        """
        if count < 1:
            raise UsageError(f"The number of realizations must be at least 1, got {count}.")
        seed = self.config.seed or 0
        return [
            self,
            *(
                Model(
                    self.output_root / "realizations" / str(number),
                    receptors=list(self.receptors),
                    config=self.config.with_changes(seed=seed + number),
                )
                for number in range(1, count)
            ),
        ]

    def export(
        self,
        folder: PathLike,
        layout: str,
        *,
        name: str | None = None,
        site: str | None = None,
        domain: str | None = None,
        species: str = "inert",
        period: str = "1 hour",
        **selection: Unpack[Selection],
    ) -> list[Path]:
        """Write footprints as other programs read them.

        Args:
            folder: where.
            layout: ``openghg`` or ``paris``, which are one (OpenGHG's ``source_format="paris"``),
                or ``ct-lagrange`` (one file a receptor).
            name: of the footprints; needed where there are several.
            site, domain: in the files' names, for openghg and paris.
            species: gas; ``co2`` adds influence by hours back.
            period: averaging period of a measurement.
            **selection: which simulations, of one site.

        Returns:
            The files.

        Raises:
            UsageError: an unknown layout, a projected or summed footprint, particles that were
                not kept, or a site or domain is missing.
        """
        from stilt.answers.export import export
        from stilt.exchange.openghg import ExportNames

        names = None
        if site is not None and domain is not None:
            mets = list(self.config.simulated_mets)
            chosen = selection.get("mets") or mets
            one = chosen if isinstance(chosen, str) else ",".join(chosen)
            if "," in one:
                raise UsageError(f"Say of which meteorology, mets=: there are {one}.")
            names = ExportNames(site, domain, species, one, period=period)
        return export(self, Path(folder), layout, selection, footprint=name, names=names)

    def ends(self, **selection: Unpack[Selection]) -> pd.DataFrame:
        """Return where and when every particle ended, by age or by leaving the weather's domain.

        Args:
            **selection: which simulations.

        Returns:
            Index = simulation id and particle; datetime (naive UTC), age_h, left, long, lati, and
            zagl, pres and zsfc where they were kept.
        """
        from stilt.answers.background import ends

        return ends(self, selection)

    def is_registered(self) -> bool:
        """Whether the stored inputs are this model's own and all their simulations registered."""
        if not self._inputs_are_stored():
            return False
        stored = self.index.token()
        return bool(stored) and stored == self.files.input_token()

    def pending(self, *, skip_existing: bool | None = None) -> list[str]:
        """Register, look at what the outputs are, and return what a run would compute.

        Args:
            skip_existing: leave out what is complete; None asks the configuration.
        """
        return self._look_ahead(skip_existing).pending

    def run(
        self,
        executor: Backend | None = None,
        skip_existing: bool | None = None,
        rebuild: bool | None = None,
        wait: bool = True,
        *,
        observer: Observer | None = None,
    ) -> Run:
        """Register what is missing and compute it.

        Args:
            executor: who computes; None asks the configuration, by default this machine.
            skip_existing: compute only what is not complete; False computes everything again,
                trajectories included; None asks the configuration.
            rebuild: rebuild the index from the outputs first.
            wait: return when all is done; False returns at once from a backend that detaches.
            observer: told how the run goes on.

        Returns:
            The run, with counts, failures by reason, and ``raise_for_failures()``.

        Raises:
            UsageError: the configuration asks for a GPU that this machine does not have, a folder
                for caches or for computing cannot be used, or this process was forked from one
                that has computed.
            ConfigValidationError: no simulation can be computed on this machine, for want of
                memory or because of a grid without cells.
            RunUnfinishedError: simulations were not computed although none of them has failed,
                or other processes compute all that is left already.
            KeyboardInterrupt: Ctrl-C or SIGTERM; what is finished is kept.

        Warns:
            WeatherWarning: weather looks wrong, or receptors lie a little outside it.
        """
        refuse_in_fork()
        refuse_in_starting_worker()
        executor = executor or get_executor(self.config.execution)
        if executor.on_this_machine:
            self.files.require_folders()
        if rebuild:
            self.index.rebuild()
        ahead = self._look_ahead(skip_existing)
        pending = ahead.pending
        refuse_if_all_held(ahead.holders, pending or ahead.running)
        if not pending:
            return Run(self.files, pending, EndedJob(Outcome()))
        refuse_impossible(self.config)
        self.files.kernels.require(self.config.footprints)
        if executor.on_this_machine:
            refuse_missing_gpu(self.files)
        receptors = None
        if ahead.receptors is not None:
            receptors = receptors_of(self.files, pending, ahead.receptors)
        noted = tell_of_weather(self.files, pending, receptors)
        tell_of_few_particles(self.files, pending, receptors)
        skip = self.config.skip_existing if skip_existing is None else skip_existing
        with interruptible(), main_not_run_again():
            handle = executor.start(self.files, pending, skip_existing=skip, observer=observer)
            run = Run(self.files, pending, handle)
            if wait or not run.detached:
                run.wait().require_finished()
        if not run.detached:
            tell_of_odd_weather(self.files, noted)
        return run

    def status(self, scene_id: str | None = None, *, verify: bool = False) -> dict[str, Any]:
        """Number of simulations: total, completed, running, pending, failed, stale, empty.

        ``reasons`` counts the failed ones by reason; stale ones are pending because another
        configuration made their outputs. ``made_by`` counts those with outputs by the device and
        the version of JAX that computed them.

        Args:
            scene_id: count those of one scene only.
            verify: look at all output files first, and correct the index where they are gone or
                damaged; otherwise the index is believed.
        """
        if verify:
            self.files.verify()
        return self.files.counts(scene_id).to_dict()

    def scene_counts(self) -> dict[str, dict[str, Any]]:
        """:meth:`status` of every scene, by scene id."""
        return {scene: each.to_dict() for scene, each in self.files.scene_counts().items()}

    def failure_counts(self, scene_id: str | None = None) -> dict[str, int]:
        """Number of failed simulations by reason."""
        counts: dict[str, int] = self.status(scene_id)["reasons"]
        return counts

    def failures(self) -> list[dict[str, Any]]:
        """What failed and why: sim_id, reason, detail and finished_at of each, by id.

        Simulations of which only the error run failed are among them; they count as pending.
        """
        columns = "sim_id, reason, detail, finished_at"
        frame = self.index.sql(
            f"SELECT {columns} FROM simulations WHERE state = 'failed' "
            "OR (state = 'pending' AND coalesce(reason, '') NOT IN ('', 'INTERRUPTED')) "
            "ORDER BY sim_id"
        )
        return [{str(k): v for k, v in row.items()} for row in frame.to_dict("records")]

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
            What has been done.

        Raises:
            RunUnfinishedError: simulations of this project are being computed.
        """
        from stilt.project.compact import compact_store

        return compact_store(self.files)

    # -- inside ---------------------------------------------------------------------------------

    def _accepted(self, receptors: Any) -> tuple[Path | None, list[Receptor] | None]:
        """Sort out the forms in which receptors may be given: a file, or objects."""
        if receptors is None:
            return None, None
        if isinstance(receptors, (str, Path)):
            return self.files.root / Path(receptors).expanduser(), None
        return None, given_receptors(receptors, time_format=self._time_format)

    def _load_receptors(self) -> Sequence[Receptor]:
        if self._given is not None:
            return self._given
        path = self._source or self.files.receptor_file
        if path is None:
            raise FileNotFoundError(
                f"No receptors available: there is no receptors.csv in {self.files.root}; write "
                "one, or pass receptors=."
            )
        return read_receptors(path, time_format=self._time_format or self._kept_time_format())

    def _kept_time_format(self) -> str | None:
        """Time format that receptors.csv in the output root was registered with, unless changed."""
        stored = self._receptor_source() == self.layout.receptors
        return self.files.kept_time_format if stored else None

    def _receptor_source(self) -> Path | None:
        return None if self._given is not None else self._source or self.files.receptor_file

    def _inputs_are_stored(self) -> bool:
        """Whether this model reads its inputs, all of them, from the output root."""
        source = self._receptor_source()
        return (
            source is not None
            and source == self.layout.receptors
            and self._time_format in (None, self._kept_time_format())
            and self.files.stores_this_config
        )

    def _update(
        self, ask: Callable[[DuckDBPyConnection], T], *, scene_id: str | None = None, looks: bool
    ) -> T:
        """Store the inputs, and have the index know their simulations; then ask it something."""
        self._tell_cut_grids()
        always = scene_id is not None or not self._inputs_are_stored()
        if always:
            self.store_inputs()
        registration = Registration(
            self.files.input_token(), self._registration_rows, scene_id, always
        )
        answer, _ = self.index.update(
            self.files.expectations, ask, registration=registration, looks=looks
        )
        if self._given is None:
            self._receptors = None
        self._simulations = None
        return answer

    def _registration_rows(self) -> pd.DataFrame:
        rows = registration_rows(self.receptors, self.config, self.files.expectations)
        if self._time_format is not None and self._receptor_source() == self.layout.receptors:
            self.files.keep_time_format(self._time_format)
        return rows

    def _registered(self, connection: DuckDBPyConnection) -> list[str]:
        return registered(connection, list(self.config.simulated_mets))

    def _look_ahead(self, skip_existing: bool | None) -> _Ahead:
        """Register, look at what the outputs are, and return what a run would find."""
        skip = self.config.skip_existing if skip_existing is None else skip_existing
        states = ["pending", "stale", "failed"] + ([] if skip else ["complete"])
        expected = self.files.expectations

        def ask(connection: DuckDBPyConnection) -> _Ahead:
            pending = ids_in_states(connection, expected, states)
            return _Ahead(
                pending,
                ids_in_states(connection, expected, ["running"]),
                holders(self.index, connection),
                receptors_to_carry(connection, pending),
            )

        return self._update(ask, looks=True)

    def weather_windows(self) -> list[tuple[pd.Timestamp, pd.Timestamp]]:
        """Return first and last time, UTC, that each receptor needs weather for."""
        span = pd.Timedelta(hours=self.config.n_hours)
        both = ((receptor.time, receptor.time + span) for receptor in self.receptors)
        return [(min(times), max(times)) for times in both]

    def _tell_cut_grids(self) -> None:
        """Say once which grids in degrees are no whole number of cells, and where they end."""
        if self._told_grids:
            return
        self._told_grids = True
        for sentence in cut_grids(self.config, degrees_only=True):
            logger.warning("%s", sentence)

    def __repr__(self) -> str:
        return f"<Model {self.name!r} in {self.output_root}>"
