"""Prepared weather that has been damaged on disk is noticed, discarded and computed again."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from damage import DAMAGE
from synthetic_weather import Laboratory, model_config, release

from stilt import digests
from stilt.meteorology.arl import read_analysis
from stilt.meteorology.prepared_store import PreparedStore
from stilt.transport.preparation import preparation

Damage = Callable[[Path], None]


@pytest.fixture(params=DAMAGE)
def damage(request: pytest.FixtureRequest) -> Damage:
    return DAMAGE[request.param]


@pytest.fixture
def prepared(lab: Laboratory) -> Path:
    """Folder with the prepared weather of one run, looked at by nobody since it was written."""
    lab.weather(({"UWND": 3.0}, {}), ({"UWND": 9.0}, {}))
    run(lab)
    another_process()
    return lab.folder / "prepared"


def another_process() -> None:
    """Forget what this process has looked at."""
    getattr(digests, "_known", {}).clear()


def run(lab: Laboratory) -> np.ndarray:
    (table,) = lab.run(release(100.0), numpar=20)
    return table.to_numpy()


@pytest.mark.parametrize("name", ["column", "turbulence", "air", "surface"])
def test_a_run_gives_the_same_numbers_and_says_what_happened(
    lab: Laboratory, prepared: Path, damage: Damage, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    expected = run(lab)
    another_process()
    for array in sorted(prepared.glob(f"*/{name}.npy")):
        damage(array)
    np.testing.assert_array_equal(run(lab), expected)
    assert sum("was damaged" in text for text in caplog.messages) == 2
    caplog.clear()
    another_process()
    np.testing.assert_array_equal(run(lab), expected)
    assert not caplog.messages


def test_damage_without_a_trace_in_the_files_date_is_noticed_by_the_next_process(
    lab: Laboratory, prepared: Path
) -> None:
    expected = run(lab)
    another_process()
    for array in prepared.glob("*/column.npy"):
        before = array.stat()
        array.write_bytes(array.read_bytes()[:128] + bytes(before.st_size - 128))
        os.utime(array, ns=(before.st_atime_ns, before.st_mtime_ns))
    np.testing.assert_array_equal(run(lab), expected)


def test_a_long_process_notices_what_happens_meanwhile(
    lab: Laboratory, prepared: Path, damage: Damage
) -> None:
    expected = run(lab)
    for array in prepared.glob("*/column.npy"):
        damage(array)
    np.testing.assert_array_equal(run(lab), expected)


def test_missing_arrays_and_other_things_in_their_place_are_replaced(
    lab: Laboratory, prepared: Path
) -> None:
    expected = run(lab)
    first, second = sorted(path for path in prepared.iterdir() if path.is_dir())
    shutil.rmtree(first)
    first.write_text("a file")
    (second / "air.npy").unlink()
    (second / "air.npy").mkdir()
    np.testing.assert_array_equal(run(lab), expected)
    for name in ("column.npy", "digests.json"):
        (second / name).unlink()
        np.testing.assert_array_equal(run(lab), expected)


@pytest.mark.parametrize("content", [b"", b"[]", b"null", b'{"column": 5}', b"\xff\xfe\x00"])
def test_digests_that_say_nothing_count_as_damage(
    lab: Laboratory, prepared: Path, content: bytes
) -> None:
    expected = run(lab)
    for note in prepared.glob("*/digests.json"):
        note.write_bytes(content)
    np.testing.assert_array_equal(run(lab), expected)
    assert all(note.read_bytes() != content for note in prepared.glob("*/digests.json"))


def test_an_array_is_read_for_its_digest_once_in_a_process(
    lab: Laboratory, prepared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []
    real = digests.zlib.crc32

    def counted(block: bytes, crc: int) -> int:
        read.append(1)
        return real(block, crc)

    monkeypatch.setattr(digests.zlib, "crc32", counted)
    store = PreparedStore(prepared, read_analysis)
    wanted = preparation(lab.refs, 0, model_config(), 0)
    store.get(*wanted)
    assert read
    read.clear()
    for _ in range(3):
        store.get(*wanted)
    assert not read
