"""Receptors and simulations of a project: nothing is read before a method is called."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING, Any, overload

import pandas as pd

from stilt.errors import ConfigValidationError, StiltError, UsageError
from stilt.project.states import STATES
from stilt.receptors import Receptor, SimID, parse_time
from stilt.simulation import Simulation

if TYPE_CHECKING:
    from stilt.model import Model

Mets = str | Collection[str] | None
TimeRange = tuple[Any, Any] | None
Locations = Collection[str] | None
States = str | Collection[str] | None
Filter = tuple[str, list[Any]]


class ReceptorList(Sequence[Receptor]):
    """Receptors in their order, by position, slice or receptor id."""

    def __init__(self, receptors: Sequence[Receptor]) -> None:
        self._receptors = list(receptors)
        self._by_id: dict[str, Receptor] | None = None

    @overload
    def __getitem__(self, key: int | str) -> Receptor: ...
    @overload
    def __getitem__(self, key: slice) -> list[Receptor]: ...
    def __getitem__(self, key: int | str | slice) -> Receptor | list[Receptor]:
        if isinstance(key, str):
            if self._by_id is None:
                self._by_id = {str(receptor.id): receptor for receptor in self._receptors}
            return self._by_id[str(key)]
        return self._receptors[key]

    def __len__(self) -> int:
        return len(self._receptors)

    def __iter__(self) -> Iterator[Receptor]:
        return iter(self._receptors)

    def __contains__(self, item: object) -> bool:
        if isinstance(item, str):
            return any(receptor.id == item for receptor in self._receptors)
        return item in self._receptors

    def __eq__(self, other: object) -> bool:
        return list(self) == list(other) if isinstance(other, Sequence) else NotImplemented

    def __repr__(self) -> str:
        return f"<{len(self)} receptors>"


class SimulationCollection:
    """The simulations of a project: ids from the index, objects on demand.

    Every method looks anew and writes nothing, so that a notebook can watch a run that another
    process is doing. Filters are shared by all of them:

    - ``mets``: name or names;
    - ``time_range``: first and last receptor time, both included;
    - ``location_ids``: a set;
    - ``scene_id``: text;
    - ``state``: one or several of pending, stale, running, complete, failed;
    - ``reason``: the typed reason of a failure.
    """

    def __init__(self, model: Model) -> None:
        self._model = model
        self._cache: dict[str, Simulation] = {}

    def __len__(self) -> int:
        counts = self._model.index.sql("SELECT count(*) AS n FROM simulations")
        return int(counts["n"][0])

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())

    def __contains__(self, sim_id: object) -> bool:
        return bool(self._model.index.rows([str(sim_id)], ("sim_id",)))

    def __getitem__(self, sim_id: str) -> Simulation:
        """A simulation; it need not be registered, but its met and receptor must be known.

        Raises:
            KeyError: they are not.
        """
        sim_id = str(sim_id)
        if sim_id not in self._cache:
            self._cache[sim_id] = self._simulation(sim_id)
        return self._cache[sim_id]

    def keys(self) -> list[str]:
        """Registered ids, sorted."""
        return self._model.index.ids()

    def values(self) -> Iterator[Simulation]:
        """Registered simulations, by id."""
        return (self[sim_id] for sim_id in self.keys())

    def items(self) -> Iterator[tuple[str, Simulation]]:
        """Registered ids with their simulations."""
        return ((sim_id, self[sim_id]) for sim_id in self.keys())

    def ids(
        self,
        mets: Mets = None,
        footprint: str | None = None,
        time_range: TimeRange = None,
        location_ids: Locations = None,
        *,
        scene_id: str | None = None,
        state: States = None,
        reason: str | None = None,
    ) -> list[str]:
        """Registered ids, sorted.

        Args:
            mets, time_range, location_ids, scene_id, state, reason: see the class.
            footprint: only those whose footprint of this name is complete, empty or not.
        """
        where, values = condition(
            self._model, mets, time_range, location_ids, scene_id, reason, footprint
        )
        return sorted(
            self._model.index.in_states(
                self._model.files.expected, where=where, parameters=values, states=_states(state)
            )
        )

    def select(
        self,
        mets: Mets = None,
        footprint: str | None = None,
        time_range: TimeRange = None,
        location_ids: Locations = None,
        **filters: Any,
    ) -> list[Simulation]:
        """Simulations that :meth:`ids` names."""
        return [self[i] for i in self.ids(mets, footprint, time_range, location_ids, **filters)]

    def incomplete(
        self,
        mets: Mets = None,
        time_range: TimeRange = None,
        location_ids: Locations = None,
        *,
        scene_id: str | None = None,
        state: States = None,
        reason: str | None = None,
    ) -> list[str]:
        """Simulations of the current receptors that are not complete, registered or not.

        Meteorology by meteorology, in the order of the receptors; then registered ones outside
        the current receptors. What is not registered is pending, has no scene and no reason.

        Args:
            mets, time_range, location_ids, scene_id, state, reason: see the class.
        """
        model = self._model
        where, values = condition(model, mets, time_range, location_ids, scene_id, reason)
        states = _states(state) - {"complete"}
        open_ids = model.index.in_states(
            model.files.expected, where=where, parameters=values, states=states
        )
        if scene_id is not None or reason is not None or model.is_registered():
            return open_ids
        current = candidates(model, mets, time_range, location_ids)
        still_open = set(open_ids)
        if "pending" in states:
            registered = set(model.index.ids(where, values))
            still_open.update(sim_id for sim_id in current if sim_id not in registered)
        first = [sim_id for sim_id in current if sim_id in still_open]
        listed = set(first)
        return first + [sim_id for sim_id in open_ids if sim_id not in listed]

    def to_frame(
        self,
        mets: Mets = None,
        footprint: str | None = None,
        time_range: TimeRange = None,
        location_ids: Locations = None,
        *,
        scene_id: str | None = None,
        state: States = None,
        reason: str | None = None,
    ) -> pd.DataFrame:
        """Registered simulations as a table, one row each, by id.

        Columns are those of the index's table ``simulations``; ``state`` is what a simulation is
        now, as :meth:`ids` and ``model.status()`` count it. No output file is looked at, which
        ``model.status(verify=True)`` does.

        Args:
            mets, time_range, location_ids, scene_id, state, reason: see the class.
            footprint: as for :meth:`ids`.
        """
        where, values = condition(
            self._model, mets, time_range, location_ids, scene_id, reason, footprint
        )
        return self._model.index.frame(
            self._model.files.expected, where=where, parameters=values, states=_states(state)
        )

    def _simulation(self, sim_id: str) -> Simulation:
        model = self._model
        try:
            known = SimID(sim_id)
        except StiltError as error:
            raise KeyError(str(error)) from None
        stored = model.index.receptors([sim_id]).get(sim_id)
        if stored is not None:
            receptor = Receptor.from_dict(json.loads(stored))
        elif known.met in model.config.mets and known.receptor in model.receptors:
            receptor = model.receptors[known.receptor]
        else:
            raise KeyError(f"{sim_id}: neither registered nor a met and receptor of this project")
        return Simulation(sim_id, receptor, model.files)

    def __repr__(self) -> str:
        return f"<{len(self)} simulations of {self._model.name}>"


def condition(
    model: Model,
    mets: Mets,
    time_range: TimeRange,
    location_ids: Locations,
    scene_id: str | None = None,
    reason: str | None = None,
    footprint: str | None = None,
) -> Filter:
    """SQL condition on ``simulations s`` for the filters, and its parameters.

    Raises:
        ConfigValidationError: a meteorology that is not configured.
    """
    clauses: list[str] = ["true"]
    values: list[Any] = []
    if mets is not None:
        names = _met_names(model, mets)
        clauses.append(f"s.met IN ({', '.join('?' * len(names)) or 'NULL'})")
        values += names
    if time_range is not None:
        clauses.append("s.time BETWEEN ? AND ?")
        values += [parse_time(time).to_pydatetime() for time in time_range]
    if location_ids is not None:
        places = sorted(map(str, location_ids))
        clauses.append(f"s.location_id IN ({', '.join('?' * len(places)) or 'NULL'})")
        values += places
    for column, value in (("scene_id", scene_id), ("reason", reason)):
        if value is not None:
            clauses.append(f"s.{column} = ?")
            values.append(str(value))
    if footprint is not None:
        clauses.append("s.sim_id IN (SELECT sim_id FROM footprints WHERE name = ?)")
        values.append(footprint)
    return " AND ".join(clauses), values


def _states(state: States) -> set[str]:
    """States that a filter asks for; all without one.

    Raises:
        UsageError: there is no such state.
    """
    if state is None:
        return set(STATES)
    wanted = {state} if isinstance(state, str) else set(state)
    if unknown := sorted(wanted - set(STATES)):
        raise UsageError(f"Unknown state '{unknown[0]}': known are {', '.join(STATES)}.")
    return wanted


def _met_names(model: Model, mets: Mets) -> list[str]:
    names = [mets] if isinstance(mets, str) else list(mets or ())
    unknown = [name for name in names if name not in model.config.mets]
    if unknown:
        raise ConfigValidationError(f"Unknown met name(s): {unknown}")
    return names


def candidates(
    model: Model, mets: Mets, time_range: TimeRange, location_ids: Locations
) -> list[str]:
    """Ids of the current receptors in every meteorology, registered or not."""
    chosen = list(model.config.mets) if mets is None else _met_names(model, mets)
    window = tuple(map(parse_time, time_range)) if time_range else None
    receptors = [
        receptor
        for receptor in model.receptors
        if (window is None or window[0] <= receptor.time <= window[1])
        and (location_ids is None or receptor.location_id in location_ids)
    ]
    return [f"{met}_{receptor.id}" for met in chosen for receptor in receptors]
