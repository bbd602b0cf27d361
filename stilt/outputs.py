"""Trajectories and footprints of a project: files are found, and read, when a method is called."""

from __future__ import annotations

import difflib
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from stilt.errors import UsageError
from stilt.notices import notice
from stilt.project.files_of import files_of
from stilt.project.keys import ERROR_SUFFIX, parse_footprint_keys
from stilt.project.kinds import ERROR_PARTICLES, FOOTPRINTS, PARTICLES
from stilt.project.reading import (
    Located,
    Locations,
    locate,
    own_file,
    read_footprint,
    read_trajectories,
    shards_of,
)
from stilt.roots import PathLike, expanded
from stilt.selection import Owner, Selection, candidates, checked, condition, states_of

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from stilt.footprint import Footprint
    from stilt.footprint.files import FootprintSet
    from stilt.footprint.jacobian import Jacobian
    from stilt.plotting.footprint_files import FootprintFilesPlots
    from stilt.project.campaign_footprints import Along
    from stilt.project.export import Format
    from stilt.trajectories import Trajectories

logger = logging.getLogger(__name__)

_KEYS = ("transport_key", "error_key", "footprint_keys")
_Recorded = Callable[[Mapping[str, Any]], bool]


def _kind(error: bool) -> str:
    return ERROR_PARTICLES if error else PARTICLES


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
        self, ids: Sequence[str], kind: str, name: str, recorded: _Recorded
    ) -> list[Located]:
        """Outputs of simulations that exist, copied here first where they are on a URL.

        Warns of those that are gone although the index has them.
        """
        found = locate(self._files, ids, kind, name)
        there = {path for path in {one.path for one in found} if path.exists()}
        absent = {one.sim_id: one.path for one in found if one.path not in there}
        if absent:
            rows = self._files.index.rows(list(absent), ("sim_id", *_KEYS))
            gone = {row["sim_id"] for row in rows if recorded(row)}
            gone -= {i for i in gone if absent[i].with_suffix(".empty").exists()}
            if gone:
                logger.warning(
                    "%d of %d files are gone that the index has, %s for example: `stilt run` (or "
                    "model.run()) computes them again, and `stilt status --verify` counts without "
                    "them.", len(gone), len(found) - len(absent) + len(gone), absent[min(gone)],
                )  # fmt: skip
        return [one for one in found if one.sim_id not in absent]

    def _campaign(
        self, kind: str, name: str, keys: Mapping[str, str], selection: Selection
    ) -> tuple[pd.DataFrame, Locations]:
        """Receptors of outputs that this configuration made, and where these are."""
        from stilt.project.campaign_table import campaign_table

        where, values = condition(self._owner, selection)
        only = self._registered(selection) if selection.get("state") is not None else None
        table, stale = campaign_table(
            self._files.index, kind, name, keys, where=where, parameters=values, only=only
        )
        if stale:
            notice(
                logger, "%d of %d outputs are left out: another configuration made them.",
                stale, stale + len(table),
            )  # fmt: skip
        if not len(table):
            raise UsageError(
                "There is nothing to open: the selection holds no output of this configuration."
            )
        ids, shards = (table[column].tolist() for column in ("sim_id", "shard"))
        located = Locations(self._files, ids, shards, kind, name)
        return table.drop(columns="shard"), located

    def _export(
        self,
        path: PathLike,
        chosen: str | None,
        kind: str,
        name: str,
        keys: Mapping[str, str],
        selection: Selection,
        opened: Callable[[], xr.Dataset],
    ) -> int:
        """Write a selection in a format."""
        from stilt.project import export

        target = expanded(path)
        how = export.format_of(target, chosen)
        if how in ("netcdf", "zarr"):
            dataset = opened()
            (export.export_netcdf if how == "netcdf" else export.export_zarr)(dataset, target)
            return dataset.sizes["receptor"]
        table, located = self._campaign(kind, name, keys, selection)
        if how == "files":
            return export.export_files(located, kind, name, target)
        export.export_parquet(located, table, kind, target)
        return len(located)

    def _missing(self, ids: Sequence[str], kind: str, name: str = "") -> list[str]:
        """Those of some simulations that have no such output."""
        shards = shards_of(self._files, ids, kind, name)
        there = {s for s in set(shards.values()) if self._files.has_shard(s)}
        return [
            sim_id
            for sim_id in ids
            if shards.get(sim_id) not in there
            and not self._files.has_output(own_file(self._files, sim_id, kind, name))
        ]

    def _paths(self, located: Sequence[Located], kind: str, name: str = "") -> list[Path]:
        """Files of outputs; of those in the store they are made, and that is said."""
        shelved = [one for one in located if one.shard]
        made = dict(zip((one.sim_id for one in shelved), files_of(self._files, shelved, kind, name),
                        strict=True))  # fmt: skip
        if shelved:
            notice(
                logger, "%d files were made of outputs in the store, in %s; load() reads them "
                "without.", len(shelved), self._files.layout.made_files,
            )  # fmt: skip
        return [made.get(one.sim_id, one.path) for one in located]


