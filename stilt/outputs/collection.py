"""What the outputs of a project have in common: files are found, and read, when asked for."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stilt.config.run import WIND_ERROR_FIELDS
from stilt.errors import UsageError
from stilt.missing_attributes import no_attribute
from stilt.notices import notice
from stilt.outputs.omitted import tell_how_many, tell_of_omitted
from stilt.project.files_of import files_of
from stilt.project.kinds import ERROR_PARTICLES, FOOTPRINTS, PARTICLES
from stilt.project.moved_weather import moved_weather
from stilt.project.reading import Located, Locations, locate, own_file, shards_of
from stilt.roots import PathLike, shown
from stilt.selection import Owner, Selection, condition, states_of

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr


logger = logging.getLogger(__name__)

_KEYS = ("transport_key", "error_key", "footprint_keys")
_Recorded = Callable[[Mapping[str, Any]], bool]
LEFT_OUT = "are left out"
_LIKE_ARRAYS = dict.fromkeys(
    ("sel", "isel", "loc", "iloc", "where", "query"),
    "select simulations by keywords, as in load(time_range=(START, END), location_ids=PLACE), or "
    "take the whole as an xarray object with open(), as in open().sel(...).",
)


class OutputCollection(ABC):
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

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            raise no_attribute(self, name, _LIKE_ARRAYS)

    @abstractmethod
    def keys(self) -> list[str]:
        """Return ids of the simulations that have such an output, sorted."""

    def registered(self, selection: Selection) -> list[str]:
        """Return ids of the registered simulations of a selection, sorted."""
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
        self,
        ids: Sequence[str],
        kind: str,
        name: str,
        recorded: _Recorded,
        current: Callable[[], Mapping[str, Sequence[str]]],
        *,
        therefore: str,
        or_none: bool,
    ) -> list[Located]:
        """Outputs of simulations that exist, copied here first where they are on a URL.

        Warns of those that are gone although the index has them, of those that another
        configuration made, and of simulations without one.

        Args:
            ids, kind, name: which.
            recorded: whether a row of the index has such an output.
            current: content keys of current outputs, by meteorology.
            therefore: what follows for simulations without one; "" says nothing of them.
            or_none: say it also where none of the simulations has one.
        """
        found = locate(self._files, ids, kind, name)
        there = {path for path in {one.path for one in found} if path.exists()}
        absent = {one.sim_id: one.path for one in found if one.path not in there}
        gone: set[str] = set()
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
        there_now = [one for one in found if one.sim_id not in absent]
        self._tell_of_earlier([one.sim_id for one in there_now], kind, name, current)
        if therefore and (there_now or or_none):
            known = gone.union(one.sim_id for one in there_now)
            tell_of_omitted(self._owner, ids, known, _lack(kind, name), therefore)
        return there_now

    def _tell_of_earlier(
        self,
        sim_ids: Sequence[str],
        kind: str,
        name: str,
        current: Callable[[], Mapping[str, Sequence[str]]],
    ) -> None:
        """Say once how many outputs of some simulations another configuration made."""
        from stilt.project.campaign_table import earlier_outputs

        if not sim_ids or self._files.expected is None:
            return
        keys = current()
        # What is not configured any more would not be made again.
        if not any(keys.values()):
            return
        earlier, number = earlier_outputs(self._files.index, kind, name, keys, sim_ids)
        if earlier:
            notice(
                logger, "%d of %d results used here are of an earlier configuration, or of weather "
                "in another folder: `stilt run` (or model.run()) makes them again.",
                earlier, number,
            )  # fmt: skip

    def _campaign(
        self, kind: str, name: str, keys: Mapping[str, Sequence[str]], selection: Selection
    ) -> tuple[pd.DataFrame, Locations]:
        """Receptors of outputs that this configuration made, and where these are.

        Warns of those that another configuration made, and of simulations without one, which the
        index counts: no file is looked for.
        """
        from stilt.project.campaign_table import campaign_table

        where, values = condition(self._owner, selection)
        only = self.registered(selection) if selection.get("state") is not None else None
        table, others = campaign_table(
            self._files.index, kind, name, keys, where=where, parameters=values, only=only
        )
        moved: list[str] = []
        if stale := others.stale:
            notice(
                logger, "%d of %d outputs are left out: another configuration, or weather in "
                "another folder, made them.", stale, stale + len(table),
            )  # fmt: skip
            moved = moved_weather(self._files)
            for sentence in moved if len(table) else ():
                notice(logger, "%s", sentence)
        if not len(table):
            if not stale:
                raise UsageError(self._none_chosen(kind, name, selection))
            raise UsageError(" ".join((
                "There is nothing to open: the selection holds no output of this configuration.",
                *moved,
            )))  # fmt: skip
        if others.lacking:
            tell_how_many(
                self._owner, others.lacking, others.wanted, others.example, _lack(kind, name),
                LEFT_OUT,
            )  # fmt: skip
        ids, shards = (table[column].tolist() for column in ("sim_id", "shard"))
        located = Locations(self._files, ids, shards, kind, name)
        return table.drop(columns="shard"), located

    def _none_chosen(self, kind: str, name: str, selection: Selection) -> str:
        """Say why a selection has no output: none is made yet, it has none, or they are gone."""
        from stilt.project.campaign_table import made_when

        project = shown(self._files.place)
        chosen, number, first, last = made_when(
            self._files.index, kind, name, *condition(self._owner, selection)
        )
        what = f"footprint '{name}'" if kind == FOOTPRINTS else "particles"
        if kind == ERROR_PARTICLES:
            what = "particles of the error run"
            if not number and not self._owner.config.error_run:
                return (
                    "config.yaml has no error run, and so there are no particles of one: set "
                    f"{', '.join(WIND_ERROR_FIELDS)}, or leave out --error (error=True in Python)."
                )
        elif kind == PARTICLES and not number and not self._owner.config.trajectories:
            return "Particles are not kept: set trajectories: true in config.yaml, and run again."
        if not number:
            return (
                f"Nothing has been made yet ({what}): `stilt run {project}` computes, "
                f"`stilt status {project}` counts, and `stilt explain {project}` says why some "
                "failed."
            )
        if chosen:
            return (
                f"The selection has no result ({what}) in this state, or their files are gone: "
                f"`stilt run {project}` computes what is missing."
            )
        return (
            f"None of the {number:,} results ({what}) is in this selection: their receptors are "
            f"from {first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M} UTC."
        )

    def _export(
        self,
        path: PathLike,
        chosen: str | None,
        kind: str,
        name: str,
        keys: Mapping[str, Sequence[str]],
        selection: Selection,
        opened: Callable[[], xr.Dataset],
    ) -> int:
        """Write a selection in a format."""
        from stilt.project import export

        how = export.format_of(path, chosen)  # a Path would have lost the / of a folder
        target = export.target_of(path, how)
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
        there = {s for s in set(shards.values()) if self._files.output_files.has_shard(s)}
        return [
            sim_id
            for sim_id in ids
            if shards.get(sim_id) not in there
            and not self._files.output_files.has_output(own_file(self._files, sim_id, kind, name))
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


def _lack(kind: str, name: str) -> str:
    """Return what a simulation without an output does not have."""
    if kind == FOOTPRINTS:
        return f"footprint {name!r}"
    return "particles" if kind == PARTICLES else "error run"
