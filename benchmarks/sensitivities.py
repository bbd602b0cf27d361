"""Sets the derivatives of `stilt.sensitivity` beside central differences, on reference weather.

    python -m benchmarks.sensitivities night10m day5m --seeds 1 2 3 --divide-steps 40

Every case of the stored weather ``basin`` is followed for 24 hours with 1,000 particles under each
seed, over a flux of nine cities. A table gives, of the means over the seeds, the derivative, the
central difference with the same random numbers, how far apart they are in per cent and in standard
errors, and the roughness.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
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
    divide_steps: float = 1.0,
) -> xr.Dataset:
    """Return what `stilt.sensitivity` finds, as means over seeds; with smaller steps if divided.

    Returns:
        By parameter: enhancement, derivative, finite_difference, the standard errors of the three
        and of the difference of the last two (difference_noise), and roughness.
    """
    met = stilt.MetConfig(directory=case.folder / "met", file_format="%Y%m%d_%H", file_tres="6h")
    receptor = stilt.PointReceptor(case.time, case.lon, case.lat, case.alt)
    steps = {name: STEPS[name] / divide_steps for name in parameters}
    found = []
    for seed in seeds:
        config = stilt.ModelConfig(mets={"basin": met}, n_hours=-24, numpar=particles, seed=seed)
        with tempfile.TemporaryDirectory() as folder:
            model = stilt.Model(Path(folder) / "case", receptors=[receptor], config=config)
            found.append(stilt.sensitivity(model, 0, cities(), parameters, steps=steps))
    whole = xr.concat(found, "seed")
    mean = whole.mean("seed")
    for name in whole:
        if str(name).endswith("_noise"):
            mean[name] = np.sqrt((whole[name] ** 2).sum("seed")) / len(seeds)
    return mean


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.sensitivities",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("cases", nargs="*", default=CASES)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--divide-steps", type=float, default=1.0, metavar="N")
    options = parser.parse_args()
    cases = basin_cases(options.cases)
    if not cases:
        print("The reference weather basin is not there: set STILT_REFERENCE.", file=sys.stderr)
        return 2
    print("| case, enhancement | parameter | derivative | difference | apart | roughness |")
    print("| --- | --- | --- | --- | --- | --- |")
    for case in cases:
        found = compare(case, options.seeds, divide_steps=options.divide_steps)
        for name in found["parameter"].values:
            one = found.sel(parameter=name)
            slope, difference = float(one["derivative"]), float(one["finite_difference"])
            errors = (slope - difference) / float(one["difference_noise"])
            print(
                f"| {case.name}, {float(one['enhancement']):.3g} ppm | {name} "
                f"| {slope:.3g} ± {float(one['derivative_noise']):.2g} "
                f"| {difference:.3g} ± {float(one['finite_difference_noise']):.2g} "
                f"| {100 * (slope / difference - 1):.1f} %, {abs(errors):.1f} s.e. "
                f"| {float(one['roughness']):.2f} |",
                flush=True,
            )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
