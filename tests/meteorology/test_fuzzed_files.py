"""Damaged ARL files give the right answer or one clear sentence; `make fuzz` tries a thousand."""

from __future__ import annotations

import numpy as np
import pytest

from stilt.meteorology.arl import read_analysis, read_index, scan_file
from stilt.meteorology.arl_checks import RecordChecks
from stilt.meteorology.arl_format import LABEL_BYTES, checksum, read_period_index
from tests import fuzz_weather
from tests.fuzz_weather import DAMAGES, try_copy, whole_files


@pytest.mark.parametrize("part", range(len(DAMAGES)), ids=[each.__name__ for each in DAMAGES])
def test_damage_is_said_or_does_no_harm(part, tmp_path):
    kinds = len(whole_files())
    for number in range(24):
        of_kind = number // kinds * len(DAMAGES) * kinds + part * kinds + number % kinds
        done, came = try_copy(1, of_kind, tmp_path)
        assert DAMAGES[part].__name__ in done
        assert not came.startswith("WRONG"), f"1:{of_kind} {done}: {came}"


def test_the_fuzzer_sees_numbers_that_are_silently_wrong(tmp_path, monkeypatch):
    monkeypatch.setattr(RecordChecks, "check", lambda self, *arguments: None)
    came = [try_copy(0, number, tmp_path)[1] for number in range(0, 24)]
    assert any(one.startswith("WRONG") for one in came)


@pytest.fixture
def plain(tmp_path):
    path = tmp_path / "20230714_00"
    path.write_bytes(whole_files()[0].content)
    return path


def test_checksums_of_a_rule_of_their_own_are_no_damage(plain):
    """As a program would write that sums otherwise."""
    whole = whole_files()[0]
    content = bytearray(whole.content)
    for offset, period in whole.periods:
        at = offset + LABEL_BYTES + 108
        for names in period.manifest:
            at += 8
            for _ in names:
                number = (int(content[at + 4 : at + 7]) + 7) % 250 + 1
                content[at + 4 : at + 7] = b"%3d" % number
                at += 8
    plain.write_bytes(content)
    for ref in read_index(plain):
        np.testing.assert_array_equal(
            read_analysis(ref).upper["UWND"], whole.analyses[ref.time].upper["UWND"]
        )


def test_levels_numbered_from_one_are_no_damage(plain):
    whole = whole_files()[0]
    content = bytearray(whole.content)
    for offset, period in whole.periods:
        for number, (level, _) in enumerate(period.records()):
            at = offset + (period.n_index_records + number) * period.record_bytes
            content[at + 10 : at + 12] = b"%2d" % (level + 1)
    plain.write_bytes(content)
    assert not scan_file(plain).damage
    for ref in read_index(plain):
        read_analysis(ref)


def test_the_checksum_is_the_writers(plain):
    with plain.open("rb") as handle:
        period = read_period_index(handle, 0)
        for number, expected in enumerate(period.checksums):
            handle.seek((period.n_index_records + number) * period.record_bytes + LABEL_BYTES)
            packed = handle.read(period.record_bytes - LABEL_BYTES)
            assert checksum(packed) == expected


def test_one_copy_can_be_tried_again():
    one, two = (fuzz_weather.damaged_copy(3, 17) for _ in range(2))
    assert one[2] == two[2]
    assert one[2] != one[0].content
