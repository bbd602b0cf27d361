"""Run controls and error parameters: the flat fields of config.yaml that are not transport."""

from __future__ import annotations

from pydantic import field_validator

from stilt.config.base import Float, Int, Section, described
from stilt.config.realizations import MOST_REALIZATIONS
from stilt.nearest_names import nearest

PARTICLE_CODES = (
    "time", "indx", "long", "lati", "zagl", "sigw", "tlgr", "zsfc", "icdx", "temp", "samt",
    "foot", "shtf", "tcld", "dmas", "dens", "rhfr", "sphu", "lcld", "zloc", "dswf", "wout",
    "mlht", "rain", "crai", "pres", "whtf", "temz", "zfx1",
)  # fmt: skip
"""Columns that ``varsiwant`` may name."""

DEFAULT_CODES = (
    "time", "indx", "long", "lati", "zagl", "foot", "mlht", "pres", "dens", "samt", "sigw", "tlgr",
)  # fmt: skip
"""Columns of particle tables unless ``varsiwant`` names others."""

PLUME_CODES = ("dens", "samt", "sigw", "tlgr", "foot", "mlht")
FOOTPRINT_CODES = ("time", "indx", "long", "lati", "foot")
END_CODES = ("zagl", "pres", "zsfc")

WIND_ERROR_FIELDS = ("siguverr", "tluverr", "zcoruverr", "horcoruverr")
MIXED_HEIGHT_ERROR_FIELDS = ("sigzierr", "tlzierr", "horcorzierr")

_LONGEST_H = 24 * 366


class RunControls(Section):
    """What is followed for how long, and what is kept."""

    n_hours: Int = described(
        -24, "Length of a simulation; negative follows the air back in time", unit="h",
        visibility="basic", ge=-_LONGEST_H, le=_LONGEST_H,
    )  # fmt: skip
    numpar: Int = described(
        200, "Particles per receptor", unit="particles", visibility="basic", ge=1, le=1_000_000
    )
    varsiwant: tuple[str, ...] = described(
        DEFAULT_CODES, "Particle columns to write, out of " + ", ".join(PARTICLE_CODES),
        visibility="basic",
    )  # fmt: skip
    hnf_plume: bool = described(
        True,
        "Correct influence near the receptor for a plume that does not fill the mixed layer yet; "
        "needs " + ", ".join(PLUME_CODES) + " in varsiwant",
        visibility="basic",
    )
    skip_existing: bool = described(
        True, "Keep outputs that exist instead of computing them again", visibility="basic"
    )
    trajectories: bool = described(
        True, "Keep particle files on disk; false keeps only footprints", visibility="advanced"
    )
    ends: bool = described(
        True, "Keep where particles end, for backgrounds, when trajectories is false",
        visibility="advanced",
    )  # fmt: skip
    realizations: Int = described(
        1, "Realizations of every simulation, which differ only in their random numbers; those "
        "after the first are meteorologies NAMEr1, NAMEr2, ...",
        visibility="advanced", ge=1, le=MOST_REALIZATIONS,
    )  # fmt: skip
    rm_dat: bool = described(
        True, "Remove raw transport output; kept for older files, nothing raw is written",
        visibility="expert",
    )  # fmt: skip

    @field_validator("n_hours")
    @classmethod
    def _goes_somewhere(cls, value: int) -> int:
        if value == 0:
            raise ValueError("must not be 0: negative is backward, positive is forward")
        return value

    @field_validator("varsiwant", mode="before")
    @classmethod
    def _is_list(cls, value: object) -> object:
        if isinstance(value, str):
            raise ValueError(f"must be a list of codes, such as [time, indx], not {value!r}")
        return value

    @field_validator("varsiwant")
    @classmethod
    def _known_codes(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value:
            raise ValueError("must name at least one particle column")
        for code in value:
            if code not in PARTICLE_CODES:
                near = nearest(code, PARTICLE_CODES)
                hint = f"did you mean '{near}'?" if near else f"known: {' '.join(PARTICLE_CODES)}"
                raise ValueError(f"unknown particle column '{code}': {hint}")
        repeated = sorted({code for code in value if value.count(code) > 1})
        if repeated:
            raise ValueError(f"names {', '.join(repeated)} more than once")
        return value


class ErrorParameters(Section):
    """Size of weather errors; a complete group asks for a second, perturbed run."""

    siguverr: Float | None = described(
        None, "Standard deviation of horizontal wind errors", unit="m s-1", visibility="advanced",
        ge=0, le=100,
    )  # fmt: skip
    tluverr: Float | None = described(
        None, "Time over which wind errors decorrelate", unit="min", visibility="advanced",
        ge=0, le=100_000,
    )  # fmt: skip
    zcoruverr: Float | None = described(
        None, "Height over which wind errors decorrelate", unit="m", visibility="advanced",
        ge=0, le=100_000,
    )  # fmt: skip
    horcoruverr: Float | None = described(
        None, "Distance over which wind errors decorrelate", unit="km", visibility="advanced",
        ge=0, le=40_000,
    )  # fmt: skip
    sigzierr: Float | None = described(
        None, "Standard deviation of mixed-layer height errors", unit="%", visibility="advanced",
        ge=0, le=1000,
    )  # fmt: skip
    tlzierr: Float | None = described(
        None, "Time over which mixed-layer height errors decorrelate", unit="min",
        visibility="advanced", ge=0, le=100_000,
    )  # fmt: skip
    horcorzierr: Float | None = described(
        None, "Distance over which mixed-layer height errors decorrelate", unit="km",
        visibility="advanced", ge=0, le=40_000,
    )  # fmt: skip

    @property
    def winderrtf(self) -> int:
        """0: no errors, 1: wind errors, 2: mixed-layer errors, 3: both."""
        return int(self.siguverr is not None) + 2 * int(self.sigzierr is not None)

    @property
    def error_run(self) -> bool:
        """Whether a second, perturbed run follows the main one."""
        return self.winderrtf > 0
