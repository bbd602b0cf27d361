"""Times transport and footprints on the demo's weather, without orchestration.

Each case runs in a process of its own, so that memory is that case's alone. Compiling is timed
apart: the first run of a case compiles, the second is what counts.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

FIRST_RECEPTOR = np.datetime64("2023-07-15T18:00")
HOURS = 6


def run_case(n_receptors: int, numpar: int, folder: Path) -> dict[str, Any]:
    """Time one case: transport twice, then footprints of everything."""
    import jax

    from stilt.config import ModelConfig
    from stilt.demo import write_demo
    from stilt.footprint import Footprint
    from stilt.footprint.near_field import apply_near_field
    from stilt.meteorology.catalogue import MetCatalogue
    from stilt.receptors import PointReceptor
    from stilt.transport import run_transport
    from stilt.transport.release import release_of

    write_demo(folder)
    config = ModelConfig.from_yaml(folder / "config.yaml").model_copy(
        update={"numpar": numpar, "n_hours": -HOURS}
    )
    receptors = [
        PointReceptor(FIRST_RECEPTOR, -111.85 + 0.01 * number, 40.77, 30.0)
        for number in range(n_receptors)
    ]
    catalogue = MetCatalogue(config.mets["demo"], "demo")
    refs = catalogue.select(FIRST_RECEPTOR - np.timedelta64(HOURS, "h"), FIRST_RECEPTOR)
    releases = [release_of(receptor, f"demo_{receptor.id}", config) for receptor in receptors]

    seconds = []
    for _ in range(2):
        started = time.perf_counter()
        tables = run_transport(releases, refs, config, cache_dir=folder / "cache")
        seconds.append(time.perf_counter() - started)
    started = time.perf_counter()
    for receptor, table in zip(receptors, tables, strict=True):
        if isinstance(table, Exception):
            raise table
        corrected = apply_near_field(table, receptor=receptor, veght=config.veght)
        Footprint.calculate(corrected, receptor, config.footprints["default"], "default")
    footprint_s = time.perf_counter() - started
    return {
        "receptors": n_receptors,
        "particles": numpar,
        "hours": HOURS,
        "device": jax.devices()[0].device_kind,
        "first_run_s": round(seconds[0], 2),
        "transport_s": round(seconds[1], 2),
        "footprints_s": round(footprint_s, 2),
        "particle_hours_per_s": round(n_receptors * numpar * HOURS / seconds[1]),
        "peak_memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }


def main() -> int:
    """Run every case in a fresh process and print a table; ``--output`` keeps it as JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--receptors", type=int, nargs="+", default=[1, 8, 32])
    parser.add_argument("--particles", type=int, default=200)
    parser.add_argument("--output", type=Path, help="write the results as JSON")
    parser.add_argument("--case", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.case is not None:
        with tempfile.TemporaryDirectory() as folder:
            print(json.dumps(run_case(options.case, options.particles, Path(folder))))
        return 0
    results = []
    for n_receptors in options.receptors:
        command = [sys.executable, "-m", "benchmarks", "--case", str(n_receptors)]
        command += ["--particles", str(options.particles)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            print(done.stderr, file=sys.stderr)
            return 1
        results.append(json.loads(done.stdout.splitlines()[-1]))
        if len(results) == 1:
            print(f"{platform.platform()}, {os.cpu_count()} cores, {results[0]['device']}")
            print("  ".join(results[0]))
        print("  ".join(f"{value!s:>{len(key)}}" for key, value in results[-1].items()), flush=True)
    if options.output:
        options.output.write_text(json.dumps(results, indent=2) + "\n")
        print(f"Results: {options.output}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
