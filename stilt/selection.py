"""Select simulations of a project: one set of filters for all collections."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol, TypedDict

from stilt.errors import ConfigValidationError, Reason, StiltError, UsageError
from stilt.nearest_names import nearest_name
from stilt.project.states import STATES, UNLISTED
from stilt.receptors import time_window

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stilt.config import ModelConfig
    from stilt.project.inputs import Project
    from stilt.receptors import Receptor


# The label `site` of a simulation's receptor, which the index keeps as JSON.
_SITE = "json_extract_string(nullif(s.receptor, ''), '$.labels.site')"


class Selection(TypedDict, total=False):
    """Keywords that choose simulations; those that are not given choose all.

    Attributes:
        mets: name or names of meteorologies.
        time_range: first and last receptor time, both included; a last day without an hour is
            included whole.
        location_ids: location id or ids of receptors, or their labels ``site``.
        scene_id: of registered simulations.
        state: one or several of pending, stale, running, complete, failed.
        reason: the typed reason of a failure.
        footprint: only those whose footprint of this name is complete, empty or not.
        listed: True takes only receptors of the last registration, which are those of receptors.csv
            at the last run, and of scenes; False only the others.
    """

    mets: str | Collection[str] | None
    time_range: tuple[Any, Any] | None
    location_ids: str | Collection[str] | None
    scene_id: str | None
    state: str | Collection[str] | None
    reason: str | None
    footprint: str | None
    listed: bool | None


class Owner(Protocol):
    """What collections need of the model that they belong to."""

    @property
    def files(self) -> Project:
        """The project."""

    @property
    def config(self) -> ModelConfig:
        """Its configuration."""

    @property
    def receptors(self) -> Sequence[Receptor]:
        """The current receptors."""

    @property
    def name(self) -> str:
        """Name of the project."""

    def is_registered(self) -> bool:
        """Return whether all simulations of the current receptors are registered."""


def checked(selection: Selection) -> Selection:
    """Return a selection whose keywords exist.

    Raises:
        TypeError: one does not.
    """
    if unknown := sorted(set(selection) - set(Selection.__annotations__)):
        raise TypeError(
            f"unknown keyword {unknown[0]!r}: a selection takes "
            f"{', '.join(Selection.__annotations__)}"
        )
    return selection


def condition(owner: Owner, selection: Selection) -> tuple[str, list[Any]]:
    """Return an SQL condition on simulations ``s`` and its parameters; states are not in it.

    Raises:
        ConfigValidationError: a meteorology that is not configured.
        TypeError: a keyword that does not exist.
        UsageError: a reason, footprint, scene or place that does not exist, or a range of times
            in which the last is before the first.
    """
    chosen = checked(selection)
    clauses: list[str] = ["true"]
    values: list[Any] = []
    if (mets := chosen.get("mets")) is not None:
        names = met_names(owner, mets)
        clauses.append(f"s.met IN ({', '.join('?' * len(names)) or 'NULL'})")
        values += names
    if (time_range := chosen.get("time_range")) is not None:
        clauses.append("s.time BETWEEN ? AND ?")
        values += [time.to_pydatetime() for time in time_window(time_range)]
    if (location_ids := chosen.get("location_ids")) is not None:
        places = sorted(_texts(location_ids))
        _require_places(owner, places)
        among = f"IN ({', '.join('?' * len(places)) or 'NULL'})"
        clauses.append(f"(s.location_id {among} OR {_SITE} {among})")
        values += 2 * places
    if (reason := chosen.get("reason")) is not None and str(reason) not in list(Reason):
        raise UsageError(f"Unknown reason '{reason}': known are {', '.join(Reason)}.")
    if (scene := chosen.get("scene_id")) is not None:
        _require_scene(owner, str(scene))
    for column, value in (("scene_id", chosen.get("scene_id")), ("reason", chosen.get("reason"))):
        if value is not None:
            clauses.append(f"s.{column} = ?")
            values.append(str(value))
    if (footprint := chosen.get("footprint")) is not None:
        _require_footprint(owner, footprint)
        clauses.append("s.sim_id IN (SELECT sim_id FROM footprints WHERE name = ?)")
        values.append(footprint)
    if (listed := chosen.get("listed")) is not None:
        clauses.append(f"NOT {UNLISTED}" if listed else UNLISTED)
    return " AND ".join(clauses), values


def _require_footprint(owner: Owner, name: str) -> None:
    """Refuse a footprint that is neither configured nor stored."""
    configured = [] if owner.files.expected is None else list(owner.config.footprints)
    if name in configured:
        return
    table = owner.files.index.sql("SELECT DISTINCT name FROM footprints ORDER BY name")
    known = list(dict.fromkeys([*configured, *map(str, table["name"])]))
    if name not in known:
        raise UsageError(f"Unknown footprint '{name}': known are {', '.join(known) or 'none'}.")


def _require_scene(owner: Owner, scene: str) -> None:
    """Refuse a scene that no registered simulation belongs to."""
    table = owner.files.index.sql(
        "SELECT DISTINCT scene_id AS scene FROM simulations WHERE scene_id IS NOT NULL"
    )
    known = sorted(map(str, table["scene"]))
    if scene not in known:
        raise UsageError(f"Unknown scene '{scene}': {nearest_name(scene, known)}")


def _require_places(owner: Owner, places: Sequence[str]) -> None:
    """Refuse a place at which there is no receptor, registered or not."""
    if not places:
        return
    among = f"IN ({', '.join('?' * len(places))})"
    table = owner.files.index.sql(
        f"SELECT DISTINCT s.location_id AS place, coalesce({_SITE}, '') AS site "
        f"FROM simulations s WHERE s.location_id {among} OR {_SITE} {among}",
        [*places, *places],
    )
    missing = set(places) - {*table["place"], *table["site"]}
    if not missing:
        return
    receptors: Sequence[Receptor] = ()
    # A finished project need not have receptors.csv any longer.
    with suppress(StiltError, FileNotFoundError):
        receptors = owner.receptors
    sites = {str(one.labels["site"]) for one in receptors if one.labels.get("site")}
    locations = {str(one.location_id) for one in receptors}
    if missing := missing - sites - locations:
        sites.update(filter(None, sites_of(owner, {})))
        registered = owner.files.index.sql("SELECT DISTINCT location_id AS place FROM simulations")
        locations.update(map(str, registered["place"]))
        first = min(missing)
        near = nearest_name(first, sorted(sites or locations), others=sorted(locations))
        raise UsageError(f"No receptor is at the place '{first}': {near}")


def sites_of(owner: Owner, selection: Selection) -> list[str]:
    """Return the labels ``site`` of a selection's receptors, sorted; "" is of those without one."""
    where, values = condition(owner, selection)
    table = owner.files.index.sql(
        f"SELECT DISTINCT coalesce({_SITE}, '') AS site FROM simulations s WHERE {where} "
        "ORDER BY site", values,
    )  # fmt: skip
    return [str(site) for site in table["site"]]


