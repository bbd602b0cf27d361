"""The simulation, or the places, that texts on the command line name."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from stilt.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd

    from stilt.model import Model


def one_id(model: Model, text: str) -> str:
    """Return the id of the simulation that a text names: its id, its receptor's, or a part of it.

    Raises:
        UsageError: none has it, or several have.
    """
    from stilt.receptors import receptor_of

    ids = model.simulations.ids()
    if text in ids:
        return text
    whole = [sim_id for sim_id in ids if receptor_of(sim_id) == text]
    found = whole or [sim_id for sim_id in ids if text in sim_id]
    if len(found) == 1:
        return found[0]
    if not ids:
        raise UsageError(
            "No simulation is registered in this project: `stilt check` looks at its receptors, "
            "`stilt run` computes them."
        )
    if not found:
        if _at(_places(model), text).empty:
            raise UsageError(f"'{text}' is no part of an id in this project, such as {ids[0]}.")
        raise UsageError(
            f"'{text}' is a place, with simulations of its own: `stilt plot --location {text}` "
            f"draws them, and one of them is named by its id, such as {ids[0]}."
        )
    some = ", ".join(found[:3])
    raise UsageError(
        f"'{text}' is a part of {len(found)} ids, {some} for example: give more of it."
    )


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
            names = [
                site if isinstance(site, str) else location
                for location, site in table.head(3).itertuples(index=False)
            ]
            raise UsageError(
                f"No receptor of this project is at '{text}': a place is the label site of "
                f"receptors.csv, or an id such as {', '.join(dict.fromkeys(names)) or 'none'}."
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
