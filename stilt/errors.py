"""Errors that a user can act on, and the typed reasons stored with a failed simulation."""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """Why a simulation failed: set by the code that failed, stored in the index, never parsed."""

    MISSING_MET_FILES = "MISSING_MET_FILES"
    MET_COVERAGE = "MET_COVERAGE"
    VARYING_MET_INTERVAL = "VARYING_MET_INTERVAL"
    DAMAGED_MET_FILE = "DAMAGED_MET_FILE"
    RECEPTOR_OUTSIDE_GRID = "RECEPTOR_OUTSIDE_GRID"
    RECEPTOR_ABOVE_TOP = "RECEPTOR_ABOVE_TOP"
    RECEPTOR_BELOW_GROUND = "RECEPTOR_BELOW_GROUND"
    TOO_FEW_PARTICLES = "TOO_FEW_PARTICLES"
    NO_TRAJECTORY_DATA = "NO_TRAJECTORY_DATA"
    FOOTPRINT_FAILED = "FOOTPRINT_FAILED"
    TIMEOUT = "TIMEOUT"
    WORKER_DIED = "WORKER_DIED"
    INTERRUPTED = "INTERRUPTED"
    DISK = "DISK"
    UNKNOWN = "UNKNOWN"


REMEDIES = {
    "MISSING_MET_FILES": "Put the files there, or correct directory and file_format of the met.",
    "MET_COVERAGE": "Add weather for the hours named, or shorten n_hours.",
    "VARYING_MET_INTERVAL": "Use files with one time interval between analyses.",
    "DAMAGED_MET_FILE": "Do what the sentence says; if it says nothing, fetch the file again.",
    "RECEPTOR_OUTSIDE_GRID": "Use weather that surrounds the receptor.",
    "RECEPTOR_ABOVE_TOP": "Use weather that reaches higher, raise z_top, or correct the altitude.",
    "RECEPTOR_BELOW_GROUND": (
        "Correct the altitude, or have it taken above ground: altitude_ref agl, and no kmsl: 1."
    ),
    "TOO_FEW_PARTICLES": "Raise numpar to the number of points of the receptor, or more.",
    "NO_TRAJECTORY_DATA": "Check height and time of the receptor against the weather.",
    "FOOTPRINT_FAILED": "Check grid and transforms of the footprint.",
    "TIMEOUT": "Run it alone, with fewer particles, or with a longer time limit.",
    "WORKER_DIED": "The process was killed, most often for memory: use fewer workers.",
    "INTERRUPTED": "Run again: it goes on where it stopped.",
    "DISK": "Make room where the project, its results and its caches (STILT_CACHE_DIR) are, or "
    "check the rights there.",
}
"""What to do about a failure, by its reason; where there is no remedy, its log says more."""


class WeatherWarning(UserWarning):
    """Weather that looks wrong, or a receptor a little outside it, that is computed as it is."""


class StiltError(Exception):
    """Base of every error this package raises on purpose; its text is one sentence for the user."""


class UsageError(StiltError, ValueError):
    """The user's input is wrong (a path, an option, a receptor file): exit code 2."""


class SimulationError(StiltError, RuntimeError):
    """A simulation cannot be completed.

    Attributes:
        reason: typed cause, see :class:`Reason`.
        detail: one sentence: what is wrong, where, what to do.
        sim_id: the simulation concerned, empty when none is known yet.
    """

    default_reason = Reason.UNKNOWN

    def __init__(self, detail: str, *, reason: Reason | None = None, sim_id: str = "") -> None:
        self.reason = reason or self.default_reason
        self.detail = detail
        self.sim_id = sim_id
        super().__init__(detail, self.reason, sim_id)

    def __str__(self) -> str:
        return f"{self.sim_id}: {self.detail}" if self.sim_id else self.detail

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (type(self), self.detail, self.reason, self.sim_id))


def _rebuild(kind: type[SimulationError], detail: str, reason: Reason, sim_id: str) -> object:
    """Unpickle a SimulationError, whose constructor takes keywords."""
    return kind(detail, reason=reason, sim_id=sim_id)


class RunUnfinishedError(SimulationError):
    """A run has ended, or not begun, and left simulations that have not failed either."""


class ConfigValidationError(SimulationError, ValueError):
    """The configuration contradicts itself or names something unknown: exit code 2."""


class MeteorologyError(SimulationError):
    """Weather files are missing, damaged, or do not cover what a receptor needs."""

    default_reason = Reason.MISSING_MET_FILES


class TrajectoryError(SimulationError):
    """Transport of a receptor's particles failed."""

    default_reason = Reason.NO_TRAJECTORY_DATA


class NoParticleOutputError(TrajectoryError):
    """Transport ended without one row of particle output."""


class SimulationTimeoutError(TrajectoryError):
    """A simulation took longer than its time limit."""

    default_reason = Reason.TIMEOUT


class FootprintError(SimulationError):
    """A footprint cannot be computed from the particles."""

    default_reason = Reason.FOOTPRINT_FAILED
