"""Compare our transport with HYSPLIT's: point check, trajectories, clouds and footprints.

    python -m benchmarks.parity                              # the reference runs
    python -m benchmarks.parity --only gdas042 --seeds 2     # some of them, fewer seeds of ours
    python -m benchmarks.parity --hysplit-python ~/hysplit/bin/python --weather met \\
        --file-format %Y%m%d_%H --file-tres 6h --receptors receptors.csv --hours -24
    python -m benchmarks.parity --hysplit-python ~/hysplit/bin/python --formats
    python -m benchmarks.parity --hysplit-python ~/hysplit/bin/python --nested
    python -m benchmarks.parity --in-our-place FOLDER        # HYSPLIT against HYSPLIT
    python -m benchmarks.parity --further-totals 20 --only aloft2km --file-tres 6h \\
        --hysplit-python ~/hysplit/bin/python                # more seeds for a total

The third form runs HYSPLIT first, through pystilt in an environment of its own. With --out it keeps
the runs in a folder of the kind that the sixth takes. With --format the weather is no ARL files:
HYSPLIT runs on what `stilt weather to-arl` makes of it, ours on the weather itself. The fourth does
that for invented weather in several formats, and ARL files made from WRF (`--only arl-wrf`); the
fifth takes a fine grid in a coarse one. The last runs HYSPLIT on stored cases and keeps the totals
alone, in a file of this package that every later comparison uses.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from benchmarks.parity import checks, figures, ours
from benchmarks.parity.cases import (
    REFERENCE_VARIABLE,
    Case,
    Ensemble,
    Total,
    find_cases,
    reference_folder,
)
from benchmarks.parity.checks import CANNOT_TELL, Check
from benchmarks.parity.formats import convert_and_run, make_formats
from benchmarks.parity.hysplit import receptors_as_cases, run_hysplit
from benchmarks.parity.nested import make_nested
from benchmarks.parity.totals import further_totals, make_further_totals

# Seeds from here on stand in HYSPLIT's place.
_FIRST_OF_POOL = 1001
# And these beside further totals of HYSPLIT's.
_FIRST_FURTHER = 3001
# Settings of ours that are compared, by the option's value.
_LAYER_UPDATES = {"both": (False, True), "off": (False,), "on": (True,)}


def main() -> int:
    """Run the comparison; the exit code says whether a bar is missed."""
    options = _arguments()
    live = options.hysplit_python and not options.further_totals
    root = _made_now(options) if live else reference_folder(options.reference)
    if root is None or not root.is_dir():
        print(
            f"No reference runs: give --reference or {REFERENCE_VARIABLE}, or --hysplit-python to "
            "make some.",
            file=sys.stderr,
        )
        return 2
    cases = find_cases(root, options.only)
    if not cases:
        print(f"No cases of that name under {root}.", file=sys.stderr)
        return 2
    if options.further_totals:
        return _further_totals(cases, options)
    with tempfile.TemporaryDirectory() as scratch:
        return compare(cases, options, Path(options.cache or scratch))


def compare(cases: list[Case], options: argparse.Namespace, cache: Path) -> int:
    """Print every table with its bars; 1 when one is missed, 2 for a wrong option, else 0."""
    needed = options.seeds + max((len(case.ensembles) for case in cases), default=0)
    if 0 < options.chance < needed:
        print(
            f"--chance {options.chance} is too few to draw from: {needed} at least.",
            file=sys.stderr,
        )
        return 2
    results = []
    if options.in_our_place:
        stand_ins = {str(case): case for case in find_cases(Path(options.in_our_place))}
        runs = {
            case: stand_ins[str(case)].ensembles
            for case in cases
            if case.ensembles and str(case) in stand_ins
        }
        results += _compare_ensembles(Ensembles(runs, {}, {}), options, "")
    else:
        results += [_show(checks.point_check(cases, cache)), _show(checks.mean_check(cases, cache))]
        for layer_update in _LAYER_UPDATES[options.layer_update]:
            settings = {"hysplit_layer_update": layer_update}
            mine = _ensembles(cases, options, cache, settings)
            told = f"hysplit_layer_update: {str(layer_update).lower()}"
            results += _compare_ensembles(mine, options, told)
    verdicts = [bar.verdict for check in results for bar in check.bars]
    print(
        f"\n{verdicts.count('pass')} of {len(verdicts)} bars met, {verdicts.count('open')} not "
        f"decided within two standard errors of the seeds, {verdicts.count('MISS')} missed"
        + (f", {silent} with nothing to compare" if (silent := verdicts.count(CANNOT_TELL)) else "")
        + "."
    )
    return 1 if "MISS" in verdicts else 0


class Ensembles(NamedTuple):
    """Ensembles to hold against HYSPLIT's, by case.

    Attributes:
        runs: with as many particles as HYSPLIT's.
        pools: further ones, which tell what chance does.
        further: totals of further ones of both programs.
    """

    runs: dict[Case, list[Ensemble]]
    pools: dict[Case, list[Ensemble]]
    further: dict[Case, tuple[list[Total], list[Total]]]


def _ensembles(
    cases: list[Case], options: argparse.Namespace, cache: Path, settings: Mapping[str, object]
) -> Ensembles:
    """Run our ensembles of every case, and say how long each took."""
    made = Ensembles({}, {}, {})
    for case in cases:
        if not case.ensembles or options.seeds <= 0:
            continue
        begun = time.perf_counter()
        seeds = range(1, options.seeds + 1)
        made.runs[case] = ours.ensembles(case, seeds, cache, settings)
        if options.chance:
            seeds = range(_FIRST_OF_POOL, _FIRST_OF_POOL + options.chance)
            made.pools[case] = ours.ensembles(case, seeds, cache, settings)
        if theirs := further_totals(case):
            made.further[case] = (theirs, _as_many(case, theirs, cache, settings))
        seconds = time.perf_counter() - begun
        ensembles = made.runs[case] + made.pools.get(case, [])
        particles = sum(ensemble.count for ensemble in ensembles)
        particles += sum(total.particles for total in made.further.get(case, ([], []))[1])
        print(f"  {case}: {particles} particles in {seconds:.0f} s", flush=True)
    return made


def _compare_ensembles(mine: Ensembles, options: argparse.Namespace, settings: str) -> list[Check]:
    """Print clouds, footprints and totals of ensembles, with the settings they were made with."""
    if not mine.runs:
        return []
    clouds, details = checks.cloud_check(mine.runs, mine.pools)
    footprints = checks.footprint_check(mine.runs)
    found = [clouds, footprints, checks.total_check(mine.runs, mine.further)]
    if settings:
        found = [replace(check, title=f"{check.title} ({settings})") for check in found]
    name = settings.replace(": ", "-")
    if options.details:
        path = Path(options.details)
        details.to_csv(path.with_stem(f"{path.stem}-{name}") if name else path, index=False)
    if options.figures:
        figures.draw(mine.runs, Path(options.figures) / name)
    return [_show(check) for check in found]


def _as_many(
    case: Case, theirs: list[Total], cache: Path, settings: Mapping[str, object]
) -> list[Total]:
    """Totals of ours for those of further HYSPLIT ensembles, twice as many: ours are cheap."""
    seeds = range(_FIRST_FURTHER, _FIRST_FURTHER + 2 * len(theirs))
    return ours.totals(case, max(total.particles for total in theirs), seeds, cache, settings)


def _further_totals(cases: list[Case], options: argparse.Namespace) -> int:
    if not options.hysplit_python or len({case.weather for case in cases}) > 1:
        print(
            "--further-totals needs --hysplit-python, and --only for cases of one weather.",
            file=sys.stderr,
        )
        return 2
    python = Path(options.hysplit_python).absolute()
    met = {"file_format": options.file_format, "file_tres": options.file_tres}
    make_further_totals(cases, python, met, options.further_totals, options.particles)
    return 0


def _show(check: Check) -> Check:
    print(f"\n## {check.title}\n")
    with pd.option_context("display.width", 250, "display.max_columns", 50):
        print(check.table.to_string(float_format=lambda value: f"{value:.4g}"))
    for bar in check.bars:
        print(f"  {bar.verdict}  {bar.asked}: {bar.found}")
    sys.stdout.flush()
    return check


def _made_now(options: argparse.Namespace) -> Path:
    python, seeds = Path(options.hysplit_python).absolute(), range(1, options.hysplit_seeds + 1)
    if options.formats:
        root = Path(options.out or tempfile.mkdtemp(prefix="parity_"))
        make_formats(root, python, seeds, options.particles, options.only)
        return root
    if options.nested:
        root = Path(options.out or tempfile.mkdtemp(prefix="parity_"))
        make_nested(root, python, seeds, options.particles)
        return root
    if not (options.weather and options.receptors):
        raise SystemExit("--hysplit-python needs --weather and --receptors.")
    root = Path(options.out or tempfile.mkdtemp(prefix="parity_"))
    weather = Path(options.weather)
    folder = root / weather.resolve().name
    cases = receptors_as_cases(Path(options.receptors), options.hours)
    if options.format != "arl":
        convert_and_run(folder, weather, options.format, python, cases, seeds, options.particles)
    else:
        run_hysplit(
            python, folder, weather, options.file_format, options.file_tres, cases, seeds,
            options.particles,
        )  # fmt: skip
    print(f"HYSPLIT's runs are in {root}: use --reference {root} to compare with them again.")
    return root


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.parity",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--reference", help=f"folder of reference runs, or {REFERENCE_VARIABLE}")
    parser.add_argument("--only", nargs="*", default=[], help="weathers or cases to compare")
    parser.add_argument("--seeds", type=int, default=16, help="ensembles of ours (16); 0 for none")
    parser.add_argument(
        "--layer-update",
        choices=list(_LAYER_UPDATES),
        default="both",
        help="compare ours without hysplit_layer_update, with it, or both (default)",
    )
    parser.add_argument(
        "--chance",
        type=int,
        default=0,
        help="further ensembles of ours, at least as many as both sides have, that tell what the "
        "clouds of one program differ by (0: none)",
    )
    parser.add_argument(
        "--in-our-place",
        metavar="FOLDER",
        help="further runs of HYSPLIT that stand in for ours: what HYSPLIT itself would be given",
    )
    parser.add_argument("--cache", help="folder for prepared weather, kept")
    parser.add_argument(
        "--details",
        help="CSV file for every comparison of the clouds, one for each setting compared",
    )
    parser.add_argument(
        "--figures", help="folder for maps side by side, with a folder for each setting"
    )
    live = parser.add_argument_group("run HYSPLIT first")
    live.add_argument("--hysplit-python", help="Python of an environment with pystilt")
    live.add_argument("--weather", help="folder of weather files")
    live.add_argument("--format", default="arl", help="their format, as in config.yaml (arl)")
    live.add_argument(
        "--formats", action="store_true", help="invented weather in several formats instead"
    )
    live.add_argument(
        "--nested", action="store_true", help="invented weather of a fine grid in a coarse one"
    )
    live.add_argument("--file-format", default="%Y%m%d_%H", help="names of the files")
    live.add_argument("--file-tres", default="6h", help="time that one file covers")
    live.add_argument("--receptors", help="receptors.csv, or a cases.json")
    live.add_argument("--hours", type=int, default=-24, help="length of a run (-24)")
    live.add_argument("--particles", type=int, default=300, help="particles an ensemble (300)")
    live.add_argument("--hysplit-seeds", type=int, default=3, help="ensembles of HYSPLIT (3)")
    live.add_argument(
        "--further-totals",
        type=int,
        default=0,
        metavar="N",
        help="instead of comparing, run N further ensembles of HYSPLIT for each stored case and "
        "keep their totals, which later comparisons use",
    )
    live.add_argument("--out", help="folder for HYSPLIT's runs, kept")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
