"""The background of a project's measurements."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import pandas as pd

from stilt.answers.ends import (
    ends_of_simulations,
    footprint_settings,
    refuse_name,
    transforms_of,
)
from stilt.background.average import mean_of_ends, said_of_no_weight
from stilt.background.curtains import curtain
from stilt.background.ends import ends_of
from stilt.background.field import BackgroundField
from stilt.background.mole_fractions import unit_factor
from stilt.background.sources import FieldSource
from stilt.errors import FootprintError, UsageError
from stilt.outputs.omitted import tell_of_omitted

if TYPE_CHECKING:
    from stilt.selection import Owner, Selection

IN_UNITS = ("background", "background_std")


def background(
    owner: Owner,
    field: Any,
    selection: Selection,
    *,
    variable: str | None = None,
    field_units: str | None = None,
    units: str = "ppm",
    weights: str | None = None,
) -> pd.DataFrame:
    """Return the background of every simulation; see :meth:`stilt.Model.background`."""
    refuse_name(selection)
    if isinstance(field, pd.DataFrame):
        field_units = field_units or field.attrs.get("units")
        if not field_units:
            raise UsageError(
                "The curtain has no units: say field_units='ppm', 'ppb' or 'mol mol-1'."
            )
        field = curtain(field, field_units)
    source = FieldSource.open(field, variable, field_units)
    factor = unit_factor(source.units, units)
    settings = footprint_settings(owner, weights)
    own = settings is not None and any(each["kind"] == "import" for each in settings.transforms)
    rows = []
    without_kernel: dict[str, FootprintError] = {}
    for sim_id, receptor, particles in ends_of_simulations(owner, selection, whole=own):
        try:
            transforms = transforms_of(owner, settings, receptor)
        except FootprintError as error:
            without_kernel[sim_id] = error
            continue
        try:
            found = mean_of_ends(
                particles,
                receptor,
                BackgroundField(source),
                n_hours=owner.config.n_hours,
                transforms=transforms,
                heights_msl=owner.config.heights_msl,
            )
        except UsageError as error:
            raise UsageError(
                f"{sim_id}: {error} Simulations are left out with time_range=, location_ids= or "
                "scene_id=."
            ) from error
        rows.append({"simulation": sim_id, "time": receptor.time, **found})
    if without_kernel and not rows:
        raise next(iter(without_kernel.values()))
    there = [str(row["simulation"]) for row in rows]
    tell_of_omitted(
        owner, [*there, *without_kernel], there, "kernel for the transforms", "are left out"
    )
    frame = pd.DataFrame(rows).set_index("simulation")
    _refuse_impossible(frame["background"], source)
    none = frame.index[frame["background"].isna()]
    if len(none):
        warnings.warn(said_of_no_weight(none.tolist(), len(frame)), stacklevel=3)
    for name in IN_UNITS:
        frame[name] *= factor
    frame.attrs["units"] = units
    return frame


def _refuse_impossible(background: pd.Series, source: FieldSource) -> None:
    """Refuse backgrounds of more than all of the air.

    Raises:
        UsageError: there is one.
    """
    whole = background.abs() * unit_factor(source.units, "mol mol-1")
    if whole.max() > 1.0:
        worst = str(whole.idxmax())
        raise UsageError(
            f"The background of {worst} is {background[worst]:g} "
            f"{source.units}, which is more than 1 mol mol-1: the field's units are wrong; give "
            "them, as in field_units='ppm'."
        )


def ends(owner: Owner, selection: Selection) -> pd.DataFrame:
    """Return where every particle ended; see :meth:`stilt.Model.ends`."""
    parts = []
    for sim_id, receptor, particles in ends_of_simulations(owner, selection):
        found = ends_of(particles, receptor, owner.config.n_hours)
        parts.append(found.assign(simulation=sim_id))
    return pd.concat(parts, ignore_index=True).set_index(["simulation", "indx"])
