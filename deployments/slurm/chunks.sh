#!/bin/bash
# Split what a project lacks into N lists of simulation ids, for a job array.
set -euo pipefail

project=${1:?usage: chunks.sh PROJECT N}
n=${2:?usage: chunks.sh PROJECT N}

mkdir -p "$project/chunks"
rm -f "$project"/chunks/task_*.txt
python - "$project" "$n" <<'PYTHON'
import sys
from pathlib import Path

import stilt

project, n = sys.argv[1], int(sys.argv[2])
ids = stilt.Model(project=project).simulations.incomplete()
for k in range(n):
    part = ids[k * len(ids) // n : (k + 1) * len(ids) // n]
    Path(project, "chunks", f"task_{k}.txt").write_text("".join(f"{sim_id}\n" for sim_id in part))
print(f"{len(ids)} simulations in {n} chunks")
PYTHON
