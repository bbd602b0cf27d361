"""The simulation that a text on the command line names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stilt.errors import UsageError

if TYPE_CHECKING:
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
        raise UsageError(f"'{text}' is no part of an id in this project, such as {ids[0]}.")
    some = ", ".join(found[:3])
    raise UsageError(
        f"'{text}' is a part of {len(found)} ids, {some} for example: give more of it."
    )
