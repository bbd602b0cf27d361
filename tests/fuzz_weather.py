"""Damages copies of ARL files and reads them: the right answer, or one clear sentence.

    python -m tests.fuzz_weather                      # 1,000 copies
    python -m tests.fuzz_weather --copies 20000 --seed 7
    python -m tests.fuzz_weather --only 7:123         # one copy again, with what was done to it

Every copy is scanned and every analysis found is read. What is read must be what the whole file
holds at that time, or the damage is named in one sentence that ends with what to do. Some changes
nothing in the format can tell of (:mod:`stilt.meteorology.arl_checks` lists them): a copy whose
only changes are of that kind may give other numbers, and is counted as such.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

import numpy as np

from stilt.errors import MeteorologyError, Reason
from stilt.meteorology.arl import read_analysis, scan_file
from stilt.meteorology.arl_format import (
    FIXED_INDEX_BYTES,
    LABEL_BYTES,
    PeriodIndex,
    checksum,
    read_period_index,
)
from stilt.meteorology.grids import conformal_grid, latlon_grid
from stilt.meteorology.records import RawAnalysis
from stilt.meteorology.writer import write_arl

LONGEST_S = 20
REMEDY = "fetch or copy the file again, or remove it."

# Where numbers stand that nothing else in a file repeats.
_FIRST_VALUE = range(36, 50)
_FORECAST_IN_LABEL = range(8, 10)
_GRID_LETTERS = range(12, 14)
# Source, forecast hour, minutes, the twelve numbers of the grid, and the kind of levels.
_UNCHECKED_IN_INDEX = (*range(0, 93), *range(102, 104))
# Nodes along x and y, levels, and characters of the index.
_SIZES_IN_INDEX = (range(93, 96), range(96, 99), range(99, 102), range(104, 108))


@dataclass(frozen=True)
class Whole:
    """A file before it is damaged.

    Attributes:
        name: of the kind of file.
        content: its bytes.
        analyses: what it holds, by time.
        periods: byte at which each begins, and its index.
    """

    name: str
    content: bytes
    analyses: dict[np.datetime64, RawAnalysis] = field(repr=False)
    periods: tuple[tuple[int, PeriodIndex], ...] = field(repr=False)


@cache
def whole_files() -> tuple[Whole, ...]:
    """Files of several grids, kinds of levels and numbers of index records."""
    sigma = conformal_grid(
        -111.0, 40.0, 20.0, 24, 20, cone_lat=38.0, levels=(0.99, 0.95, 0.8, 0.5), vertical_flag=1
    )
    pressure = latlon_grid(
        -10.0, 40.0, 0.5, 0.5, 31, 27, levels=(1000.0, 850.0, 500.0), vertical_flag=2
    )
    tiny = replace(sigma, nx=12, ny=11)
    made = [
        _whole("sigma", sigma, ("UWND", "VWND", "WWND", "TEMP", "RELH"), False),
        _whole("pressure, corrected", pressure, ("HGTS", "UWND", "VWND", "WWND", "TEMP"), True),
        _whole("several index records", tiny, ("UWND", "VWND", "TEMP"), True),
    ]
    return tuple(made)


def _whole(name: str, grid, upper: tuple[str, ...], corrections: bool) -> Whole:
    random = np.random.default_rng(len(name))
    start = np.datetime64("2023-07-14T00:00", "m")
    shape = (grid.ny, grid.nx)

    def smooth(base: float, spread: float, shape: tuple[int, ...]) -> np.ndarray:
        steps = random.normal(size=shape).cumsum(axis=-1)
        return (base + spread * steps / shape[-1]).astype(np.float32)

    analyses = []
    for hour in range(3):
        surface = {
            "PRSS": smooth(900.0, 30.0, shape), "SHGT": smooth(800.0, 200.0, shape),
            "T02M": smooth(290.0, 5.0, shape), "TPP1": abs(smooth(0.001, 0.001, shape)),
        }  # fmt: skip
        deep = (grid.n_levels, *shape)
        fields = {each: smooth(10.0, 5.0, deep) for each in upper}
        analyses.append(
            RawAnalysis(start + hour * np.timedelta64(60, "m"), grid, 0, surface, fields)
        )
    with tempfile.TemporaryDirectory() as folder:
        path = write_arl(Path(folder) / "whole", grid, analyses, corrections=corrections)
        refs = scan_file(path).refs
        read = {ref.time: read_analysis(ref) for ref in refs}
        with path.open("rb") as handle:
            periods = tuple((ref.offset, read_period_index(handle, ref.offset)) for ref in refs)
        return Whole(name, path.read_bytes(), read, periods)


Damage = Callable[[np.random.Generator, bytearray, Whole], None]


def flipped(random: np.random.Generator, content: bytearray, whole: Whole) -> None:
    """Change some bits anywhere."""
    for at in random.integers(len(content), size=int(random.integers(1, 6))):
        content[at] ^= 1 << int(random.integers(8))


def cut(random: np.random.Generator, content: bytearray, whole: Whole) -> None:
    """Lose the end."""
    del content[int(random.integers(len(content))) :]


def dropped(random: np.random.Generator, content: bytearray, whole: Whole) -> None:
    """Lose some bytes, or some whole records, in the middle."""
    at, size = int(random.integers(len(content))), int(random.integers(1, 2000))
    if random.random() < 0.5:
        record = whole.periods[0][1].record_bytes
        at, size = at // record * record, int(random.integers(1, 20)) * record
    del content[at : at + size]


def repeated(random: np.random.Generator, content: bytearray, whole: Whole) -> None:
    """Hold a record twice, or swap two."""
    record = whole.periods[0][1].record_bytes
    count = max(1, len(content) // record)
    one, other = (int(number) * record for number in random.integers(count, size=2))
    if random.random() < 0.5:
        content[one:one] = content[other : other + record]
    else:
        moved = content[one : one + record]
        content[one : one + record] = content[other : other + record]
        content[other : other + record] = moved


def zeroed(random: np.random.Generator, content: bytearray, whole: Whole) -> None:
    """Have a block of zeros, as on a disk that failed."""
    at, size = int(random.integers(len(content))), int(random.integers(1, 4097))
    content[at : at + size] = bytes(len(content[at : at + size]))


def foreign(random: np.random.Generator, content: bytearray, whole: Whole) -> None:
    """Have bytes of something else, over the old ones, between them or at the end."""
    at, size = int(random.integers(len(content) + 1)), int(random.integers(1, 300))
    block = random.integers(0, 256, size=size, dtype=np.uint8).tobytes()
    content[at : at + (size if random.random() < 0.5 else 0)] = block


def label_altered(random: np.random.Generator, content: bytearray, whole: Whole) -> None:
    """Have other characters in a label."""
    record = whole.periods[0][1].record_bytes
    at = int(random.integers(max(1, len(content) // record))) * record
    _overwrite(random, content, at, LABEL_BYTES)


def index_altered(random: np.random.Generator, content: bytearray, whole: Whole) -> None:
    """Have other characters in an index, in its header or its list of fields."""
    offset, period = whole.periods[int(random.integers(len(whole.periods)))]
    size = FIXED_INDEX_BYTES if random.random() < 0.6 else 108 + 8 * period.n_records
    _overwrite(random, content, offset + LABEL_BYTES, size)


def _overwrite(random: np.random.Generator, content: bytearray, begin: int, size: int) -> None:
    at = begin + int(random.integers(size))
    text = b"0123456789 -+.EeNnaif*_"
    for number in range(int(random.integers(1, 5))):
        if at + number < len(content):
            content[at + number] = text[int(random.integers(len(text)))]


DAMAGES: tuple[Damage, ...] = (
    flipped, cut, dropped, repeated, zeroed, foreign, label_altered, index_altered,
)  # fmt: skip


def damaged_copy(seed: int, number: int) -> tuple[Whole, str, bytes]:
    """Return a file, what is done to it, and its damaged content; the same for the same numbers."""
    random = np.random.default_rng([seed, number])
    whole = whole_files()[number % len(whole_files())]
    content = bytearray(whole.content)
    damages = [DAMAGES[(number // len(whole_files())) % len(DAMAGES)]]
    if random.random() < 0.1:
        damages.append(DAMAGES[int(random.integers(len(DAMAGES)))])
    for damage in damages:
        if content:
            damage(random, content, whole)
    return whole, " and ".join(damage.__name__ for damage in damages), bytes(content)


def outcome(whole: Whole, content: bytes, path: Path) -> str:
    """Read a damaged copy and return what came of it, the beginning of which is one of

    ``right`` (everything it gives is what it was), ``said`` (one clear sentence), ``unnoticeable``
    (other numbers where nothing tells of them), or ``WRONG``.
    """
    path.write_bytes(content)
    index = scan_file(path)
    said = bool(index.damage)
    if said and (problem := _unclear(index.damage, path)):
        return f"WRONG: {problem}"
    silent = 0
    for ref in index.refs:
        try:
            raw = read_analysis(ref)
        except MeteorologyError as error:
            if error.reason is not Reason.DAMAGED_MET_FILE or (
                problem := _unclear(str(error), path)
            ):
                return f"WRONG: {error.reason}: {error}"
            said = True
            continue
        wanted = whole.analyses.get(ref.time)
        if wanted is not None and _same(raw, wanted):
            continue
        if not _is_unnoticeable(whole, content, ref.offset):
            return f"WRONG: other numbers at {ref.time} and not a word"
        silent += 1
    return "unnoticeable" if silent else "said" if said else "right"


def _unclear(text: str, path: Path) -> str:
    """What is wrong with a sentence; "" for nothing."""
    if "\n" in text or not text.isprintable():
        return f"no plain line: {text!r}"
    if str(path) not in text or not text.endswith(REMEDY):
        return f"no file or remedy in {text!r}"
    return "" if len(text) < 600 else f"too long: {text!r}"


def _same(raw: RawAnalysis, wanted: RawAnalysis) -> bool:
    if raw.grid != wanted.grid:
        return False
    for place in ("surface", "upper"):
        fields, others = getattr(raw, place), getattr(wanted, place)
        if set(fields) != set(others):
            return False
        if any(not np.array_equal(fields[k], others[k], equal_nan=True) for k in fields):
            return False
    return True


def _is_unnoticeable(whole: Whole, content: bytes, offset: int) -> bool:
    """Whether an analysis has changes only that nothing in the file tells of.

    It must be one of the whole file's, at whatever byte it is now.
    """
    return any(
        all(_may_change(whole, period, begin, content, offset, at) for at in changed)
        for begin, period in whole.periods
        if (changed := _changes(whole, begin, period, content, offset)) is not None
    )


def _changes(
    whole: Whole, begin: int, period: PeriodIndex, content: bytes, offset: int
) -> list[int] | None:
    """Bytes of a period that differ, counted from its beginning; None for another period."""
    old = np.frombuffer(whole.content[begin : begin + period.nbytes], np.uint8)
    new = np.frombuffer(content[offset : offset + period.nbytes], np.uint8)
    if len(new) < len(old):
        return None
    return np.flatnonzero(old != new).tolist()


def _may_change(
    whole: Whole, period: PeriodIndex, begin: int, content: bytes, offset: int, at: int
) -> bool:
    record, inside = divmod(at, period.record_bytes)
    if record < period.n_index_records:
        header = whole.content[begin + LABEL_BYTES :][:FIXED_INDEX_BYTES]
        return _may_change_index(period, header, content, offset, record, inside)
    if inside < LABEL_BYTES:
        if inside in (*_FIRST_VALUE, *_FORECAST_IN_LABEL, *_GRID_LETTERS):
            return True
        label = content[offset + at - inside :][:LABEL_BYTES]
        # A label that marks its record as missing is allowed to be anywhere; numbers may be
        # written in more than one way.
        return (
            label[8:10] == b"-1"
            or label[14:18] == b"NULL"
            or _same_numbers(label, whole.content[begin + at - inside :][:LABEL_BYTES])
        )
    # A changed sum may come out the same; of a missing record no byte counts.
    start = offset + record * period.record_bytes
    packed = content[start + LABEL_BYTES : start + period.record_bytes]
    expected = period.checksums[record - period.n_index_records]
    return checksum(packed) == expected or content[start + 8 : start + 10] == b"-1"


def _may_change_index(
    period: PeriodIndex, whole: bytes, content: bytes, offset: int, record: int, inside: int
) -> bool:
    """Whether a byte of an index may change; ``whole`` is the header as it was."""
    if inside < LABEL_BYTES:
        # Of an index's own label its time and name count, and the letters of the grid's size; of
        # the records in which it goes on, the name.
        return inside not in (*range(14, 18), *(() if record else (*range(8), 12, 13)))
    at = record * (period.record_bytes - LABEL_BYTES) + inside - LABEL_BYTES
    if at < FIXED_INDEX_BYTES:
        # A number may be written in more than one way.
        return at in _UNCHECKED_IN_INDEX or any(
            at in place and _same_integer(whole[place.start : place.stop], now)
            for place in _SIZES_IN_INDEX
            if (now := content[offset + LABEL_BYTES :][place.start : place.stop])
        )
    # Values of levels, checksums, and what follows the list.
    position = FIXED_INDEX_BYTES
    for names in period.manifest:
        if position <= at < position + 6:
            return True
        position += 8
        if position <= at < position + 8 * len(names):
            return (at - position) % 8 >= 4
        position += 8 * len(names)
    return at >= position


def _same_integer(one: bytes, other: bytes) -> bool:
    try:
        return int(one) == int(other)
    except ValueError:
        return False


def _same_numbers(label: bytes, other: bytes) -> bool:
    try:
        exponent = int(label[18:22]) == int(other[18:22])
        same = abs(float(label[22:36]) / float(other[22:36]) - 1.0) < 0.02
        return (
            exponent
            and same
            and label[14:18] == other[14:18]
            and int(label[10:12]) == int(other[10:12])
        )
    except ValueError:
        return False


@contextmanager
def _no_longer_than(seconds: int) -> Iterator[None]:
    """Raise TimeoutError when the block takes longer."""

    def stop(*_: object) -> None:
        raise TimeoutError(f"it took more than {seconds} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def try_copy(seed: int, number: int, folder: Path) -> tuple[str, str]:
    """Damage and read one copy.

    Returns:
        What was done to which file, and what came of it; see :func:`outcome`.
    """
    whole, done, content = damaged_copy(seed, number)
    try:
        with _no_longer_than(LONGEST_S), warnings.catch_warnings():
            warnings.simplefilter("error")
            came = outcome(whole, content, folder / "20230714_00")
    except Exception as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        came = f"WRONG: {type(error).__name__}: {error} ({last.filename}:{last.lineno})"
    return f"{whole.name}: {done}", came


def main() -> int:
    """Try copies; 1 when one of them went wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz_weather")
    parser.add_argument("--copies", type=int, default=1000, help="damaged copies (1000)")
    parser.add_argument("--seed", type=int, default=0, help="of the damage (0)")
    parser.add_argument("--only", metavar="SEED:NUMBER", help="one copy again")
    options = parser.parse_args()
    seed, numbers = options.seed, range(options.copies)
    if options.only:
        seed, number = map(int, options.only.split(":"))
        numbers = range(number, number + 1)
    counts: Counter[str] = Counter()
    begun = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        for number in numbers:
            done, came = try_copy(seed, number, Path(folder))
            counts[came.partition(":")[0]] += 1
            if came.startswith("WRONG") or options.only:
                print(f"{seed}:{number} {done}: {came}", flush=True)
    seconds = time.perf_counter() - begun
    shown = ", ".join(f"{count} {name}" for name, count in counts.most_common())
    print(f"{len(numbers)} damaged copies in {seconds:.0f} s: {shown}.")
    return 1 if counts["WRONG"] else 0


if __name__ == "__main__":
    sys.exit(main())
