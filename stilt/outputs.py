"""Trajectories and footprints of a project: files are found, and read, when a method is called."""

from __future__ import annotations

import difflib
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from stilt.project.keys import ERROR_SUFFIX, parse_footprint_keys
from stilt.selection import Owner, Selection, candidates, checked, condition, states_of

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from stilt.footprint import Footprint
    from stilt.footprint.files import FootprintFiles
    from stilt.footprint.jacobian import Jacobian
    from stilt.plotting.footprint_files import FootprintFilesPlots
    from stilt.trajectories import Trajectories

logger = logging.getLogger(__name__)

_KEYS = ("transport_key", "error_key", "footprint_keys")
_Recorded = Callable[[Mapping[str, Any]], bool]


class _Artifacts(ABC):
    """What trajectories and footprints have in common."""

    def __init__(self, owner: Owner) -> None:
        self._owner = owner
        self._files = owner.files

    def __len__(self) -> int:
        return len(self.keys())

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())

    def __contains__(self, sim_id: object) -> bool:
        return str(sim_id) in self.keys()

    @abstractmethod
    def keys(self) -> list[str]:
        """Return ids of the simulations that have such an output, sorted."""

    def registered(self, selection: Selection) -> list[str]:
        """Return ids of the registered simulations of a selection, sorted."""
        return self._registered(selection)

    def _registered(self, selection: Selection) -> list[str]:
        where, values = condition(self._owner, selection)
        if selection.get("state") is None:
            return self._files.index.ids(where, values)
        return sorted(
            self._files.index.in_states(
                self._files.expected,
                where=where, parameters=values, states=states_of(selection),
            )
        )  # fmt: skip

    def _existing(
        self, ids: Sequence[str], path_of: Callable[[str], Path], recorded: _Recorded
    ) -> list[Path]:
        """Files of simulations that exist, copied here first where outputs are on a URL.

        Warns of those that are gone although the index has them.
        """
        found = {sim_id: self._files.local_copy(path_of(sim_id)) for sim_id in ids}
        absent = [sim_id for sim_id, path in found.items() if not path.exists()]
        if absent:
            rows = self._files.index.rows(absent, ("sim_id", *_KEYS))
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
    """Trajectory files of a project; ``collection[sim_id]`` reads one.

    The keywords of a selection are those of :class:`stilt.selection.Selection`.
    """

    def __getitem__(self, sim_id: str) -> Trajectories:
        from stilt.trajectories import Trajectories

        path = self._files.local_copy(self._files.layout.trajectory(str(sim_id)))
        if not path.exists():
            raise KeyError(f"{sim_id} has no trajectory")
        return Trajectories.from_parquet(path)

    def keys(self) -> list[str]:
        """Return ids of the simulations that have a trajectory, sorted."""
        return self._files.index.ids("transport_key IS NOT NULL")

    def paths(self, *, error: bool = False, **selection: Unpack[Selection]) -> list[Path]:
        """Return files of registered simulations that exist, by id.

        Warns of those that the index has and that are gone.

        Args:
            error: those of the error runs.
            **selection: which simulations.
        """
        key = "error_key" if error else "transport_key"
        ids = self._registered(selection)
        return self._existing(ids, self._path(error), lambda row: row[key] is not None)

    def load(self, *, error: bool = False, **selection: Unpack[Selection]) -> list[Trajectories]:
        """Read the files that :meth:`paths` names."""
        from stilt.trajectories import Trajectories

        return [Trajectories.from_parquet(path) for path in self.paths(error=error, **selection)]

    def missing(self, *, error: bool = False, **selection: Unpack[Selection]) -> list[str]:
        """Return simulations of the current receptors without such a file."""
        path = self._path(error)
        ids = candidates(self._owner, checked(selection))
        return [sim_id for sim_id in ids if not self._files.has_output(path(sim_id))]

    def _path(self, error: bool) -> Callable[[str], Path]:
        layout = self._files.layout
        return layout.error_trajectory if error else layout.trajectory

    def __repr__(self) -> str:
        return f"<trajectories of {self._owner.name}>"


