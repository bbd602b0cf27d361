"""Settings of R-STILT and PYSTILT as settings of a project, and those that are left out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from stilt.config import FootprintConfig, MetConfig, ModelConfig
from stilt.config.rstilt_names import RSTILT_SETTINGS
from stilt.config.run import ErrorParameters, RunControls
from stilt.config.support import NO_EFFECT
from stilt.config.transport import TransportParameters
from stilt.errors import StiltError
from stilt.exchange.rstilt_script import Expression

ERROR_RUNS = (
    "error runs: the imported results have no error trajectories, so compute error runs in a "
    "project of their own"
)
NOT_POSSIBLE = "not possible here"
NOT_PLAIN = "not a plain value, so set it yourself"
UNKNOWN = "not known here"
MACHINE = "for the machine: set execution"

_TRANSPORT = {*RunControls.model_fields, *TransportParameters.model_fields}
_MET = {
    "met_path": "directory", "met_directory": "directory", "met_loc": "directory",
    "met_file_format": "file_format", "met_file_tres": "file_tres", "n_met_min": "n_min",
}  # fmt: skip
TAKEN_OF_METS = ("directory", "file_format", "file_tres")
"""What is taken of PYSTILT's meteorologies."""
# Sections of PYSTILT's config.yaml that its results repeat, or that are read elsewhere.
_READ_ELSEWHERE = {"mets", "grid", "grids", "footprints", "variants", "output", "receptors"}
# Decided by what is imported.
_DECIDED = {
    "varsiwant", "trajectories", "ends", "realizations", "rm_dat", "skip_existing",
    "time_integrate", "run_foot", "run_trajec",
}  # fmt: skip


@dataclass
class Settings:
    """Settings of an old campaign.

    Attributes:
        fields: of :class:`stilt.config.ModelConfig`.
        met: of R-STILT's one meteorology.
        footprint: of its footprint.
        left_out: by reason, ``name = value`` of settings that are not taken.
    """

    fields: dict[str, Any] = field(default_factory=dict)
    met: dict[str, Any] = field(default_factory=dict)
    footprint: dict[str, Any] = field(default_factory=dict)
    left_out: dict[str, list[str]] = field(default_factory=dict)

    def leave_out(self, name: str, value: Any, reason: str) -> None:
        """Record a setting that is not taken."""
        self.left_out.setdefault(reason, []).append(f"{name} = {value}")

    def sentences(self) -> tuple[str, ...]:
        """Return the settings that are not taken, those of one reason together."""
        return tuple(f"{', '.join(each)} ({reason})" for reason, each in self.left_out.items())


def of_r_stilt(script: Mapping[str, Any]) -> Settings:
    """Return the settings of a run script.

    Args:
        script: of :func:`stilt.exchange.rstilt_script.read_script`.
    """
    found = Settings()
    for name, value in script.items():
        known = name in _TRANSPORT or name in ErrorParameters.model_fields or name in _MET
        known = known or name in RSTILT_SETTINGS or name.startswith("before_")
        if name in _DECIDED or _says_what_results_say(name):
            continue
        if isinstance(value, Expression):
            # Other expressions are the script's own work.
            if RSTILT_SETTINGS.get(name, "").startswith("execution"):
                found.leave_out(name, value, MACHINE)
            elif known and name not in NO_EFFECT:
                found.leave_out(name, value, NOT_PLAIN)
        elif name in _MET:
            found.met[_MET[name]] = value
        elif name in FootprintConfig.model_fields:
            found.footprint[name] = value
        elif not _take(found, name, value):
            found.leave_out(name, value, _elsewhere(name))
    if "file_tres" in found.met:
        found.met["file_tres"] = str(found.met["file_tres"])
    return found


def _elsewhere(name: str) -> str:
    meant = RSTILT_SETTINGS.get(name)
    if meant is None:
        return UNKNOWN
    return MACHINE if meant.startswith("execution") else f"here {meant}"


def _says_what_results_say(name: str) -> bool:
    """Return whether grid, receptors and paths, which the results show, are set by a name."""
    if name in _MET:
        return False
    meant = RSTILT_SETTINGS.get(name, "")
    return meant.startswith(
        ("footprints.NAME.grid", "the file receptors", "the folder of", "the option", "not ")
    )


def of_pystilt(config: Mapping[str, Any]) -> Settings:
    """Return the settings of PYSTILT's config.yaml.

    Args:
        config: what it holds.
    """
    found = Settings()
    for name, value in config.items():
        if name in _DECIDED | _READ_ELSEWHERE or name in FootprintConfig.model_fields:
            continue
        if value not in (None, {}, []) and not _take(found, name, value):
            found.leave_out(name, value, MACHINE if name == "execution" else UNKNOWN)
    for variant, own in (config.get("variants") or {}).items():
        for name, value in (own or {}).items() if isinstance(own, Mapping) else ():
            if name not in ("met", "mets"):
                found.leave_out(f"variants.{variant}.{name}", value, "of one variant")
    for met, own in (config.get("mets") or {}).items():
        for name, value in own.items() if isinstance(own, Mapping) else ():
            if name not in TAKEN_OF_METS and value not in (None, {}, [], _usual(name)):
                found.leave_out(f"mets.{met}.{name}", value, "set it yourself")
    return found


def _usual(name: str) -> Any:
    known = MetConfig.model_fields.get(name)
    return None if known is None else known.default


def _take(found: Settings, name: str, value: Any) -> bool:
    """Take a setting of the same name, or leave out one of error runs; return whether it is one."""
    if name in ErrorParameters.model_fields:
        found.leave_out(name, value, ERROR_RUNS)
    elif name in _TRANSPORT:
        found.fields[name] = value
    else:
        return False
    return True


def configuration(settings: Settings, given: Callable[[], Mapping[str, Any]]) -> ModelConfig:
    """Return a configuration with the settings that are possible; the others are left out.

    Args:
        settings: whose impossible ones move to ``left_out``.
        given: returns the further fields, such as the sections with ``met`` and ``footprint``.

    Raises:
        ConfigValidationError: a further field is not possible.
    """
    groups = (settings.fields, settings.footprint, settings.met)
    while True:
        try:
            return ModelConfig(**{**settings.fields, **given()})
        except StiltError as error:
            about = {str(part) for where, _ in getattr(error, "problems", ()) for part in where}
            wrong = [(group, name) for group in groups for name in group if name in about]
            if not wrong:
                raise
            group, name = wrong[0]
            settings.leave_out(name, group.pop(name), NOT_POSSIBLE)
