"""Receptors and simulations of a project: nothing is read before a method is called."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Unpack, overload

import pandas as pd

from stilt.errors import StiltError
from stilt.receptors import Receptor, SimID
from stilt.selection import Owner, Selection, candidates, condition, states_of
from stilt.simulation import Simulation


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

    Every method reads the index again and writes nothing, so that a notebook can watch a run of
    another process. The keywords of a selection are those of
    :class:`stilt.selection.Selection`, in all collections.
    """

    def __init__(self, owner: Owner) -> None:
        self._owner = owner
        self._index = owner.files.index
        self._cache: dict[str, Simulation] = {}

    def __len__(self) -> int:
        counts = self._index.sql("SELECT count(*) AS n FROM simulations")
        return int(counts["n"][0])

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())

    def __contains__(self, sim_id: object) -> bool:
        return bool(self._index.rows([str(sim_id)], ("sim_id",)))

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
        """Return registered ids, sorted."""
        return self._index.ids()

    def values(self) -> Iterator[Simulation]:
        """Yield registered simulations, by id."""
        return (self[sim_id] for sim_id in self.keys())

    def items(self) -> Iterator[tuple[str, Simulation]]:
        """Yield registered ids with their simulations."""
        return ((sim_id, self[sim_id]) for sim_id in self.keys())

    def ids(self, **selection: Unpack[Selection]) -> list[str]:
        """Return registered ids of a selection, sorted."""
        where, values = condition(self._owner, selection)
        return sorted(
            self._index.in_states(
                self._owner.files.expected,
                where=where, parameters=values, states=states_of(selection),
            )
        )  # fmt: skip

    def select(self, **selection: Unpack[Selection]) -> list[Simulation]:
        """Return the simulations that :meth:`ids` names."""
        return [self[sim_id] for sim_id in self.ids(**selection)]

    def incomplete(self, **selection: Unpack[Selection]) -> list[str]:
        """Return simulations of the current receptors that are not complete, registered or not.

        Meteorology by meteorology, in the order of the receptors; then registered ones outside
        the current receptors. What is not registered is pending, has no scene and no reason.
        """
        owner = self._owner
        where, values = condition(owner, selection)
        states = states_of(selection) - {"complete"}
        open_ids = self._index.in_states(
            owner.files.expected, where=where, parameters=values, states=states
        )
        registered_only = any(selection.get(name) for name in ("scene_id", "reason", "footprint"))
        if registered_only or selection.get("listed") is False or owner.is_registered():
            return open_ids
        current = candidates(owner, selection)
        still_open = set(open_ids)
        if "pending" in states:
            registered = set(self._index.ids(where, values))
            still_open.update(sim_id for sim_id in current if sim_id not in registered)
        first = [sim_id for sim_id in current if sim_id in still_open]
        listed = set(first)
        return first + [sim_id for sim_id in open_ids if sim_id not in listed]

    def to_frame(self, **selection: Unpack[Selection]) -> pd.DataFrame:
        """Return registered simulations as a table, one row each, by id.

        Columns are those of the index's table ``simulations``; ``state`` is what a simulation is
        now, as :meth:`ids` and ``model.status()`` count it.
        """
        where, values = condition(self._owner, selection)
        return self._index.frame(
            self._owner.files.expected,
            where=where, parameters=values, states=states_of(selection),
        )  # fmt: skip

    def _simulation(self, sim_id: str) -> Simulation:
        owner = self._owner
        try:
            known = SimID(sim_id)
        except StiltError as error:
            raise KeyError(str(error)) from None
        stored = self._index.receptors([sim_id]).get(sim_id)
        if stored is not None:
            receptor = Receptor.from_dict(json.loads(stored))
        else:
            current = {str(one.id): one for one in owner.receptors}
            if known.met not in owner.config.mets or known.receptor not in current:
                raise KeyError(
                    f"{sim_id}: neither registered nor a met and receptor of this project"
                )
            receptor = current[known.receptor]
        return Simulation(sim_id, receptor, owner.files)

    def __repr__(self) -> str:
        return f"<{len(self)} simulations of {self._owner.name}>"