class TrajectoryCollection(_Artifacts):
    """Trajectory files of a project; ``collection[sim_id]`` reads one.

    The keywords of a selection are those of :class:`stilt.selection.Selection`.
    """

    def __getitem__(self, sim_id: str) -> Trajectories:
        (found,) = locate(self._files, [str(sim_id)], PARTICLES)
        if not found.exists():
            raise KeyError(f"{sim_id} has no trajectory")
        return read_trajectories(found)

    def keys(self) -> list[str]:
        """Return ids of the simulations that have a trajectory, sorted."""
        return self._files.index.ids("transport_key IS NOT NULL")

    def paths(self, *, error: bool = False, **selection: Unpack[Selection]) -> list[Path]:
        """Return files of registered simulations that exist, by id.

        Warns of those that the index has and that are gone. Of particles in the store files are
        made, which a notice says.

        Args:
            error: those of the error runs.
            **selection: which simulations.
        """
        return self._paths(self._located(error, selection), _kind(error))

    def load(self, *, error: bool = False, **selection: Unpack[Selection]) -> list[Trajectories]:
        """Read the particles of registered simulations that exist, by id."""
        return [read_trajectories(one) for one in self._located(error, selection)]

    def open(self, *, error: bool = False, **selection: Unpack[Selection]) -> xr.Dataset:
        """Return particles of the whole campaign as one lazy dataset; nothing is read yet.

        Those that another configuration made are left out, which a notice says. Behind the
        variables are chunks of dask where dask is installed, else xarray reads what is indexed.

        Args:
            error: those of the error runs.
            **selection: which simulations.

        Returns:
            A variable for each column, dims (receptor, particle, minutes_back) or
            (..., minutes_after) of forward runs, NaN where there is no such row; ``receptor`` is
            the simulation's id, with coordinates of time, place and labels.

        Raises:
            FileNotFoundError: there is no config.yaml.
            UsageError: nothing is selected.
        """
        from stilt.project.campaign_particles import open_particles

        config, expected = self._owner.config, self._files.expectations
        keys = {m: (e.error or "") if error else e.transport for m, e in expected.items()}
        table, located = self._campaign(_kind(error), "", keys, selection)
        return open_particles(located, table, config.n_hours, config.numpar)

    def export(
        self,
        path: PathLike,
        *,
        format: Format | None = None,
        error: bool = False,
        **selection: Unpack[Selection],
    ) -> int:
        """Write particles of a selection for other programs.

        Args:
            path: file to make or replace; for ``files`` and ``zarr`` a folder.
            format: ``files`` (a Parquet file for each simulation), ``netcdf`` (one file, dims
                (receptor, particle, minutes_back)), ``zarr`` or ``parquet`` (one file of rows);
                None goes by the suffix, and by default makes files.
            error: those of the error runs.
            **selection: which simulations.

        Returns:
            How many simulations were written.

        Raises:
            FileNotFoundError: there is no config.yaml.
            UsageError: nothing is selected, or a package is missing.
        """
        expected = self._files.expectations
        keys = {m: (e.error or "") if error else e.transport for m, e in expected.items()}
        return self._export(
            path, format, _kind(error), "", keys, selection,
            lambda: self.open(error=error, **selection),
        )  # fmt: skip

    def missing(self, *, error: bool = False, **selection: Unpack[Selection]) -> list[str]:
        """Return simulations of the current receptors without such a file."""
        return self._missing(candidates(self._owner, checked(selection)), _kind(error))

    def _located(self, error: bool, selection: Selection) -> list[Located]:
        key = "error_key" if error else "transport_key"
        ids = self._registered(selection)
        return self._existing(ids, _kind(error), "", lambda row: row[key] is not None)

    def __repr__(self) -> str:
        return f"<trajectories of {self._owner.name}>"