def states_of(selection: Selection) -> set[str]:
    """Return the states that a selection asks for; all when it names none.

    Raises:
        UsageError: there is no such state.
    """
    state = selection.get("state")
    if state is None:
        return set(STATES)
    wanted = set(_texts(state))
    if unknown := sorted(wanted - set(STATES)):
        raise UsageError(f"Unknown state '{unknown[0]}': known are {', '.join(STATES)}.")
    return wanted


def met_names(owner: Owner, mets: str | Collection[str]) -> list[str]:
    """Return names of configured meteorologies.

    Raises:
        ConfigValidationError: one is not configured.
    """
    names = _texts(mets)
    if unknown := [name for name in names if name not in owner.config.mets]:
        known = ", ".join(owner.config.mets)
        raise ConfigValidationError(f"Unknown met name(s): {unknown}; known are {known}.")
    return names


def _texts(one_or_several: str | Collection[str]) -> list[str]:
    """Return texts of which a single one may stand alone."""
    if isinstance(one_or_several, str) or not isinstance(one_or_several, Collection):
        return [str(one_or_several)]
    return list(map(str, one_or_several))


def candidates(owner: Owner, selection: Selection) -> list[str]:
    """Return ids of the current receptors in every meteorology, registered or not.

    Only ``mets``, ``time_range`` and ``location_ids`` of a selection choose among them.
    """
    mets = selection.get("mets")
    chosen = list(owner.config.mets) if mets is None else met_names(owner, mets)
    time_range, location_ids = selection.get("time_range"), selection.get("location_ids")
    places = None if location_ids is None else _texts(location_ids)
    between = time_window(time_range) if time_range else None
    receptors = [
        receptor
        for receptor in owner.receptors
        if (between is None or between[0] <= receptor.time <= between[1])
        and (
            places is None
            or receptor.location_id in places
            or str(receptor.labels.get("site") or "") in places
        )
    ]
    return [f"{met}_{receptor.id}" for met in chosen for receptor in receptors]
