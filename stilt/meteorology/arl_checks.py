"""Whether records of an ARL file are what their index says, as far as the format can tell.

A label repeats the time and the level of its record, its precision follows from its exponent, and
the index has a checksum of a field's packed bytes. A single record that contradicts is damaged. But
some programs write files in which all records do, by a rule of their own; those are read.

Nothing tells of a change to the first value of a field (in its label), of a label that marks its
record missing, of a change to the grid's numbers, the minutes, the forecast hours or the checksums
in an index that leaves them possible, or to the packed bytes of a field without a checksum.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import BinaryIO

import numpy as np

from stilt.meteorology.arl_format import (
    LABEL_BYTES,
    Label,
    MalformedError,
    PeriodIndex,
    checksum,
    minute_text,
    parse_label,
)

_SAMPLES = 24
_PRECISION_TOLERANCE = 0.01

Rule = Callable[[Label, bytes, int], bool]


class RecordChecks:
    """Checks records of one period.

    Args:
        handle: the file, open.
        offset: byte at which the period begins.
        period: its index.
    """

    def __init__(self, handle: BinaryIO, offset: int, period: PeriodIndex) -> None:
        self._handle = handle
        self._first = offset + period.n_index_records * period.record_bytes
        self._period = period
        self._levels = [level for level, _ in period.records()]
        self._hour = period.time.astype("datetime64[h]")
        self._holds: dict[str, bool] = {}

    def check(self, label: Label, record: bytes, number: int) -> None:
        """Check a record that is not marked missing.

        Args:
            label: of the record.
            record: its bytes.
            number: of the record in its period, index records not counted.

        Raises:
            MalformedError: it contradicts itself or the index.
        """
        name, time = repr(label.variable.strip()), minute_text(self._period.time)
        level = self._levels[number]
        if label.time != self._hour:
            raise MalformedError(
                f"the {name} record of {time} is labelled {minute_text(label.time)}"
            )
        if label.level != level and not self._levels_are_numbered_otherwise():
            raise MalformedError(
                f"the {name} record of {time} is labelled level {label.level} where level {level} "
                "should be"
            )
        if not _precision_fits(label, record, number) and self._is_rule(
            "precision", _precision_fits
        ):
            raise MalformedError(f"the precision of {name} of {time} contradicts its exponent")
        if not self._sum_fits(label, record, number) and self._is_rule("sum", self._sum_fits):
            raise MalformedError(f"the {name} record of {time} contradicts its checksum")

    def _sum_fits(self, label: Label, record: bytes, number: int) -> bool:
        expected = self._period.checksums[number]
        return expected == 0 or checksum(record[LABEL_BYTES:]) == expected

    def _is_rule(self, name: str, fits: Rule) -> bool:
        """Whether most other records of the period are as they should be."""
        if name not in self._holds:
            fitting = [fits(label, record, n) for n, label, record in self._sample()]
            self._holds[name] = 2 * sum(fitting) >= len(fitting)
        return self._holds[name]

    def _levels_are_numbered_otherwise(self) -> bool:
        """Whether all labels count levels from another number, or not at all."""
        if "level" not in self._holds:
            found = [(label.level, label.level - self._levels[n]) for n, label, _ in self._sample()]
            self._holds["level"] = any(len(set(column)) == 1 for column in zip(*found, strict=True))
        return self._holds["level"]

    def _sample(self) -> list[tuple[int, Label, bytes]]:
        """Some records of the period, evenly spread, without those marked missing."""
        n_records, size = self._period.n_records, self._period.record_bytes
        chosen = np.unique(np.linspace(0, n_records - 1, min(n_records, _SAMPLES)).round())
        found = []
        for number in map(int, chosen):
            self._handle.seek(self._first + number * size)
            record = self._handle.read(size)
            label = parse_label(record)
            if not label.is_missing:
                found.append((number, label, record))
        return found


def _precision_fits(label: Label, record: bytes, number: int) -> bool:
    """Whether precision is 2 to the power of the exponent, over 254, to the digits of a label."""
    if abs(label.exponent) > 1000:
        return False
    expected = 2.0**label.exponent / 254.0
    return abs(label.precision - expected) <= _PRECISION_TOLERANCE * expected + 1e-12