class FootprintCollection(_Artifacts):
    """Footprint files of one name; ``collection[sim_id]`` reads one.

    Methods that combine footprints read one at a time, and their rows are named by
    simulation id. The keywords of a selection are those of :class:`stilt.selection.Selection`.
    """

    def __init__(self, owner: Owner, name: str) -> None:
        super().__init__(owner)
        self.name = name

    def __getitem__(self, sim_id: str) -> Footprint:
        (found,) = locate(self._files, [str(sim_id)], FOOTPRINTS, self.name)
        if not found.exists():
            raise KeyError(f"{sim_id} has no footprint '{self.name}'")
        return read_footprint(found)

    def keys(self) -> list[str]:
        """Return ids of the simulations that have this footprint, sorted."""
        return self._files.index.ids(
            "s.sim_id IN (SELECT sim_id FROM footprints WHERE name = ?)", [self.name]
        )

    def paths(self, **selection: Unpack[Selection]) -> list[Path]:
        """Return files of registered simulations that exist, by id.

        Warns of those that the index has and that are gone. Of footprints in the store files are
        made, which a notice says.
        """
        return self._paths(self._located(selection), FOOTPRINTS, self.name)

    def load(self, **selection: Unpack[Selection]) -> list[Footprint]:
        """Read footprints of registered simulations, by id; empty ones have ``is_empty``."""
        return list(self.select(**selection))

    def open(self, *, along: Along = "hours_back", **selection: Unpack[Selection]) -> xr.DataArray:
        """Return the whole campaign, or a selection, as one lazy array; nothing is read yet.

        ``.sel``, ``.mean("receptor")`` and ``.plot`` work as on any array. Footprints that another
        configuration made are left out, which a notice says. Behind it are chunks of dask where
        dask is installed, else xarray reads what is indexed.

        Args:
            along: ``hours_back`` (``hours_after`` of forward runs) counts hours from each
                receptor's time; ``time`` has clock hours, in which the hours of a receptor at
                14:37 stand where they begin.
            **selection: which simulations.

        Returns:
            Influence in ppm per (umol m-2 s-1), dims (receptor, hours_back or time, lat, lon) or
            (..., y, x); ``receptor`` is the simulation's id, with coordinates of time, place,
            scene and labels. float32 when all of it is in the store, else float64.

        Raises:
            FileNotFoundError: there is no config.yaml.
            UsageError: nothing is selected, or the footprint is not configured.
        """
        from stilt.project.campaign_footprints import check_along, open_footprints

        check_along(along)
        config = self._owner.config
        settings = config.footprints.get(self.name.removesuffix(ERROR_SUFFIX))
        if settings is None:
            raise UsageError(
                f"config.yaml has no footprint '{self.name}', and so no grid to open it on: "
                "load() reads footprints one by one."
            )
        expected = self._files.expectations
        keys = {
            m: e.footprints[self.name] for m, e in expected.items() if self.name in e.footprints
        }
        table, located = self._campaign(FOOTPRINTS, self.name, keys, selection)
        return open_footprints(located, table, settings, config.n_hours, self.name, along)

    def export(
        self,
        path: PathLike,
        *,
        format: Format | None = None,
        along: Along = "hours_back",
        **selection: Unpack[Selection],
    ) -> int:
        """Write footprints of a selection for other programs.

        Args:
            path: file to make or replace; for ``files`` and ``zarr`` a folder.
            format: ``files`` (a NetCDF file for each simulation), ``netcdf`` (one CF file, dims as
                of :meth:`open`), ``zarr``, or ``parquet`` (one file with a row for each cell that
                is not zero); None goes by the suffix, and by default makes files.
            along: as for :meth:`open`.
            **selection: which simulations.

        Returns:
            How many simulations were written.

        Raises:
            FileNotFoundError: there is no config.yaml.
            UsageError: nothing is selected, or a package is missing.
        """
        expected = self._files.expectations
        keys = {met: e.footprints.get(self.name, "") for met, e in expected.items()}
        return self._export(
            path, format, FOOTPRINTS, self.name, keys, selection,
            lambda: self.open(along=along, **selection).to_dataset(),
        )  # fmt: skip

    def select(self, **selection: Unpack[Selection]) -> FootprintSet:
        """Return the footprints of a selection as one set, read as it is used."""
        from stilt.project.footprint_set import LocatedFootprints

        return LocatedFootprints(self._located(selection))

    def _located(self, selection: Selection) -> list[Located]:
        return self._existing(
            self._registered(selection),
            FOOTPRINTS,
            self.name,
            lambda row: self.name in parse_footprint_keys(row["footprint_keys"])[0],
        )

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
        ids = candidates(self._owner, checked(selection))
        return self._missing(ids, FOOTPRINTS, self.name)

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
