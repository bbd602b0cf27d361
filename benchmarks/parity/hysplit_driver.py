"""Runs HYSPLIT through pystilt and keeps what the comparison needs.

Executed by the Python of an environment that has pystilt, which is imported as ``stilt`` too: this
file imports nothing of this project. One argument: a JSON file with the weather, the receptors,
the seeds and where to write.
"""

import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from stilt.transport.hysplit.config import HysplitConfig
from stilt.transport.hysplit.driver import (
    CONTROL_FILE,
    PARTICLE_STILT_FILE,
    read_particle_dat,
    run_hycs_std,
    write_inputs,
)

import stilt

AGES = [*range(1, 11), *range(20, 121, 10), *range(180, 100_000, 60)]
COLUMNS = [
    "time", "indx", "long", "lati", "zagl", "foot", "mlht", "pres", "dens", "samt", "sigw", "tlgr",
    "temp", "zsfc", "shtf", "dmas",
]  # fmt: skip
PLACES = ["time", "indx", "long", "lati", "zagl", "foot"]
RENAMED = {"indx": "particle", "long": "lon", "lati": "lat"}


def run(job, case, columns=COLUMNS, **settings):
    """Particle table of one receptor, columns named as in the reference runs."""
    receptor = stilt.PointReceptor(
        time=case["time"], longitude=case["lon"], latitude=case["lat"], altitude=case["alt"]
    )
    settings = {
        "n_hours": case["hours"], "varsiwant": columns, "hnf_plume": False, **job["settings"],
        **settings,
    }  # fmt: skip
    if "grids" in job["met"]:
        table = run_nested(receptor, [Path(path) for path in job["met"]["grids"]], settings)
    else:
        table = stilt.run_trajectories(receptor, job["met"], **settings)
    table = table.rename(columns=RENAMED)
    if "age" not in table:
        table = table.rename(columns={"time": "age"})
    return table.drop(columns=[name for name in ("time",) if name in table])


def run_nested(receptor, files, settings):
    """Particle table of one receptor on several grids, a file each, which pystilt does not do."""
    config = HysplitConfig(**settings)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "run"
        write_inputs(folder, receptor, config, files)
        control = folder / CONTROL_FILE
        one_grid, several = f"\n1 {len(files)}\n", f"\n{len(files)} 1\n"
        control.write_text(control.read_text().replace(one_grid, several, 1))
        run_hycs_std(folder)
        return read_particle_dat(folder / PARTICLE_STILT_FILE, config.varsiwant)


def cell_sums(table):
    cells = {
        "hour": ((table["age"].abs() - 1) // 60).astype(int),
        "i": np.floor(table["lon"] / 0.1).astype(int),
        "j": np.floor(table["lat"] / 0.1).astype(int),
    }
    sums = table.assign(**cells).groupby(["hour", "i", "j"])["foot"].sum()
    return sums.astype(float).reset_index()


def keep_error_runs(job, case, out):
    """Keep every row of main and error runs: what a flux adds to each particle needs them all."""
    for seed in job["seeds"]:
        for kind, errors in (("main", {}), ("error", job["errors"])):
            path = out / f"{case['name']}_s{seed}_{kind}.parquet"
            if not path.exists():
                table = run(
                    job, case, PLACES, numpar=job["particles"], krand=2, seed=seed, **errors
                )
                table.astype({"lon": "f4", "lat": "f4", "foot": "f4"}).to_parquet(path)
                print(f"HYSPLIT {case['name']} seed {seed}: {kind} run", flush=True)


def main():
    job = json.loads(Path(sys.argv[1]).read_text())
    out = Path(job["out"])
    for case in job["cases"]:
        name = case["name"]
        if job.get("totals_only"):
            for seed in job["seeds"]:
                table = run(job, case, PLACES, numpar=job["particles"], krand=2, seed=seed)
                total = float(table["foot"].astype(float).sum()) / job["particles"]
                (out / f"{name}_s{seed}_total.json").write_text(json.dumps(total))
            continue
        if job.get("errors"):
            keep_error_runs(job, case, out)
            continue
        mean = run(job, case, numpar=1, nturb=1)
        mean.to_parquet(out / f"{name}_mean.parquet")
        for seed in job["seeds"]:
            begun = time.time()
            table = run(job, case, numpar=job["particles"], krand=2, seed=seed)
            kept = table[table["age"].abs().isin(AGES)]
            kept.to_parquet(out / f"{name}_s{seed}_particles.parquet")
            cell_sums(table).to_parquet(out / f"{name}_s{seed}_rawfoot.parquet")
            facts = {"case": name, "seed": seed, "npar": job["particles"], "rows": len(table)}
            facts["seconds"] = round(time.time() - begun, 1)
            (out / f"{name}_s{seed}_run.json").write_text(json.dumps(facts))
            print(f"HYSPLIT {name} seed {seed}: {facts['seconds']} s", flush=True)


if __name__ == "__main__":
    try:
        main()
    except (stilt.StiltError, ValueError) as error:
        sys.exit(f"HYSPLIT's environment: {error}")
