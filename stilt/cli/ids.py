"""The simulation, or the places, that texts on the command line name."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from stilt.errors import UsageError
from stilt.nearest_names import nearest_name
from stilt.roots import shown

if TYPE_CHECKING:
    import pandas as pd

    from stilt.model import Model


def one_id(model: Model, text: str) -> str:
    """Return the id of the simulation that a text names: its id, its receptor's, or a part of it.

    Raises:
        UsageError: none has it, or several have.
    """
    ids = model.simulations.ids()
    found = _of_text(ids, text)
    if len(found) == 1:
        return found[0]
    project = shown(model.project)
    if not ids:
        raise UsageError(
            f"No simulation is registered in this project: `stilt check {project}` looks at its "
            f"receptors, `stilt run {project}` computes them."
        )
    if not found:
        here = ids_at(model, text)
        if not here:
            raise UsageError(f"'{text}' is no part of an id in this project, such as {ids[0]}.")
        raise UsageError(
            f"'{text}' is a place, with simulations of its own: `stilt plot {project} --location "
            f"{text}` draws them, and one of them is named by its id, such as {here[0]}."
        )
    some = ", ".join(found[:3])
    raise UsageError(
        f"'{text}' is a part of {len(found)} ids, {some} for example: give more of it."
    )


def _of_text(ids: list[str], text: str) -> list[str]:
    """Return those of some ids that a text names: its own, its receptor's, or all it is part of."""
    from stilt.receptors import receptor_of

    if text in ids:
        return [text]
    whole = [sim_id for sim_id in ids if receptor_of(sim_id) == text]
    return whole or [sim_id for sim_id in ids if text in sim_id]


def ids_or_place(model: Model, text: str) -> list[str]:
    """Return ids of the simulation, or of all those at the place, that a text names.

    Raises:
        UsageError: it names neither, or is a part of several ids and no place.
    """
    found = _of_text(model.simulations.ids(), text)
    if len(found) == 1:
        return found
    return ids_at(model, text) or [one_id(model, text)]


def ids_at(model: Model, text: str) -> list[str]:
    """Return ids of the simulations at the place that a text names, none where it is no place."""
    here = _at(_places(model), text)["location_id"].tolist()
    return model.simulations.ids(location_ids=here) if here else []


def locations(model: Model, texts: Iterable[str]) -> list[str]:
    """Return the ids of places that texts name: by a location's id, or by the label ``site``.

    Raises:
        UsageError: no receptor is at a place.
    """
    table = _places(model)
    found: dict[str, None] = {}
    for text in texts:
        here = _at(table, text)
        if here.empty:
            sites = sorted({site for site in table["site"] if isinstance(site, str)})
            ids = table["location_id"].tolist()
            raise UsageError(
                f"No receptor of this project is at '{text}', which is neither a label site of "
                f"receptors.csv nor an id of a place: {nearest_name(text, sites or ids, ids)}"
            )
        found.update(dict.fromkeys(here["location_id"]))
    return list(found)


def _places(model: Model) -> pd.DataFrame:
    """Return the places of a project's receptors: location_id, and the label ``site`` or null."""
    known = model.index.sql("SELECT * FROM receptors LIMIT 0").columns
    site = "site::VARCHAR" if "site" in known else "NULL"
    return model.index.sql(f"SELECT DISTINCT location_id, {site} AS site FROM receptors ORDER BY 1")


def _at(places: pd.DataFrame, text: str) -> pd.DataFrame:
    """Return the places that a text names."""
    return places[(places["location_id"] == text) | (places["site"] == text)]