class FootprintCollection(_Artifacts):
    """Footprint files of one name; ``collection[sim_id]`` reads one.

    Methods that combine footprints read one file at a time, and their rows are named by
    simulation id. The keywords of a selection are those of :class:`stilt.selection.Selection`.
    """

    def __init__(self, owner: Owner, name: str) -> None:
        super().__init__(owner)
        self.name = name

    def __getitem__(self, sim_id: str) -> Footprint:
        from stilt.footprint import Footprint

        path = self._files.local_copy(self._files.layout.footprint(str(sim_id), self.name))
        if not path.exists():
            raise KeyError(f"{sim_id} has no footprint '{self.name}'")
        return Footprint.from_netcdf(path)

    def keys(self) -> list[str]:
        """Return ids of the simulations that have this footprint, sorted."""
        return self._files.index.ids(
            "s.sim_id IN (SELECT sim_id FROM footprints WHERE name = ?)", [self.name]
        )

    def paths(self, **selection: Unpack[Selection]) -> list[Path]:
        """Return files of registered simulations that exist, by id.

        Warns of those that the index has and that are gone.
        """
        return self._existing(
            self._registered(selection),
            lambda sim_id: self._files.layout.footprint(sim_id, self.name),
            lambda row: self.name in parse_footprint_keys(row["footprint_keys"])[0],
        )

    def load(self, **selection: Unpack[Selection]) -> list[Footprint]:
        """Read the files that :meth:`paths` names; empty footprints have ``is_empty``."""
        from stilt.footprint import Footprint

        return [Footprint.from_netcdf(path) for path in self.paths(**selection)]

    def select(self, **selection: Unpack[Selection]) -> FootprintFiles:
        """Return the files of a selection as one set, read as it is used."""
        from stilt.footprint.files import FootprintFiles

        paths = self.paths(**selection)
        return FootprintFiles(paths, [path.parent.name for path in paths])

    def jacobian(
        self,
        target: Any,
        time_bins: Any,
        *,
        resolution: float | tuple[float, float] | None = None,
        projection: str | None = None,
        **selection: Unpack[Selection],
    ) -> Jacobian:
        """Sparse matrix of measurements by cells and times, ppm per (umol m-2 s-1).

        Args:
            target, time_bins, resolution, projection: as for
                :meth:`stilt.footprint.Footprint.aggregate`.
            **selection: which simulations.

        Raises:
            UsageError: nothing is selected, or the target or the bins cannot be used.
        """
        chosen = self.select(**selection)
        found = chosen.jacobian(target, time_bins, resolution=resolution, projection=projection)
        return replace(found, receptors=self._with_labels(found.receptors))

    def enhancement(
        self,
        flux: xr.DataArray,
        *,
        molar_mass_g: float | None = None,
        projection: str | None = None,
        **selection: Unpack[Selection],
    ) -> pd.DataFrame:
        """What a surface flux adds to each measurement, ppm.

        Args:
            flux, molar_mass_g, projection: see :func:`stilt.footprint.enhancement.enhancement`.
            **selection: which simulations.

        Returns:
            Index = simulation id; ``time``, ``enhancement_ppm``, and ``outside``, the influence
            that the flux does not cover, with ``outside_share``, its share of the footprint. More
            than a tenth is warned of. Labels of the receptors follow, a column each.

        Raises:
            UsageError: units are missing or wrong, or the grid or the times cannot be used.
        """
        chosen = self.select(**selection)
        found = chosen.enhancement(flux, molar_mass_g=molar_mass_g, projection=projection)
        return self._with_labels(found)

    def _with_labels(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return a table of simulations with their receptors' labels in further columns."""
        labels = self._files.index.labels(frame.index.tolist())
        found = frame.copy()
        for name in labels:
            found[f"label_{name}" if name in frame else name] = labels[name].to_numpy()
        return found

    def mean(self, **selection: Unpack[Selection]) -> xr.DataArray:
        """Mean over a selection (see :meth:`select`) of the time-summed footprints.

        Raises:
            UsageError: nothing is selected, or grids differ.
        """
        return self.select(**selection).mean()

    def sum(self, **selection: Unpack[Selection]) -> xr.DataArray:
        """Sum over a selection (see :meth:`select`) and time.

        Raises:
            UsageError: nothing is selected, or grids differ.
        """
        return self.select(**selection).sum()

    @property
    def plot(self) -> FootprintFilesPlots:
        """Pictures of all these footprints together; ``select(...).plot`` for some of them."""
        return self.select().plot

    def missing(self, **selection: Unpack[Selection]) -> list[str]:
        """Return simulations of the current receptors without this footprint."""
        files = self._files
        ids = candidates(self._owner, checked(selection))
        return [i for i in ids if not files.has_output(files.layout.footprint(i, self.name))]

    def __repr__(self) -> str:
        return f"<footprints {self.name!r} of {self._owner.name}>"


class FootprintCollections:
    """Footprints of a project by name: those of the configuration, and those in the index."""

    def __init__(self, owner: Owner) -> None:
        self._owner = owner

    def names(self) -> list[str]:
        """Return configured names; those of the index without a configuration."""
        try:
            configured = self._owner.config.footprints
        except FileNotFoundError:
            return self._owner.files.index.footprint_names()
        names = []
        for name, footprint in configured.items():
            names += [name, name + ERROR_SUFFIX] if footprint.error else [name]
        return names

    def __getitem__(self, name: str) -> FootprintCollection:
        """Footprints of one name.

        Raises:
            KeyError: neither the configuration nor the index has this name.
        """
        if name not in self:
            near = difflib.get_close_matches(name, self.names(), n=1)
            known = ", ".join(map(repr, self.names())) or "none"
            hint = f"did you mean {near[0]!r}?" if near else f"there are {known}."
            raise KeyError(f"there is no footprint {name!r}: {hint}")
        return FootprintCollection(self._owner, name)

    def __contains__(self, name: object) -> bool:
        return name in self.names() or name in self._owner.files.index.footprint_names()

    def __iter__(self) -> Iterator[str]:
        return iter(self.names())

    def __len__(self) -> int:
        return len(self.names())
