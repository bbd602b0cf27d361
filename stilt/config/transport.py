"""Transport settings under HYSPLIT's namelist names; which values work is in support.py."""

from __future__ import annotations

from typing import Any

from pydantic import field_validator

from stilt.config.base import Float, Int, Section, described

FIXED_NOTE = "; kept so that HYSPLIT settings load, only the default is accepted"


def _fixed(default: Any, description: str, unit: str = "") -> Any:
    """Return a field whose only accepted value is its default."""
    return described(default, description + FIXED_NOTE, unit=unit)


class TransportParameters(Section):
    """How particles move."""

    seed: Int | None = described(
        None,
        "Seed of the random numbers; with one, a receptor's result is reproducible",
        visibility="basic",
        ge=-(2**63),
        lt=2**63,
    )
    krand: Int = described(4, "HYSPLIT's random number scheme; accepted, has no effect (see seed)")
    krnd: Int = described(6, "HYSPLIT's hours between enhanced merges; accepted, has no effect")
    veght: Float = described(
        0.5,
        "Depth of the layer in which the surface influences particles, as a fraction of the "
        "mixed-layer height; above 1: in metres above ground",
        visibility="advanced",
    )
    kmix0: Float = described(150.0, "Lowest mixed-layer height", unit="m", visibility="advanced")
    kmixd: Int = described(
        3,
        "Mixed-layer height from: 0 weather file, 1 temperature profile, 2 turbulent energy, "
        "3 bulk Richardson number; 10 and more: this height in m",
        visibility="advanced",
    )
    kbls: Int = described(
        1,
        "Stability from: 1 surface fluxes, 2 wind and temperature profiles",
        visibility="advanced",
    )
    kblt: Int = described(
        5,
        "Turbulence scheme: 1 Beljaars-Holtslag, 2 Kantha-Clayson, 3 turbulent energy of the "
        "weather files, 4 velocity variances of the weather files, 5 Hanna",
        visibility="advanced",
    )
    kzmix: Int = described(
        0, "Vertical mixing: 0 profile, 1 mean over the mixed layer, 2 scaled by tvmix"
    )
    tvmix: Float = described(1.0, "Factor on vertical velocity variance for kzmix 2")
    tkerd: Float = described(0.18, "Ratio of vertical to horizontal turbulent energy by day")
    tkern: Float = described(0.18, "Ratio of vertical to horizontal turbulent energy by night")
    tlfrac: Float = described(
        0.1, "Fraction of the Lagrangian timescale in one turbulent sub-step", visibility="advanced"
    )
    hscale: Float = described(
        10800.0, "Horizontal Lagrangian timescale", unit="s", visibility="advanced"
    )
    vscale: Float = described(200.0, "Vertical Lagrangian timescale", unit="s")
    vscaleu: Float = described(
        200.0, "Vertical Lagrangian timescale when unstable and vscales is not -1", unit="s"
    )
    vscales: Float = described(
        -1.0, "Vertical Lagrangian timescale when stable; -1 computes it from the scheme", unit="s"
    )
    nturb: Int = described(0, "Turbulence: 0 on, 1 off (mean wind only)", visibility="advanced")
    kdef: Int = described(
        0, "Horizontal turbulence from: 0 vertical turbulence, 1 deformation of the wind"
    )
    kmsl: Int | None = described(
        None,
        "Height reference of all receptors: 0 ground, 1 sea level; null takes each receptor's own",
    )
    k10m: Int = described(1, "Use wind at 10 m and temperature at 2 m: 1 yes, 0 no")
    outdt: Int = described(
        0, "Time between written particle rows; 0 writes every step", unit="min",
        visibility="advanced",
    )  # fmt: skip
    z_top: Float = described(25_000.0, "Top of the model", unit="m", visibility="advanced")
    zicontroltf: Int = described(
        0, "Scale the mixed-layer height by ziscale: 1 yes, 0 no", visibility="advanced"
    )
    ziscale: float | tuple[float, ...] = described(
        1.0,
        "Factors on the mixed-layer height, one for each hour from the start, or one number for "
        "all; negative takes the weather file's height",
        visibility="advanced",
    )
    w_option: Int = described(
        0,
        "Vertical motion: 0 from the weather files, or from the divergence of the wind where they "
        "have none; 1, 2, 3 along surfaces of pressure, potential temperature, density; 4 none; "
        "5 from the divergence of the wind",
    )
    hysplit_rounding: bool = described(
        True,
        "Round each sub-step's drift to HYSPLIT's single-precision grid index; false adds it up "
        "exactly, which differs near the ground",
        visibility="advanced",
    )
    hysplit_layer_update: bool = described(
        False,
        "Update the vertical turbulent velocity at layer interfaces exactly as HYSPLIT does, which "
        "makes air accumulate there; false updates it so that well-mixed air stays well mixed",
        visibility="advanced",
    )
    maxpar: Int | None = described(
        None, "HYSPLIT's particle limit; null, or at least numpar", unit="particles"
    )

    delt: Int = _fixed(1, "Time step", "min")
    tratio: Float = _fixed(0.75, "Grid cells that air may cross in one step")
    idsp: Int = _fixed(2, "Dispersion scheme")
    ichem: Int = _fixed(8, "Kind of run: 8 is STILT mode")
    capemin: Float = _fixed(-1.0, "Convection: -1 is off", "J kg-1")
    kagl: Int = _fixed(1, "Height reference of written trajectories: 1 above ground")
    tout: Int = _fixed(0, "Time between written trajectory end points", "min")
    wvert: bool = _fixed(False, "Vertical interpolation of WRF winds")
    mgmin: Int = _fixed(10, "Smallest weather sub-grid", "cells")
    wbbh: Float = _fixed(0.0, "Balloon: burst height", "m")
    wbwf: Float = _fixed(0.0, "Balloon: fall speed", "m s-1")
    wbwr: Float = _fixed(0.0, "Balloon: rise speed", "m s-1")
    maxdim: Int = _fixed(1, "Species on one particle")
    initd: Int = _fixed(0, "Particle or puff: 0 is particle")
    khinp: Int = _fixed(0, "Age of particles read from a dump", "h")
    khmax: Int = _fixed(9999, "Longest age of a particle", "h")
    mhrs: Int = _fixed(9999, "Longest trajectory", "h")
    frhmax: Float = _fixed(3.0, "Puff merging: largest distance")
    frhs: Float = _fixed(1.0, "Puff merging: standard distance")
    frme: Float = _fixed(0.1, "Puff merging: mass fraction, enhanced")
    frmr: Float = _fixed(0.0, "Puff merging: mass fraction, standard")
    frts: Float = _fixed(0.1, "Puff merging: time fraction")
    frvs: Float = _fixed(0.01, "Puff merging: vertical distance")
    dxf: Float = _fixed(1.0, "Ensemble: horizontal shift of the weather", "cells")
    dyf: Float = _fixed(1.0, "Ensemble: horizontal shift of the weather", "cells")
    dzf: Float = _fixed(0.01, "Ensemble: vertical shift of the weather", "sigma")
    p10f: Float = _fixed(1.0, "Dust emission: factor")
    cmass: Int = _fixed(0, "Output as concentration or mass")
    conage: Int = _fixed(48, "Age at which particles become puffs", "h")
    cpack: Int = _fixed(1, "Packing of concentration files")
    efile: str = _fixed("", "Emission file")
    emisshrs: Float = _fixed(0.01, "Length of the release", "h")
    kpuff: Int = _fixed(0, "Puff growth")
    kspl: Int = _fixed(1, "Time between puff splits", "h")
    splitf: Float = _fixed(1.0, "Puff splitting: size")
    kwet: Int = _fixed(1, "Wet deposition: rain")
    rhb: Float = _fixed(80.0, "Wet deposition: humidity at cloud base", "%")
    rht: Float = _fixed(60.0, "Wet deposition: humidity at cloud top", "%")
    nbptyp: Int = _fixed(1, "Particle size bins")
    ncycl: Int = _fixed(0, "Dump files: hours of a cycle", "h")
    ndump: Int = _fixed(0, "Dump files: first hour", "h")
    ninit: Int = _fixed(1, "Dump files: how to start from one")
    nstr: Int = _fixed(0, "Trajectories: hours between new starts", "h")
    nver: Int = _fixed(0, "Trajectories: vertical starts")
    pinbc: str = _fixed("", "Dump file read at the boundary")
    pinpf: str = _fixed("", "Dump file read at the start")
    poutf: str = _fixed("", "Dump file written")
    qcycle: Float = _fixed(0.0, "Time between emission cycles", "h")

    @field_validator("ziscale", mode="before")
    @classmethod
    def _flat_factors(cls, value: Any) -> Any:
        if not isinstance(value, (list, tuple)):
            return _factor(value)
        if value and all(isinstance(item, (list, tuple)) for item in value):
            if len(value) > 1:
                raise ValueError("must be one list of factors, not several")
            value = value[0]
        if not value:
            raise ValueError("must hold at least one factor")
        return tuple(_factor(item) for item in value)

    def ziscale_factors(self, n_hours: int) -> tuple[float, ...]:
        """Return one mixed-layer factor for each hour; a single one counts for all hours."""
        if isinstance(self.ziscale, tuple):
            return self.ziscale
        return (self.ziscale,) * abs(n_hours)


def _factor(value: Any) -> float:
    """Return one mixed-layer factor as a float, or raise ValueError."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError(f"must hold numbers, got {value!r}")
    if not -1 <= value <= 100:
        raise ValueError(f"factors must be -1 (the weather file's height) or 0 to 100, got {value}")
    return float(value)
