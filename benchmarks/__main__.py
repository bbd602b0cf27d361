"""Measure speed and memory beside pystilt + HYSPLIT and write a table.

    python -m benchmarks --hysplit-python ~/hysplit/bin/python      # every row, both sides
    python -m benchmarks --only cold warm                           # some rows, our side
    python -m benchmarks --profile                                  # where our time goes
    python -m benchmarks --scale 0.02 --particles 100 --hours 3 --repeats 1      # a quick look

pystilt with HYSPLIT needs an environment of its own, since it is imported as `stilt` too. Without
it our side is measured alone. Leave the machine idle meanwhile.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from benchmarks import table
from benchmarks.bench import Bench, Sizes, say
from benchmarks.hysplit_side import PYTHON_VARIABLE
from benchmarks.processes import idle_warning
from benchmarks.rows import ROWS, Row, campaign
from benchmarks.setting import Setting, synthetic_weather


def main() -> int:
    """Measure the rows asked for; 1 when a bar is missed, else 0."""
    options = _arguments()
    # Leaving this way ends the run that is being measured and deletes its project.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(3))
    facts = _facts(options)
    if options.scratch is not None:
        Path(options.scratch).mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bench_", dir=options.scratch) as scratch:
        bench = _bench(options, Path(scratch))
        if options.profile:
            print("\n".join(table.parts_table(campaign(bench).details)))
            return 0
        rows: list[Row] = []
        for name in options.only or ROWS:
            say(f"== {name}")
            rows.append(ROWS[name](bench))
            # After every row: a long session that is stopped keeps what it has.
            written = table.write(rows, facts, options.output)
    print(table.markdown(rows, facts))
    print("Written: " + ", ".join(map(str, written)))
    return 1 if any(row.met is False for row in rows) else 0


def _bench(options: argparse.Namespace, scratch: Path) -> Bench:
    weather = options.weather or synthetic_weather(scratch / "weather")
    python = options.hysplit_python
    if options.profile:
        python = None
    default = Sizes()

    def scaled(number: int) -> int:
        return max(options.workers, round(options.scale * number))

    sizes = Sizes(
        particles=options.particles,
        campaign=scaled(options.receptors),
        kept=scaled(options.kept_receptors),
        prefect=scaled(default.prefect),
        workers=scaled(options.receptors),
        memory=(scaled(default.memory[0]), scaled(default.memory[1])),
        gpu=scaled(options.gpu_receptors),
        single=min(default.single, options.particles),
        hysplit=min(options.hysplit_receptors, scaled(options.receptors)),
        repeats=options.repeats,
        long_repeats=options.long_repeats,
        n_workers=options.workers,
    )
    setting = Setting(weather, options.file_format, options.file_tres, -options.hours)
    return Bench(setting, sizes, scratch, Path(python).absolute() if python else None)


def _facts(options: argparse.Namespace) -> dict[str, str]:
    facts = {
        "Machine": f"{platform.platform()}, {len(os.sched_getaffinity(0))} cores, {_processor()}",
        "Versions": ", ".join(f"{name} {_version(name)}" for name in ("stilt", "jax", "prefect")),
        "Weather": str(options.weather.name if options.weather else "synthetic"),
        "Hours back": str(options.hours),
        "Medians of": f"{options.repeats} runs, {options.long_repeats} above 300 receptors",
    }
    python = options.hysplit_python
    if python and not options.profile:
        asked = "from importlib.metadata import version; print(version('pystilt'))"
        done = subprocess.run(
            [python, "-P", "-c", asked], capture_output=True, text=True, check=False,
            env={k: v for k, v in os.environ.items() if not k.startswith("PYTHON")},
        )  # fmt: skip
        if done.returncode:
            raise SystemExit(f"{python} has no pystilt: give the Python of its environment.")
        facts["Versions"] += f"; pystilt {done.stdout.strip()}"
    if warning := idle_warning():
        facts["Beware"] = warning
        say(warning)
    return facts


def _version(name: str) -> str:
    """Version of a package; rows without Prefect can be measured without it."""
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def _processor() -> str:
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    default = Sizes()
    add = parser.add_argument
    add("--only", nargs="+", choices=list(ROWS), metavar="ROW", help=f"rows: {', '.join(ROWS)}")
    add("--hysplit-python", default=os.environ.get(PYTHON_VARIABLE), metavar="PATH",
        help=f"Python of an environment with pystilt, or {PYTHON_VARIABLE}")  # fmt: skip
    add("--weather", type=Path, metavar="FOLDER",
        help="ARL files, 2023-07-14 00Z to 07-15 19Z, Utah; default: made now")  # fmt: skip
    add("--file-format", default="%Y%m%d_%H", help="names of the files")
    add("--file-tres", default="6h", help="time that one file covers")
    add("--receptors", type=int, default=default.campaign, help="of the campaign (256)")
    add("--kept-receptors", type=int, default=default.kept, help="with trajectories (64)")
    add("--hysplit-receptors", type=int, default=default.hysplit, help="that HYSPLIT computes (4)")
    add("--gpu-receptors", type=int, default=default.gpu, help="of a campaign on a GPU (10000)")
    add("--particles", type=int, default=default.particles, help="per receptor (1000)")
    add("--hours", type=int, default=24, help="length of a run, backward (24)")
    add("--scale", type=float, default=1.0, help="factor on all numbers of receptors of ours (1)")
    add("--workers", type=int, default=default.n_workers, help="processes on either side (2)")
    add("--repeats", type=int, default=default.repeats, help="of each run, medians count (3)")
    add("--long-repeats", type=int, default=default.long_repeats,
        help="of runs of more than 300 receptors (1)")  # fmt: skip
    add("--profile", action="store_true", help="only where the time of our campaign goes")
    add("--output", type=Path, default=Path("benchmark-results"), metavar="STEM",
        help="writes STEM.md and STEM.json (benchmark-results)")  # fmt: skip
    add("--scratch", help="folder for temporary projects, on a local disk")
    options = parser.parse_args()
    if options.hysplit_python and not shutil.which(options.hysplit_python):
        parser.error(f"--hysplit-python {options.hysplit_python} is not a program.")
    return options


if __name__ == "__main__":
    sys.exit(main())
