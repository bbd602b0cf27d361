"""Runs receptors through pystilt, keeps their particles, and times its ``calc_footprint``.

Executed by the Python of an environment that has pystilt, which is imported as ``stilt`` too: this
file imports nothing of this project. One argument: a JSON file with met, hours, particles,
columns, grid, receptors, repeats and out. Writes ``particles_N.parquet`` and ``answer.json``.
"""

import json
import sys
import time
from importlib.metadata import version
from pathlib import Path

import stilt


def main():
    job = json.loads(Path(sys.argv[1]).read_text())
    out = Path(job["out"])
    grid = stilt.Grid(**job["grid"])
    transport_s, footprint_s = [], []
    for number, entry in enumerate(job["receptors"]):
        receptor = stilt.PointReceptor(**entry)
        began = time.perf_counter()
        particles = stilt.run_trajectories(
            receptor, job["met"], n_hours=job["hours"], numpar=job["particles"],
            varsiwant=job["columns"],
        )  # fmt: skip
        transport_s.append(time.perf_counter() - began)
        particles.to_parquet(out / f"particles_{number}.parquet")
        stilt.calc_footprint(particles, receptor, grid)
        for _ in range(job["repeats"]):
            began = time.perf_counter()
            footprint = stilt.calc_footprint(particles, receptor, grid)
            footprint.load()
            footprint_s.append(time.perf_counter() - began)
    answer = {"transport_s": transport_s, "footprint_s": footprint_s, "version": version("pystilt")}
    (out / "answer.json").write_text(json.dumps(answer))


if __name__ == "__main__":
    main()
