"""Turn another program's campaign into a project, to combine old and new footprints."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from stilt.config import ModelConfig
from stilt.config.meteorology import CAMPAIGN
from stilt.errors import UsageError
from stilt.exchange.campaigns import FOOTPRINT, RSTILT, SCRIPT, OldCampaign, OldSimulation
from stilt.exchange.old_settings import (
    TAKEN_OF_METS,
    Settings,
    configuration,
    of_pystilt,
    of_r_stilt,
)
from stilt.footprint import Footprint
from stilt.project.artifacts import Made, footprint_attributes, trajectory_texts
from stilt.project.inputs import Project
from stilt.project.keys import content_hash, receptor_key
from stilt.project.registration import registration_rows
from stilt.project.stored_inputs import input_token, store_receptors
from stilt.project.update import Registration
from stilt.receptors import Receptor
from stilt.trajectories import Trajectories
from stilt.version import __version__

MINUTES_PER_HOUR = 60.0


@dataclass(frozen=True)
class Migrated:
    """The result of a migration.

    Attributes:
        program: whose campaign it was.
        footprints, particles: number of each that was imported.
        left_out: settings of the old configuration that are not taken, with the reason.
        on_other_grids: footprints that were not imported since a project's have one grid, by the
            number of their grid.
        project: the new project.
        mets: names of its meteorologies.
        notes: sentences on what could not be found.
    """

    program: str
    footprints: int
    particles: int
    left_out: tuple[str, ...]
    on_other_grids: dict[int, int]
    project: Path
    mets: tuple[str, ...]
    notes: tuple[str, ...]


def migrate(
    old: Path,
    new: Path,
    *,
    met: str | None = None,
    column: tuple[float, float] | None = None,
    grid: int = 1,
) -> Migrated:
    """Make a project from a campaign of R-STILT or PYSTILT.

    The footprints, and the particles where all of them can be read, are written as the project's
    own, with the program that made them; they count as complete under the configuration that is
    written, wherever its weather is (``moved_from``), so that a run computes new receptors only.

    Args:
        old: the campaign's folder.
        new: folder of the project, which must not hold one.
        met: as for :meth:`stilt.exchange.campaigns.OldCampaign.simulations`.
        column: as there.
        grid: which of the footprints' grids to take, if there are several; 1 is the one that most
            of them have.

    Raises:
        UsageError: the folder holds no such campaign, the project exists, or there are fewer grids.
    """
    if (new / "config.yaml").exists():
        raise UsageError(f"{new} is a project already: migrate into a new folder.")
    campaign = OldCampaign.find(old)
    found = list(campaign.simulations(met=met, column=column))
    taken = [each for each in found if each.footprint is not None]
    unread = _unread(campaign)
    if not taken:
        raise UsageError(" ".join([f"{old} has no footprints to take over.", *unread]))
    grids = Counter(each.footprint.grid for each in taken if each.footprint).most_common()
    if not 1 <= grid <= len(grids):
        raise UsageError(
            f"There is no grid {grid}: the footprints in {old} have {len(grids)}, the first being "
            "the one of most of them."
        )
    chosen, _ = grids[grid - 1]
    taken = [each for each in taken if each.footprint and each.footprint.grid == chosen]
    others = {n: count for n, (_, count) in enumerate(grids, start=1) if n != grid}
    keeps = all(each.particles is not None for each in taken)
    config, settings, notes = _config(campaign, taken, keeps)
    notes += unread
    if not keeps:
        notes.append(_why_no_particles(campaign, taken))
    new.mkdir(parents=True, exist_ok=True)
    config.to_yaml(new / "config.yaml")
    project = Project(new, config=config)
    receptors: dict[str, Receptor] = {str(each.receptor.id): each.receptor for each in taken}
    store_receptors(project, list(receptors.values()), None)
    for each in taken:
        _write(project, each, campaign.program, keeps)
    _register(project, list(receptors.values()))
    return Migrated(
        campaign.program, len(taken), len(taken) if keeps else 0, settings.sentences(), others, new,
        tuple(config.mets), tuple(notes),
    )  # fmt: skip


def _unread(campaign: OldCampaign) -> list[str]:
    """Return a sentence on simulations whose receptor is not known, if there are such."""
    names = campaign.unread()
    if not names:
        return []
    return [
        f"{len(names)} folder(s) with footprints are left out, such as {names[0]}: their names do "
        "not say time, longitude, latitude and height as R-STILT's own ids do; rename folder and "
        "files to that (202307151800_-111.85_40.77_30)."
    ]


def _why_no_particles(campaign: OldCampaign, taken: list[OldSimulation]) -> str:
    kept = "Leave trajectories: false in config.yaml: with true, a run would recompute them all."
    if campaign.has_unreadable_particles():
        return (
            "Its particles are in .rds files, which need the package rdata: pip install rdata, and "
            f"migrate again to import them too. {kept}"
        )
    lacking = sum(each.particles is None for each in taken)
    return (
        f"{lacking} of {len(taken)} simulation(s) have no particle file, and particles are "
        f"imported only where all have them. {kept}"
    )


def _write(project: Project, old: OldSimulation, program: str, keeps: bool) -> None:
    """Write the files of an old simulation as files of this project."""
    assert old.footprint is not None
    expected = project.expectations[old.met]
    sim_id = f"{old.met}_{old.receptor.id}"
    mine = receptor_key(old.receptor)
    # The last key is that of the campaign (moved_from), which outlives changes of the weather here.
    footprint_key = expected.accepted(expected.footprints[FOOTPRINT])[-1]
    made = Made(
        content_hash(footprint_key, mine, ""), total=old.footprint.total,
        device=program, version=__version__,
    )  # fmt: skip
    old.footprint.config = project.config.footprints[FOOTPRINT]
    final = project.layout.footprint(sim_id, FOOTPRINT)
    old.footprint.to_netcdf(final, attrs=footprint_attributes(made))
    project.output_files.publish(final, final)
    if keeps:
        assert old.particles is not None
        key = expected.accepted(expected.transport)[-1]
        made = Made(content_hash(key, mine, ""), device=program, version=__version__)
        final = project.layout.trajectory(sim_id)
        stored = Trajectories(old.particles, old.receptor, params={"program": program})
        stored.to_parquet(final, extra=trajectory_texts(made))
        project.output_files.publish(final, final)


def _register(project: Project, receptors: list[Receptor]) -> None:
    """Register the simulations and their outputs in the index."""
    config = project.config

    def rows() -> Any:
        return registration_rows(receptors, config, project.expectations)

    registration = Registration(input_token(project), rows, None, True)
    project.index.update(
        project.expectations, lambda connection: None, registration=registration, looks=True
    )
    project.index.rebuild()
    project.index.reconcile(project.expectations)


def _config(
    campaign: OldCampaign, found: list[OldSimulation], keeps: bool
) -> tuple[ModelConfig, Settings, list[str]]:
    """Return the configuration equivalent to the campaign's, its settings, and notes."""
    is_r = campaign.program == RSTILT
    settings = of_r_stilt(campaign.settings) if is_r else of_pystilt(campaign.settings)
    first = found[0].footprint
    assert first is not None
    notes = []
    if "n_hours" not in settings.fields:
        hours, note = _hours(campaign, found)
        settings.fields |= {} if hours is None else {"n_hours": hours}
        notes.append(note)
    for each in dict.fromkeys(each.transforms for each in found if each.transforms):
        settings.leave_out("transforms", each, "imported footprints have them, new ones will not")
    if keeps and found[0].particles is not None:
        from stilt.config import PARTICLE_CODES

        settings.fields["varsiwant"] = [
            c for c in PARTICLE_CODES if c in found[0].particles.columns
        ]

    def given() -> dict[str, Any]:
        mets = {each.met: _met(campaign, settings, each.met) for each in found}
        footprint = {**first.config.model_dump(mode="json"), **settings.footprint}
        return {"trajectories": keeps, "mets": mets, "footprints": {FOOTPRINT: footprint}}

    return configuration(settings, given), settings, notes


