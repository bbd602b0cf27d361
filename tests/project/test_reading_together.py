"""Footprints of a store are read together, in whatever order they are asked for."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from stilt.execution import run_batch
from stilt.project.reading import locate, read_layers, read_parts
from stilt.reading_ahead import ahead
from stilt.store import shards, writer
from tests.project.test_store import STORE

TARGET = xr.Dataset(coords={"lat": np.arange(39.25, 42, 0.5), "lon": np.arange(-112.75, -110, 0.5)})
BINS = pd.date_range("2022-12-31", periods=49, freq="1h")


@pytest.fixture
def model(make_model, monkeypatch):
    """Twelve simulations in two shards, with few rows in a group and some groups read at once."""
    monkeypatch.setattr(writer, "GROUP_ROWS", 5)
    monkeypatch.setattr(shards, "TOGETHER_ROWS", 40)
    model = make_model(12, **STORE)
    ids = model.register_pending()
    # Neighbours in the order of names lie in different shards, and there in another order.
    for part in (ids[::2], ids[1::2]):
        run_batch(str(model.output_root), part[::-1])
    model.index.fold()
    return model


def located(model, ids):
    return locate(model.files, ids, "footprints", "default")


@pytest.mark.parametrize("step", [1, -1, 5])
def test_every_order_gives_the_footprints_that_are_asked_for(model, step):
    ids = np.roll(model.simulations.keys(), step)[::step].tolist()
    found = [
        (name, when, list(cells))
        for part in read_parts(located(model, ids))
        for name, when, *cells in zip(
            part.ids, part.times, np.split(part.counts, np.cumsum(part.layers)[:-1]), strict=True
        )
    ]
    singles = [read_layers(one) for one in located(model, ids)]
    assert [name for name, *_ in found] == [str(one.receptor.id) for one in singles]
    for (_, when, counts), one in zip(found, singles, strict=True):
        assert when == one.receptor.time.to_datetime64()
        np.testing.assert_array_equal(counts[0], np.diff(one.first_of_layers))


@pytest.mark.filterwarnings("ignore:.*go on into the next time bin")
def test_a_selection_has_the_rows_of_the_whole_to_the_last_bit(model):
    footprints = model.footprints["default"]
    whole = footprints.jacobian(TARGET, BINS)
    some = {"time_range": (whole.receptors["time"].iloc[3], whole.receptors["time"].iloc[8])}
    part = footprints.jacobian(TARGET, BINS, **some)
    rows = whole.receptors.index.get_indexer(part.receptors.index)
    assert 3 < len(rows) < 12
    np.testing.assert_array_equal(part.matrix.toarray(), whole.matrix.toarray()[rows])
    single = sum(one.data.sum("time") for one in footprints.load())
    np.testing.assert_allclose(footprints.sum(), single, rtol=1e-12)


def test_reading_ahead_keeps_order_passes_errors_and_reads_one_ahead():
    read = []

    def items():
        for number in range(5):
            read.append(number)
            yield number
        raise ValueError("the disk")

    found = []

    def take():
        for item in ahead(items()):
            found.append(item)
            assert len(read) <= item + 2

    with pytest.raises(ValueError, match="the disk"):
        take()
    assert found == list(range(5))
    assert list(ahead(iter([]))) == []
    # Whoever stops early is not kept waiting for the rest.
    assert next(ahead(iter(range(10**9)))) == 0
