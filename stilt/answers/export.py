"""A project's footprints in the layouts of other programs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from stilt.answers.ends import ends_of_simulations, footprint_settings, transforms_of
from stilt.destinations import folder_to_fill
from stilt.errors import UsageError
from stilt.exchange import ct_lagrange, openghg
from stilt.exchange.releases import ReleaseRecord
from stilt.nearest_names import nearest_name
from stilt.outputs import FootprintCollections, TrajectoryCollection
from stilt.outputs.omitted import tell_of_omitted
from stilt.roots import PathLike
from stilt.selection import sites_of

if TYPE_CHECKING:
    from stilt.selection import Owner, Selection

FORMATS = ("openghg", "paris", "ct-lagrange")


def export(
    owner: Owner,
    folder: PathLike,
    layout: str,
    selection: Selection,
    *,
    footprint: str | None = None,
    names: openghg.ExportNames | None = None,
) -> list[Path]:
    """Write footprints in another layout; see :meth:`stilt.Model.export`."""
    if layout not in FORMATS:
        raise UsageError(f"Unknown format {layout!r}: the choices are {', '.join(FORMATS)}.")
    folder = folder_to_fill(folder)
    known = FootprintCollections(owner).names()
    if footprint is None and len(known) != 1:
        raise UsageError(
            f"Say which footprints are exported: the choices are {', '.join(known) or 'none'}."
        )
    name = footprint or known[0]
    if name not in FootprintCollections(owner):
        raise UsageError(f"There is no footprint '{name}': {nearest_name(name, known)}")
    if layout == "ct-lagrange":
        written: dict[Path, str] = {}
        for record, rows in _records(owner, name, selection):
            path, receptor = folder / ct_lagrange.file_name(record), str(record.receptor.id)
            if path in written:
                raise UsageError(
                    f"The receptors {written[path]} and {receptor} have one file, {path.name}, in "
                    "this layout, named by minute, place and mean height: choose one of them."
                )
            ct_lagrange.write(record, rows, path, n_hours=owner.config.n_hours)
            written[path] = receptor
        return list(written)
    if names is None:
        raise UsageError("These files carry a site and a domain in their names: give both.")
    chosen = _at_site(owner, selection, names.site)
    records = [record for record, _ in _records(owner, name, chosen)]
    return openghg.write(records, names, folder)


def _at_site(owner: Owner, selection: Selection, site: str) -> Selection:
    """Return the receptors labelled with a site; all where places are chosen or none has a label.

    Raises:
        UsageError: there are labels, and none of them is the site's.
    """
    if selection.get("location_ids") is not None:
        return selection
    labels = [label for label in sites_of(owner, selection) if label]
    if site in labels:
        return {**selection, "location_ids": site}
    if labels:
        raise UsageError(
            f"No receptor has the label site {site!r}, but {openghg.listed(labels)}: give one of "
            "these as --site (site= in Python), or choose receptors with --location "
            f"(location_ids=), which are then exported under the name {site}."
        )
    return selection


def _records(
    owner: Owner, name: str, selection: Selection
) -> Iterator[tuple[ReleaseRecord, pd.DataFrame]]:
    """Yield what is exported of every simulation, with rows of its particles."""
    settings = footprint_settings(owner, name)
    if settings is not None and settings.time_integrate:
        raise UsageError(
            f"The footprints {name!r} hold the sum of their hours (time_integrate): export needs "
            "hourly ones."
        )
    footprints = FootprintCollections(owner)[name]
    kept = TrajectoryCollection(owner)
    whole = set(kept.keys())
    wanted, there = [], []
    for sim_id, receptor, ends in ends_of_simulations(owner, selection, whole=True):
        wanted.append(sim_id)
        try:
            footprint = footprints[sim_id]
        except KeyError:
            continue
        there.append(sim_id)
        rows = ends
        if sim_id in whole:
            rows = kept[sim_id].particles
        record = ReleaseRecord.of(
            footprint,
            rows,
            transforms_of(owner, settings, receptor),
            heights_msl=owner.config.heights_msl,
        )
        yield record, ends
    tell_of_omitted(owner, wanted, there, f"footprint {name!r}", "are not exported")
