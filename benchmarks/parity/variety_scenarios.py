"""The scenarios of :mod:`benchmarks.parity.variety`: one thing changed at a time, mostly."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from benchmarks.parity.invented import (
    HEIGHT_M,
    HYBRID,
    PRESSURE_HPA,
    SIGMA,
    SURFACE,
    UPPER,
    Invention,
)
from benchmarks.parity.scenario import Scenario
from stilt.meteorology.grids import MetGrid, conformal_grid, latlon_grid

_NX, _NY = 60, 50
_LEVELS = {1: SIGMA, 2: PRESSURE_HPA, 3: HEIGHT_M, 4: HYBRID}
_MANY = tuple(np.round(np.exp(-(np.linspace(0.002, 2.9, 40) ** 1.1)), 4))


def _lambert(flag: int = 1, levels: tuple[float, ...] | None = None) -> MetGrid:
    chosen = levels or _LEVELS[flag]
    return conformal_grid(
        -95.0, 40.0, 40.0, _NX, _NY, cone_lat=38.5, levels=chosen, vertical_flag=flag
    )


def _latlon(west: float, south: float, step: float, flag: int = 2, **changes: object) -> MetGrid:
    grid = latlon_grid(west, south, step, step, _NX, _NY, levels=_LEVELS[flag], vertical_flag=flag)
    return replace(grid, **changes)


def _point(lon: float, lat: float, alt: float, time: str = "2023-07-10 20:00", **more) -> dict:
    return {"time": time, "longitude": lon, "latitude": lat, "altitude": alt, **more}


HERE = (_point(-95.3, 39.7, 60.0), _point(-94.6, 41.1, 1500.0))
_P_UPPER = ("UWND", "VWND", "WWND", "TEMP", "RELH", "HGTS")
_Z_UPPER = ("UWND", "VWND", "DZDT", "TEMP", "RELH", "PRES")
_BASE = Invention(_lambert())
_WEST = Invention(_latlon(-125.0, 18.0, 1.0), upper=_P_UPPER)


def _without(*names: str, base: tuple[str, ...] = SURFACE) -> tuple[str, ...]:
    return tuple(name for name in base if name not in names)


def _with(*names: str, base: tuple[str, ...] = SURFACE) -> tuple[str, ...]:
    return base + names


def _say(name: str, weather: Invention = _BASE, receptors=HERE, **more) -> Scenario:
    return Scenario(name, weather, receptors, **more)


def _set(name: str, weather: Invention = _BASE, **settings: object) -> Scenario:
    return Scenario(name, weather, HERE, settings)


def _surface(name: str, *names: str, **settings: object) -> Scenario:
    return _set(name, replace(_BASE, surface=names), **settings)


_GROUND = ("PRSS", "SHGT", "T02M", "U10M", "V10M")
_POLAR = conformal_grid(
    10.0, 78.0, 60.0, _NX, _NY, cone_lat=90.0, ref_lat=60.0, ref_lon=-20.0, levels=SIGMA,
    vertical_flag=1,
)  # fmt: skip
_SOUTH_POLAR = conformal_grid(
    120.0, -70.0, 60.0, _NX, _NY, cone_lat=-90.0, ref_lat=-60.0, ref_lon=100.0, levels=SIGMA,
    vertical_flag=1,
)  # fmt: skip
_MERCATOR = conformal_grid(
    105.0, 5.0, 40.0, _NX, _NY, cone_lat=0.0, ref_lat=10.0, ref_lon=105.0, levels=SIGMA,
    vertical_flag=1,
)  # fmt: skip
_SOUTH_LAMBERT = conformal_grid(
    135.0, -30.0, 40.0, _NX, _NY, cone_lat=-32.0, levels=SIGMA, vertical_flag=1
)
_GLOBAL = latlon_grid(0.0, -90.0, 3.0, 3.0, 120, 61, levels=PRESSURE_HPA, vertical_flag=2)
_GLOBAL_WEST = latlon_grid(-180.0, -90.0, 3.0, 3.0, 120, 61, levels=PRESSURE_HPA, vertical_flag=2)

SCENARIOS: list[Scenario] = [
    _say("base"),
    # Grids.
    _say("polar", replace(_BASE, grid=_POLAR), (_point(12.0, 78.5, 60.0), _point(5, 88.5, 1500.0))),
    _say(
        "polar-south", replace(_BASE, grid=_SOUTH_POLAR),
        (_point(121.0, -69.0, 60.0), _point(110.0, -75.0, 1500.0)),
    ),
    _say(
        "mercator", replace(_BASE, grid=_MERCATOR),
        (_point(105.3, 4.7, 60.0), _point(104.0, -2.0, 1500.0)),
    ),
    _say(
        "lambert-south", replace(_BASE, grid=_SOUTH_LAMBERT),
        (_point(135.3, -30.3, 60.0), _point(134.0, -29.0, 1500.0)),
    ),
    _say("lambert-turned", replace(_BASE, grid=replace(_lambert(), orientation_deg=20.0))),
    _say("latlon-258", _WEST),
    _say(
        "latlon-minus",
        replace(_WEST, grid=_latlon(-125.0, 18.0, 1.0, sync_lon=-125.0, pole_lon=-66.0)),
    ),
    _say(
        "latlon-greenwich", replace(_WEST, grid=_latlon(-30.0, 20.0, 1.0)),
        (_point(0.3, 45.2, 60.0), _point(-0.4, 40.2, 1500.0)),
    ),
    _say(
        "latlon-dateline", replace(_WEST, grid=_latlon(150.0, 20.0, 1.0)),
        (_point(179.8, 45.2, 60.0), _point(-179.9, 40.2, 1500.0)),
    ),
    _say(
        "latlon-tropics-south", replace(_WEST, grid=_latlon(100.0, -45.0, 1.0)),
        (_point(130.3, -20.2, 60.0), _point(128.6, -30.2, 1500.0)),
    ),
    _say(
        "global-0-360", Invention(_GLOBAL, upper=_P_UPPER, hill_deg=40.0),
        (_point(0.4, 45.2, 60.0), _point(179.9, -40.2, 1500.0), _point(-1.0, 10.0, 3000.0)),
        interval_h=3,
    ),
    _say(
        "global-180", Invention(_GLOBAL_WEST, upper=_P_UPPER, hill_deg=40.0),
        (_point(0.4, 45.2, 60.0), _point(179.9, -40.2, 1500.0)),
        interval_h=3,
    ),
    _say(
        "global-pole", Invention(_GLOBAL, upper=_P_UPPER, hill_deg=40.0),
        (_point(50.0, 88.0, 1500.0), _point(120.0, -87.0, 3000.0)),
        interval_h=3,
    ),
    # Vertical coordinates and the fields on them.
    _say("flag2-lambert", Invention(_lambert(2), upper=_P_UPPER)),
    _say("flag3", Invention(_lambert(3), upper=_Z_UPPER)),
    _say(
        "flag3-wwnd",
        Invention(_lambert(3), upper=("UWND", "VWND", "WWND", "TEMP", "RELH", "PRES")),
    ),
    _say("flag3-no-w", Invention(_lambert(3), upper=("UWND", "VWND", "TEMP", "RELH", "PRES"))),
    _say("flag4", Invention(_lambert(4))),
    _say("flag1-pres", replace(_BASE, upper=(*UPPER, "PRES"))),
    _say("flag1-offset", replace(_BASE, grid=replace(_lambert(), pressure_offset_hpa=20.0))),
    _say("sphu", replace(_BASE, upper=("UWND", "VWND", "WWND", "TEMP", "SPHU"))),
    _say("dry", replace(_BASE, upper=("UWND", "VWND", "WWND", "TEMP"))),
    _say("dzdt", replace(_BASE, upper=("UWND", "VWND", "DZDT", "TEMP", "RELH"))),
    _say("no-w", replace(_BASE, upper=("UWND", "VWND", "TEMP", "RELH"))),
    _say("no-w-steep", replace(_BASE, upper=("UWND", "VWND", "TEMP", "RELH"),
                               terrain_m=(1500.0, 1400.0), hill_deg=3.0)),
    _say(
        "no-w-levels40",
        replace(_BASE, upper=("UWND", "VWND", "TEMP", "RELH"), grid=_lambert(1, _MANY)),
    ),
    _say(
        "no-w-global",
        Invention(_GLOBAL, upper=("UWND", "VWND", "TEMP", "RELH", "HGTS"), hill_deg=40.0),
        (_point(0.4, 45.2, 60.0), _point(179.9, -40.2, 1500.0)),
        interval_h=3,
    ),
    _say("no-w-latlon", replace(_WEST, upper=("UWND", "VWND", "TEMP", "RELH", "HGTS"))),
    # Fields at the ground.
    _surface("ustr-tstr", *_GROUND, "USTR", "TSTR", "RGHS"),
    _surface("stress-hflx", *_GROUND, "UMOF", "VMOF", "HFLX", "RGHS"),
    _surface("exco", *_GROUND, "EXCO", "SHTF", "RGHS"),
    _surface("profiles", *_GROUND, "RGHS"),
    _surface("ustr-alone", *_GROUND, "USTR", "RGHS"),
    _surface("shtf-alone", *_GROUND, "SHTF", "RGHS"),
    _surface("no-rghs", *_without("RGHS")),
    _surface("tmps", *_GROUND, "TMPS", "USTR", "SHTF", "RGHS"),
    _surface("tmps-first", "PRSS", "SHGT", "TMPS", "T02M", "U10M", "V10M", "USTR", "SHTF", "RGHS"),
    _surface("tmps-alone", "PRSS", "SHGT", "TMPS", "U10M", "V10M", "USTR", "SHTF", "RGHS"),
    _surface("no-ground-wind", "PRSS", "SHGT", "T02M", "USTR", "SHTF", "RGHS"),
    _surface("no-ground-temp", "PRSS", "SHGT", "U10M", "V10M", "USTR", "SHTF", "RGHS"),
    _surface("no-ground", "PRSS", "SHGT", "USTR", "SHTF", "RGHS"),
    _surface("no-prss", *_without("PRSS")),
    _surface("no-shgt", *_without("SHGT")),
    _set("p-no-shgt", replace(_WEST, surface=_without("SHGT"))),
    _set("p-no-prss", replace(_WEST, surface=_without("PRSS"))),
    _set("p-no-ground", replace(_WEST, surface=("PRSS", "SHGT", "USTR", "SHTF", "RGHS"))),
    _set("p-profiles", replace(_WEST, surface=(*_GROUND, "RGHS"))),
    _surface("prss-only", "PRSS", "SHGT", "RGHS"),
    _surface(
        "rain", *SURFACE, "TPP1", "CPP1", "TCLD", "LCLD", "DSWF", "LHTF", "CAPE"
    ),
    _say(
        "rain3", replace(_BASE, surface=_with("TPP3", "CPP3", "TCLD", "WFLX")), interval_h=3
    ),
    _say("rain6", replace(_BASE, surface=_with("TPP6", "CPP6")), interval_h=3),
    _say("rain-rate", replace(_BASE, surface=_with("PRT6", "CPRC")), interval_h=3),
    _surface("rain-sum", *SURFACE, "TPPA"),
    # Settings.
    _set("kmixd0", kmixd=0),
    _surface("kmixd0-hpbl", *_without("PBLH"), "HPBL", kmixd=0),
    _surface("kmixd0-mxht", *_without("PBLH"), "MXHT", kmixd=0),
    _surface("kmixd0-none", *_without("PBLH"), kmixd=0),
    _set("kmixd1", kmixd=1),
    _set("kmixd2-tken", replace(_BASE, upper=(*UPPER, "TKEN")), kmixd=2),
    _set("kmixd2-none", kmixd=2),
    _set("kmixd1-latlon", _WEST, kmixd=1),
    _set("kmixd1-levels40", replace(_BASE, grid=_lambert(1, _MANY)), kmixd=1),
    _set("kmixd700", kmixd=700),
    _set("kmix0-50", kmix0=50),
    _set("kblt1", kblt=1),
    _set("kblt2", kblt=2),
    _set("kblt3", replace(_BASE, upper=(*UPPER, "TKEN")), kblt=3, tkerd=0.18, tkern=0.18),
    _set("kblt3-ratio", replace(_BASE, upper=(*UPPER, "TKEN")), kblt=3, tkerd=0.3, tkern=0.1),
    _set("kblt3-none", kblt=3),
    _set("kblt4", replace(_BASE, upper=(*UPPER, "UVAR", "VVAR", "WVAR")), kblt=4),
    _set("kblt4-tken", replace(_BASE, upper=(*UPPER, "TKEN")), kblt=4),
    _set("kblt4-wvar", replace(_BASE, upper=(*UPPER, "WVAR")), kblt=4),
    _set("kblt4-both", replace(_BASE, upper=(*UPPER, "TKEN", "UVAR", "VVAR", "WVAR")), kblt=4),
    _set("kblt4-none", kblt=4),
    _set("kzmix1", kzmix=1),
    _set("kzmix2", kzmix=2, tvmix=2.0),
    _set("kdef1", kdef=1),
    _set("kbls2", kbls=2),
    _set("k10m0", k10m=0),
    _set("k10m0-latlon", _WEST, k10m=0),
    _set("vscales50", vscales=50.0, vscaleu=80.0),
    _set("tlfrac-1", tlfrac=1.0),
    _set("hscale", hscale=3600.0),
    _set("ztop10", z_top=10_000.0),
    _set("ztop15", z_top=15_000.0),
    _set("levels40", replace(_BASE, grid=_lambert(1, _MANY))),
    _set("levels40-ztop10", replace(_BASE, grid=_lambert(1, _MANY)), z_top=10_000.0),
    _set("ziscale", zicontroltf=1, ziscale=[0.8, 1.2, 0.7, 1.5]),
    _set("ziscale-one", zicontroltf=1, ziscale=0.5),
    _set("ziscale-minus", zicontroltf=1, ziscale=-1.0),
    _set("veght1", veght=1.0),
    _set("veght50", veght=50.0),
    _set("veght1.01", veght=1.01),
    _set("outdt10", outdt=10),
    _set("w1", w_option=1),
    _set("w2", w_option=2),
    _set("w3", w_option=3),
    _set("w4", w_option=4),
    _set("w5", w_option=5),
    _set("w5-latlon", _WEST, w_option=5),
    _set("w6", w_option=6),
    _set("w7", w_option=7),
    _set("w8", w_option=8),
    # Runs of other kinds.
    _say(
        "forward", _BASE,
        (_point(-95.3, 39.7, 60.0, "2023-07-10 04:00"), _point(-94, 41, 1500, "2023-07-10 04:30")),
        hours=18, cloud_hours=6,
    ),
    _say("odd-minute", _BASE, (_point(-95.3, 39.7, 60.0, "2023-07-10 20:17"),)),
    _say(
        "column", _BASE,
        (
            {"kind": "column", "time": "2023-07-10 20:00", "longitude": -95.3, "latitude": 39.7,
             "bottom": 10.0, "top": 3000.0},
        ),
    ),
    _say(
        "multipoint", _BASE,
        (
            {"kind": "multipoint", "time": "2023-07-10 20:00", "longitudes": [-96.2, -95.3, -94.1],
             "latitudes": [41.0, 39.7, 40.2], "altitudes": [1200.0, 10.0, 200.0]},
        ),
    ),
    _say("msl", _BASE, (_point(-95.3, 39.7, 900.0, altitude_ref="msl"),)),
    _say("three-hourly", _BASE, interval_h=3),
    _say(
        "six-hourly", _BASE,
        (_point(-95.3, 39.7, 60.0, "2023-07-10 16:00"),
         _point(-94.6, 41.1, 1500.0, "2023-07-10 15:20")), interval_h=6, hours=-12,
    ),
    _say("files-of-3", _BASE, hours_per_file=3),
    _say("steep", replace(_BASE, terrain_m=(1500.0, 1400.0), hill_deg=3.0)),
    _say("steep-pressure", replace(_WEST, terrain_m=(1500.0, 1400.0), hill_deg=6.0)),
    _say("sea", replace(_BASE, terrain_m=(0.0, 0.0))),
    _say("windy", replace(_BASE, wind_m_s=35.0), hours=-6),
    _say("edge", _BASE, (_point(-107.0, 33.5, 500.0), _point(-95.0, 31.9, 50.0))),
]  # fmt: skip
