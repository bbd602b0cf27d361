"""Describe what takes the place of fields that a weather product lacks.

Each rule is one of :mod:`stilt.meteorology.columns`, :mod:`stilt.meteorology.ground_values`,
:mod:`stilt.meteorology.input_levels`, :mod:`stilt.meteorology.surface_layer`,
:mod:`stilt.meteorology.mixed_layer`, :mod:`stilt.meteorology.turbulence` or
:mod:`stilt.meteorology.prepare`.
"""

from __future__ import annotations

from dataclasses import dataclass

from stilt.config import ModelConfig
from stilt.constants import ROUGHNESS_LENGTH_DEFAULT_M
from stilt.meteorology.columns import VELOCITY_VARIANCES
from stilt.meteorology.ground_values import TERRAIN_FIELDS
from stilt.meteorology.mixed_layer import MIXED_LAYER_FIELDS
from stilt.meteorology.records import FieldNames

_FRICTION = (("USTR",), ("UMOF", "VMOF"), ("EXCO",))
_HEAT = (("SHTF",), ("HFLX",), ("TSTR",))


@dataclass(frozen=True)
class StandIn:
    """A field that is missing and what transport does without it.

    Attributes:
        lacks: what is missing, with ARL names.
        instead: what is done without it, as a clause; "" when nothing can be.
    """

    lacks: str
    instead: str

    def __str__(self) -> str:
        return f"{self.lacks}, {f'so {self.instead}' if self.instead else 'which transport needs'}"


def stand_ins(
    names: FieldNames, vertical_flag: int, config: ModelConfig | None = None
) -> tuple[StandIn, ...]:
    """Return what an analysis lacks, the most important first.

    Args:
        names: of its fields.
        vertical_flag: of its levels, see :class:`stilt.meteorology.grids.MetGrid`.
        config: settings that need fields of their own (kmixd, kblt, kbls, k10m, w_option);
            HYSPLIT's usual ones when None.
    """
    surface, upper = set(names.surface), set(names.upper)
    settings = _Settings.of(config)
    found = list[StandIn]()

    def unless(is_there: bool, lacks: str, instead: str) -> None:
        if not is_there:
            found.append(StandIn(lacks, instead))

    on_pressure = vertical_flag == 2
    unless({"UWND", "VWND"} <= upper, "wind on levels (UWND, VWND)", "")
    unless(bool({"TEMP", "THET"} & upper), "temperature on levels (TEMP)", "")
    unless(not on_pressure or "HGTS" in upper, "heights of its pressure levels (HGTS)", "")
    unless(vertical_flag != 3 or "PRES" in upper, "pressure on its levels (PRES)", "")
    has_ground_pressure = "PRSS" in surface
    has_terrain = not surface.isdisjoint(TERRAIN_FIELDS)
    if on_pressure:
        unless(has_ground_pressure or has_terrain, "surface pressure and terrain (PRSS, SHGT)", "")
        if has_ground_pressure:
            unless(
                has_terrain,
                "terrain (SHGT)",
                "it is computed from surface pressure and level heights",
            )
    else:
        unless(has_terrain, "terrain (SHGT)", "")
    if has_terrain:
        start = "the lowest level" if on_pressure else "1013 hPa at sea level"
        instead = f"it is computed from {start} by the hypsometric equation"
        unless(has_ground_pressure, "surface pressure (PRSS)", instead)
    if settings.uses_own_motion:
        unless(
            bool({"WWND", "DZDT"} & upper),
            "vertical motion (WWND, DZDT)",
            "it is computed from the divergence of the wind",
        )
    if settings.uses_fluxes:
        friction = any(set(each) <= surface for each in _FRICTION)
        heat = any(set(each) <= surface for each in _HEAT)
        lacks = {
            (False, False): "surface fluxes (USTR, SHTF)",
            (False, True): "friction velocity (USTR, UMOF and VMOF)",
            (True, False): "sensible heat flux (SHTF)",
        }
        unless(
            friction and heat,
            lacks.get((friction, heat), ""),
            "the surface layer is computed from profiles of wind and temperature",
        )
    if settings.uses_ground_values:
        unless(
            {"U10M", "V10M"} <= surface,
            "10 m wind (U10M, V10M)",
            "it is computed from the lowest level by the logarithmic law",
        )
        unless(
            bool({"T02M", "TMPS"} & surface),
            "2 m temperature (T02M)",
            "it is computed from the lowest level along a dry adiabat",
        )
    unless(bool({"RELH", "SPHU"} & upper), "humidity (SPHU, RELH)", "the air is taken as dry")
    unless(
        "RGHS" in surface,
        "roughness (RGHS)",
        f"{ROUGHNESS_LENGTH_DEFAULT_M:g} m is used everywhere",
    )
    found.extend(_for_choices(settings, surface, upper))
    return tuple(found)


def stand_in_text(label: str, found: tuple[StandIn, ...]) -> str:
    """Say in one sentence what a meteorology lacks; "" when it lacks nothing.

    Args:
        label: the meteorology for a person, such as ``era5``.
        found: of :func:`stand_ins`.
    """
    if not found:
        return ""
    listed = "; ".join(map(str, found))
    return f"The weather of {label} lacks {listed}."


@dataclass(frozen=True)
class _Settings:
    """Which fields settings make use of."""

    mixed_layer: int = 3
    turbulence: int = 5
    uses_fluxes: bool = True
    uses_ground_values: bool = True
    uses_own_motion: bool = True

    @classmethod
    def of(cls, config: ModelConfig | None) -> _Settings:
        if config is None:
            return cls()
        return cls(
            mixed_layer=config.kmixd,
            turbulence=config.kblt,
            uses_fluxes=config.kbls == 1,
            uses_ground_values=config.k10m == 1,
            uses_own_motion=config.w_option == 0,
        )


def _for_choices(settings: _Settings, surface: set[str], upper: set[str]) -> list[StandIn]:
    """What is missing for other choices of mixed layer and turbulence than the usual ones."""
    found = []
    no_energy = "TKEN" not in upper
    if settings.mixed_layer == 0 and surface.isdisjoint(MIXED_LAYER_FIELDS):
        found.append(
            StandIn(
                "mixed-layer height (PBLH) for kmixd: 0", "it is found from the temperature profile"
            )
        )
    if settings.mixed_layer == 2 and no_energy:
        found.append(
            StandIn(
                "turbulent energy (TKEN) for kmixd: 2", "it is found from the temperature profile"
            )
        )
    if settings.turbulence == 3 and no_energy:
        found.append(
            StandIn("turbulent energy (TKEN) for kblt: 3", "turbulence is computed as with kblt: 2")
        )
    missing = [name for name in VELOCITY_VARIANCES if name not in upper]
    if settings.turbulence == 4 and missing:
        all_missing = len(missing) == len(VELOCITY_VARIANCES)
        instead = "turbulence is computed as with kblt: 2" if all_missing else ""
        found.append(StandIn(f"variances ({', '.join(missing)}) for kblt: 4", instead))
    return found