def _met(campaign: OldCampaign, settings: Settings, name: str) -> dict[str, Any]:
    """Return a meteorology's settings, with a placeholder where the folder is unknown."""
    moved = {"moved_from": CAMPAIGN + campaign.folder.resolve().name}
    if campaign.program == RSTILT:
        usual = {"directory": "met", "file_format": "%Y%m%d_%H", "file_tres": "6h"}
        return {**usual, **settings.met, **moved}
    mets = campaign.settings.get("mets") or {}
    told: dict[str, Any] = mets.get(name) or next(iter(mets.values()), {})
    return {"directory": "met", **{key: told[key] for key in TAKEN_OF_METS if key in told}, **moved}


def _hours(campaign: OldCampaign, found: list[OldSimulation]) -> tuple[int | None, str]:
    """Return how many hours the campaign's particles or footprints cover, and a note on it."""
    where = campaign.folder / (SCRIPT if campaign.program == RSTILT else "config.yaml")
    lack = f"{where} does not say n_hours"
    if not where.is_file():
        lack = f"There is no {where}, so settings of transport are the defaults, except n_hours"
    again = (
        "where a setting is wrong, write it into that file and migrate again, since changing it in "
        "the project makes the imported results stale"
    )
    ages = [_longest(each.particles["time"] / MINUTES_PER_HOUR) for each in found
            if each.particles is not None and len(each.particles)]  # fmt: skip
    source = "particles"
    if not ages:
        source = "footprints"
        ages = [_longest(_hours_of(each.footprint)) for each in found
                if each.footprint and not each.footprint.config.time_integrate]  # fmt: skip
    hours = max(ages, key=abs, default=0)
    if not hours:
        usual = ModelConfig.model_fields["n_hours"].default
        return None, f"{lack}, nor do the results: it is {usual}, the default; {again}."
    return hours, f"{lack}: it is {hours}, as far as the {source} go; {again}."


def _longest(hours: Any) -> int:
    """Return the number of whole hours, away from 0, that cover all of some times."""
    least, most = float(min(hours)), float(max(hours))
    return math.floor(least) if -least > most else math.ceil(most)


def _hours_of(footprint: Footprint) -> list[float]:
    """Return begin and end of a footprint's layers, in hours from its receptor."""
    stamps = footprint.data["time"].values - footprint.receptor.time.to_datetime64()
    begins = stamps / np.timedelta64(1, "h")
    return [float(begins.min()), float(begins.max()) + 1.0]
