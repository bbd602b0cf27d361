"""Sets the derivatives of `stilt.sensitivity` beside central differences, on reference weather.

    python -m benchmarks.sensitivities night10m day5m --seeds 1 2 3

Every case of the stored weather ``basin`` is followed for 24 hours with 1,000 particles under each
seed, over a flux of nine cities. A table gives, of the means over the seeds, the derivative, the
central differences with the same random numbers over a small step and over the usual one, how far
the derivative is from either in per cent and in standard errors, and the roughness.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import xarray as xr

import stilt
from benchmarks.parity.cases import Case
from benchmarks.parity.error_runs import basin_cases
from stilt.answers.sensitivity import STEPS

CASES = ("night10m", "day5m", "tower300m", "aloft2km")
# Longitude, latitude and width in degrees.
CITIES = (
    (-111.9, 40.7, 0.25), (-112.0, 41.2, 0.2), (-115.5, 40.8, 0.2), (-113.5, 40.6, 0.3),
    (-112.6, 40.3, 0.2), (-111.7, 40.2, 0.2), (-116.2, 43.6, 0.3), (-111.0, 39.5, 0.25),
    (-114.0, 41.0, 0.3),
)  # fmt: skip


def cities() -> xr.DataArray:
    """Return a flux of 20 umol m-2 s-1 at the centre of each city, on cells of 0.1 degree."""
    lon, lat = np.arange(-121.95, -102.0, 0.1), np.arange(33.05, 48.0, 0.1)
    total = np.zeros((lat.size, lon.size))
    for east, north, width in CITIES:
        square = (lon - east) ** 2 + (lat[:, None] - north) ** 2
        total += 20.0 * np.exp(-square / (2.0 * width**2))
    return xr.DataArray(
        total, dims=("lat", "lon"), coords={"lat": lat, "lon": lon},
        attrs={"units": "umol m-2 s-1"}, name="cities",
    )  # fmt: skip


def compare(
    case: Case,
    seeds: Sequence[int],
    parameters: Sequence[str] = tuple(STEPS),
    *,
    particles: int = 1000,
) -> xr.Dataset:
    """Return what `stilt.sensitivity` finds, as means over seeds.

    Returns:
        By parameter: all that it returns; standard errors are those of the means.
    """
    met = stilt.MetConfig(directory=case.folder / "met", file_format="%Y%m%d_%H", file_tres="6h")
    receptor = stilt.PointReceptor(case.time, case.lon, case.lat, case.alt)
    found = []
    for seed in seeds:
        config = stilt.ModelConfig(mets={"basin": met}, n_hours=-24, numpar=particles, seed=seed)
        with tempfile.TemporaryDirectory() as folder:
            model = stilt.Model(Path(folder) / "case", receptors=[receptor], config=config)
            found.append(stilt.sensitivity(model, 0, cities(), parameters))
    whole = xr.concat(found, "seed")
    mean = whole.mean("seed")
    for name in whole:
        if str(name).endswith("_noise"):
            mean[name] = np.sqrt((whole[name] ** 2).sum("seed")) / len(seeds)
    return mean


def _beside(one: Mapping[str, float], name: str, noise: str) -> str:
    """Return a difference and how far the derivative is from it."""
    slope, difference = one["derivative"], one[name]
    return (
        f"{difference:.3g}; {100 * (slope / difference - 1):.1f} %, "
        f"{abs(slope - difference) / one[noise]:.1f} s.e."
    )


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.sensitivities",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("cases", nargs="*", default=CASES)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    options = parser.parse_args()
    cases = basin_cases(options.cases)
    if not cases:
        print("The reference weather basin is not there: set STILT_REFERENCE.", file=sys.stderr)
        return 2
    print("| case, enhancement | parameter | derivative | small step | usual step | roughness |")
    print("| --- | --- | --- | --- | --- | --- |")
    for case in cases:
        found = compare(case, options.seeds)
        for name in found["parameter"].values:
            one = {str(key): float(value) for key, value in found.sel(parameter=name).items()}
            small = _beside(one, "check", "check_noise")
            usual = _beside(one, "finite_difference", "difference_noise")
            print(
                f"| {case.name}, {one['enhancement']:.3g} ppm | {name} "
                f"| {one['derivative']:.3g} ± {one['derivative_noise']:.2g} "
                f"| {small} | {usual} | {one['roughness']:.2f} |",
                flush=True,
            )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
