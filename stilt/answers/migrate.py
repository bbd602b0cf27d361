"""Turn another program's campaign into a project, to combine old and new footprints."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stilt.config import ModelConfig
from stilt.errors import StiltError, UsageError
from stilt.exchange.campaigns import FOOTPRINT, RSTILT, OldCampaign, OldSimulation
from stilt.project.artifacts import Made, footprint_attributes, trajectory_texts
from stilt.project.inputs import Project
from stilt.project.keys import content_hash, receptor_key
from stilt.project.registration import registration_rows
from stilt.project.stored_inputs import input_token, store_receptors
from stilt.project.update import Registration
from stilt.receptors import Receptor
from stilt.trajectories import Trajectories
from stilt.version import __version__

R_NAMES = {
    "n_hours": "n_hours", "numpar": "numpar", "hnf_plume": "hnf_plume", "kmix0": "kmix0",
    "kmixd": "kmixd", "tratio": "tratio", "veght": "veght", "delt": "delt",
}  # fmt: skip
PY_NAMES = ("n_hours", "numpar", "hnf_plume", "kmix0", "kmixd", "tratio", "veght", "delt", "seed")


@dataclass(frozen=True)
class Migrated:
    """The result of a migration.

    Attributes:
        program: whose campaign it was.
        footprints, particles: number of each that was imported.
        left_out: settings of the old configuration that have no counterpart here.
        on_other_grids: footprints that were not imported since a project's have one grid, by the
            number of their grid.
        project: the new project.
    """

    program: str
    footprints: int
    particles: int
    left_out: tuple[str, ...]
    on_other_grids: dict[int, int]
    project: Path


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
    written, so that a run computes new receptors only.

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
    if not taken:
        raise UsageError(f"{old} has no footprints to take over.")
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
    config, left_out = _config(campaign, taken, keeps)
    new.mkdir(parents=True, exist_ok=True)
    config.to_yaml(new / "config.yaml")
    project = Project(new, config=config)
    receptors: dict[str, Receptor] = {str(each.receptor.id): each.receptor for each in taken}
    store_receptors(project, list(receptors.values()), None)
    for each in taken:
        _write(project, each, campaign.program, keeps)
    _register(project, list(receptors.values()))
    return Migrated(
        campaign.program, len(taken), len(taken) if keeps else 0, tuple(left_out), others, new
    )


def _write(project: Project, old: OldSimulation, program: str, keeps: bool) -> None:
    """Write the files of an old simulation as files of this project."""
    assert old.footprint is not None
    expected = project.expectations[old.met]
    sim_id = f"{old.met}_{old.receptor.id}"
    mine = receptor_key(old.receptor)
    made = Made(
        content_hash(expected.footprints[FOOTPRINT], mine, ""), total=old.footprint.total,
        device=program, version=__version__,
    )  # fmt: skip
    final = project.layout.footprint(sim_id, FOOTPRINT)
    old.footprint.to_netcdf(final, attrs=footprint_attributes(made))
    project.output_files.publish(final, final)
    if keeps:
        assert old.particles is not None
        made = Made(content_hash(expected.transport, mine, ""), device=program, version=__version__)
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
) -> tuple[ModelConfig, list[str]]:
    """Return the configuration equivalent to the campaign's, and the settings left out."""
    settings = dict(campaign.settings)
    first = found[0].footprint
    assert first is not None
    mets = {each.met: _met(campaign, each.met) for each in found}
    names = R_NAMES if campaign.program == RSTILT else {name: name for name in PY_NAMES}
    fields = {ours: settings[theirs] for theirs, ours in names.items() if theirs in settings}
    if keeps and found[0].particles is not None:
        from stilt.config import PARTICLE_CODES

        fields["varsiwant"] = [c for c in PARTICLE_CODES if c in found[0].particles.columns]
    left_out: list[str] = []
    while True:
        try:
            config = ModelConfig(
                mets=mets,
                footprints={FOOTPRINT: first.config.model_dump(mode="json")},
                trajectories=keeps,
                **fields,
            )
            return config, left_out
        except StiltError as error:
            wrong = [name for name in fields if name in str(error)]
            if not wrong:
                raise
            left_out.append(f"{wrong[0]} = {fields.pop(wrong[0])}")


def _met(campaign: OldCampaign, name: str) -> dict[str, Any]:
    """Return a meteorology's settings, with a placeholder where the folder is unknown."""
    settings = campaign.settings
    if campaign.program == RSTILT:
        return {
            "directory": settings.get("met_path") or settings.get("met_directory") or "met",
            "file_format": settings.get("met_file_format", "%Y%m%d_%H"),
            "file_tres": settings.get("met_file_tres", "6h").replace(" hours", "h"),
        }
    mets = settings.get("mets") or {}
    told: dict[str, Any] = mets.get(name) or next(iter(mets.values()), {})
    known = ("directory", "file_format", "file_tres")
    return {"directory": "met", **{key: told[key] for key in known if key in told}}
