"""Trajectories and footprints of a project: files are found, and read, when a method is called."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stilt.collections import Locations, Mets, States, TimeRange, candidates, condition
from stilt.project.keys import ERROR_SUFFIX, parse_footprint_keys

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from stilt.footprint import Footprint
    from stilt.footprint.files import FootprintFiles
    from stilt.footprint.jacobian import Jacobian
    from stilt.model import Model
    from stilt.trajectories import Trajectories

logger = logging.getLogger(__name__)

_KEYS = ("transport_key", "error_key", "footprint_keys")
_Recorded = Callable[[Mapping[str, Any]], bool]


class _Artifacts:
    """What trajectories and footprints have in common."""

    def __init__(self, model: Model) -> None:
        self._model = model

    def _registered(
        self,
        mets: Mets,
        time_range: TimeRange,
        location_ids: Locations,
        scene_id: str | None,
        state: States,
        reason: str | None,
    ) -> list[str]:
        if state is not None:
            return self._model.simulations.ids(
                mets, None, time_range, location_ids, scene_id=scene_id, state=state, reason=reason
            )
        where, values = condition(self._model, mets, time_range, location_ids, scene_id, reason)
        return self._model.index.ids(where, values)

    def _existing(
        self, ids: Sequence[str], path_of: Callable[[str], Path], recorded: _Recorded
    ) -> list[Path]:
        """Files of simulations that exist, copied here first where outputs are on a URL.

        Warns of those that are gone although the index has them.
        """
        found = {sim_id: self._model.files.local_copy(path_of(sim_id)) for sim_id in ids}
        absent = [sim_id for sim_id, path in found.items() if not path.exists()]
        if absent:
            rows = self._model.index.rows(absent, ("sim_id", *_KEYS))
            gone = {row["sim_id"] for row in rows if recorded(row)}
            gone -= {i for i in gone if found[i].with_suffix(".empty").exists()}
            if gone:
                logger.warning(
                    "%d of %d files are gone that the index has, %s for example: `stilt run` (or "
                    "model.run()) computes them again, and `stilt status --verify` counts without "
                    "them.", len(gone), len(found) - len(absent) + len(gone), found[min(gone)],
                )  # fmt: skip
        not_there = set(absent)
        return [path for sim_id, path in found.items() if sim_id not in not_there]


class TrajectoryCollection(_Artifacts):
    """Trajectory files of a project."""

    def paths(
        self,
        mets: Mets = None,
        time_range: TimeRange = None,
        location_ids: Locations = None,
        *,
        error: bool = False,
        scene_id: str | None = None,
        state: States = None,
        reason: str | None = None,
    ) -> list[Path]:
        """Files of registered simulations that exist, by id.

        Warns of those that the index has and that are gone.

        Args:
            mets, time_range, location_ids, scene_id, state, reason: see
                :class:`SimulationCollection`.
            error: those of the error runs.
        """
        ids = self._registered(mets, time_range, location_ids, scene_id, state, reason)
        key = "error_key" if error else "transport_key"
        return self._existing(ids, self._path(error), lambda row: row[key] is not None)

    def load(
        self,
        mets: Mets = None,
        time_range: TimeRange = None,
        location_ids: Locations = None,
        **filters: Any,
    ) -> list[Trajectories]:
        """Read the files that :meth:`paths` names, which has the other filters."""
        from stilt.trajectories import Trajectories

        paths = self.paths(mets, time_range, location_ids, **filters)
        return [Trajectories.from_parquet(path) for path in paths]

    def missing(
        self,
        mets: Mets = None,
        time_range: TimeRange = None,
        location_ids: Locations = None,
        *,
        error: bool = False,
    ) -> list[str]:
        """Simulations of the current receptors without such a file."""
        ids = candidates(self._model, mets, time_range, location_ids)
        path = self._path(error)
        return [sim_id for sim_id in ids if not self._model.files.has_output(path(sim_id))]

    def _path(self, error: bool) -> Any:
        layout = self._model.layout
        return layout.error_trajectory if error else layout.trajectory


class FootprintCollection(_Artifacts):
    """Footprint files of one name.

    Methods that combine footprints read one file at a time. Their filters are those of
    :class:`SimulationCollection`, and their rows are named by simulation id.
    """

    def __init__(self, model: Model, name: str) -> None:
        super().__init__(model)
        self.name = name

    def paths(
        self,
        mets: Mets = None,
        time_range: TimeRange = None,
        location_ids: Locations = None,
        *,
        scene_id: str | None = None,
        state: States = None,
        reason: str | None = None,
    ) -> list[Path]:
        """Files of registered simulations that exist, by id.

        Warns of those that the index has and that are gone.

        Args:
            mets, time_range, location_ids, scene_id, state, reason: see
                :class:`SimulationCollection`.
        """
        ids = self._registered(mets, time_range, location_ids, scene_id, state, reason)
        return self._existing(
            ids,
            lambda sim_id: self._model.layout.footprint(sim_id, self.name),
            lambda row: self.name in parse_footprint_keys(row["footprint_keys"])[0],
        )

    def load(
        self,
        mets: Mets = None,
        time_range: TimeRange = None,
        location_ids: Locations = None,
        **filters: Any,
    ) -> list[Footprint]:
        """Read the files that :meth:`paths` names; empty footprints have ``is_empty``."""
        from stilt.footprint import Footprint

        paths = self.paths(mets, time_range, location_ids, **filters)
        return [Footprint.from_netcdf(path) for path in paths]

    def select(
        self,
        mets: Mets = None,
        time_range: TimeRange = None,
        location_ids: Locations = None,
        **filters: Any,
    ) -> FootprintFiles:
        """The files of a selection as one set, read as it is used; filters are those of paths."""
        from stilt.footprint.files import FootprintFiles

        paths = self.paths(mets, time_range, location_ids, **filters)
        return FootprintFiles(paths, [path.parent.name for path in paths])

    def jacobian(
        self,
        target: Any,
        time_bins: Any,
        *,
        resolution: float | tuple[float, float] | None = None,
        projection: str | None = None,
        **filters: Any,
    ) -> Jacobian:
        """Sparse matrix of measurements by cells and times, ppm per (umol m-2 s-1).

        Args:
            target, time_bins, resolution, projection: as for
                :meth:`stilt.footprint.Footprint.aggregate`.
            **filters: those of :meth:`select`.

        Raises:
            UsageError: nothing is selected, or the target or the bins cannot be used.
        """
        chosen = self.select(**filters)
        return chosen.jacobian(target, time_bins, resolution=resolution, projection=projection)

    def enhancement(
        self,
        flux: xr.DataArray,
        *,
        molar_mass_g: float | None = None,
        projection: str | None = None,
        **filters: Any,
    ) -> pd.DataFrame:
        """What a surface flux adds to each measurement, ppm.

        Args:
            flux, molar_mass_g, projection: see :func:`stilt.footprint.enhancement.enhancement`.
            **filters: those of :meth:`select`.

        Returns:
            Index = simulation id; ``time``, ``enhancement_ppm``, and ``outside``, the influence
            that the flux does not cover, with ``outside_share``, its share of the footprint. More
            than a tenth is warned of.

        Raises:
            UsageError: units are missing or wrong, or the grid or the times cannot be used.
        """
        chosen = self.select(**filters)
        return chosen.enhancement(flux, molar_mass_g=molar_mass_g, projection=projection)

    def mean(self, **filters: Any) -> xr.DataArray:
        """Mean over a selection (see :meth:`select`) of the time-summed footprints.

        Raises:
            UsageError: nothing is selected, or grids differ.
        """
        return self.select(**filters).mean()

    def sum(self, **filters: Any) -> xr.DataArray:
        """Sum over a selection (see :meth:`select`) and time.

        Raises:
            UsageError: nothing is selected, or grids differ.
        """
        return self.select(**filters).sum()

    def missing(
        self, mets: Mets = None, time_range: TimeRange = None, location_ids: Locations = None
    ) -> list[str]:
        """Simulations of the current receptors without this footprint."""
        ids = candidates(self._model, mets, time_range, location_ids)
        files = self._model.files
        return [i for i in ids if not files.has_output(files.layout.footprint(i, self.name))]

    def __repr__(self) -> str:
        return f"<footprints {self.name!r} of {self._model.name}>"


class FootprintCollections:
    """Footprints of a project by name; any name is accepted."""

    def __init__(self, model: Model) -> None:
        self._model = model

    def names(self) -> list[str]:
        """Configured names; those of the index without a configuration."""
        try:
            configured = self._model.config.footprints
        except FileNotFoundError:
            return self._model.index.footprint_names()
        names = []
        for name, footprint in configured.items():
            names += [name, name + ERROR_SUFFIX] if footprint.error else [name]
        return names

    def __getitem__(self, name: str) -> FootprintCollection:
        return FootprintCollection(self._model, name)

    def __iter__(self) -> Iterator[str]:
        return iter(self.names())

    def __len__(self) -> int:
        return len(self.names())
