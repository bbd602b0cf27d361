"""Runs HYSPLIT through pystilt on a list of jobs and keeps the whole particle tables.

Executed by the Python of an environment that has pystilt, which is imported as ``stilt`` too: this
file imports nothing of this project. One argument: a JSON file with a list of runs, each with
``out`` (a Parquet file), ``met``, ``receptor`` and ``settings``. A run that fails leaves a text
file in place of the table.
"""

import json
import sys
from pathlib import Path

import stilt

RENAMED = {"age": "time", "particle": "indx", "lon": "long", "lat": "lati"}
KINDS = {
    "point": stilt.PointReceptor,
    "column": stilt.ColumnReceptor,
    "multipoint": stilt.MultiPointReceptor,
}


def main():
    for run in json.loads(Path(sys.argv[1]).read_text()):
        out = Path(run["out"])
        receptor = dict(run["receptor"])
        try:
            made = KINDS[receptor.pop("kind", "point")](**receptor)
            table = stilt.run_trajectories(
                made, run["met"], hnf_plume=False, timeout=300, **run["settings"]
            )
        except Exception as error:
            words = f"{type(error).__name__}: {error}"
            out.with_suffix(".txt").write_text(words)
            print(out.name, "failed:", words[:200], flush=True)
            continue
        table.rename(columns=RENAMED).to_parquet(out)


if __name__ == "__main__":
    main()
