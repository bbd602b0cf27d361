"""First and last rows of the particles of a project's simulations, wherever they are kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from stilt.background.ends import first_and_last
from stilt.errors import UsageError
from stilt.outputs import TrajectoryCollection
from stilt.outputs.omitted import tell_of_omitted
from stilt.project.reading import Located, ends_in_store, read_trajectories

if TYPE_CHECKING:
    import pandas as pd

    from stilt.config import FootprintConfig
    from stilt.receptors import Receptor
    from stilt.selection import Owner, Selection

ALWAYS = ("time", "indx", "long", "lati")
IF_THERE = ("zagl", "pres", "zsfc", "xhgt", "dmas")


def ends_of_simulations(
    owner: Owner, selection: Selection, *, whole: bool = False
) -> Iterator[tuple[str, Receptor, pd.DataFrame]]:
    """Yield id, receptor and rows of every simulation of a selection, by id.

    Args:
        owner: the project.
        selection: which simulations.
        whole: read all columns, which a user's own transforms may need.

    Raises:
        UsageError: none of the simulations has particles or ends.
    """
    collection = TrajectoryCollection(owner)
    ids = collection.registered(selection)
    collection.tell_of_earlier(ids)
    absent = []
    in_store = ends_in_store(owner.files)
    for sim_id in ids:
        found = _read(owner, sim_id, whole, in_store.get(sim_id))
        if found is None:
            absent.append(sim_id)
            continue
        yield sim_id, *found
    if absent and len(absent) == len(ids):
        raise UsageError(
            f"None of {len(ids)} simulations has particles, or their ends: set trajectories or "
            "ends in config.yaml to true, and run again with skip_existing: false."
        )
    if not ids:
        raise UsageError("No simulations are selected.")
    there = set(ids).difference(absent)
    tell_of_omitted(owner, ids, there, "particles, nor their ends", "are left out")


def _read(
    owner: Owner, sim_id: str, whole: bool, in_store: Located | None
) -> tuple[Receptor, pd.DataFrame] | None:
    from stilt.trajectories import Trajectories, column_names

    if in_store is not None:
        ends = read_trajectories(in_store)
        return ends.receptor, ends.particles
    files = owner.files
    for path in (files.layout.ends(sim_id), files.layout.trajectory(sim_id)):
        here = files.output_files.local_copy(path)
        if here.exists():
            columns = None
            if not whole:
                stored = column_names(here)
                columns = [name for name in (*ALWAYS, *IF_THERE) if name in stored]
            kept = Trajectories.from_parquet(here, columns)
            return kept.receptor, first_and_last(kept.particles)
    try:
        stored_elsewhere = TrajectoryCollection(owner)[sim_id]
    except KeyError:
        return None
    return stored_elsewhere.receptor, first_and_last(stored_elsewhere.particles)


def footprint_settings(owner: Owner, name: str | None) -> FootprintConfig | None:
    """Return the footprint whose transforms weight the particles.

    Args:
        owner: the project.
        name: of the footprint; None takes any, where all have the same transforms.

    Raises:
        UsageError: there is no such footprint, or they differ in their transforms.
    """
    known: Mapping[str, FootprintConfig] = owner.config.footprints
    if name is not None:
        if name not in known:
            raise UsageError(
                f"There is no footprint {name!r}: the choices are {', '.join(known) or 'none'}."
            )
        return known[name]
    listed = list(known.values())
    if any(each.transforms != listed[0].transforms for each in listed):
        raise UsageError(
            f"The footprints {', '.join(known)} weight particles differently: say whose"
            " transforms count, weights=."
        )
    return listed[0] if listed else None


def refuse_name(selection: Selection) -> None:
    """Refuse ``name=`` where particles are followed, not the cells of a footprint.

    Raises:
        UsageError: it is given.
    """
    if "name" in selection:
        raise UsageError(
            "This follows particles, not the cells of a footprint: say whose transforms weight "
            f"them, weights={dict(selection)['name']!r} instead of name=."
        )


def transforms_of(
    owner: Owner, settings: FootprintConfig | None, receptor: Receptor
) -> Sequence[Mapping[str, Any]]:
    """Return the transforms of a receptor's footprint, with its own kernel."""
    if settings is None:
        return []
    return owner.files.kernels.bound(settings, receptor).transforms
