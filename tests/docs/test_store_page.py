"""A store is read without this package, as its page says."""

import re
from pathlib import Path

import duckdb
import numpy as np
import pytest
import stilt_fakes as fakes

import stilt
from stilt.execution import run_batch

PAGE = Path(__file__).resolve().parents[2] / "docs" / "pages" / "store.md"


@pytest.fixture
def block(tmp_path, faked, monkeypatch):
    """Code of the page by language, of a simulation that there is, beside the project."""
    config = fakes.config(output={"layout": "store"})
    model = stilt.Model(tmp_path / "case", receptors=fakes.receptors(3), config=config)
    ids = model.register_pending()
    run_batch(str(model.output_root), ids)
    monkeypatch.chdir(tmp_path)
    text = PAGE.read_text().replace("hrrr_202307151800_-111.85_40.77_30", ids[1])

    def of(language):
        recipes = text.partition("## Without this package")[2]
        found = re.search(rf"```{language}\n(.*?)```", recipes, re.S).group(1)
        assert len([line for line in found.splitlines() if line.strip()]) <= 8
        return found

    return of, model.footprints["default"][ids[1]]


def test_duckdb_reads_a_footprint(block):
    of, expected = block
    with duckdb.connect() as connection:
        found = connection.execute(of("sql")).df()
    cells = expected.data.sum("time").to_series()
    cells = cells[cells > 0]
    assert len(found) == len(cells)
    found = found.set_index(["lat", "lon"])["foot"].sort_index()
    np.testing.assert_allclose(found.to_numpy(), cells.sort_index().to_numpy(), rtol=1e-6)


def test_pandas_and_xarray_read_a_footprint(block):
    of, expected = block
    names: dict[str, object] = {}
    exec(of("python"), names)
    foot = names["foot"]
    assert foot.dims == ("time", "lat", "lon")
    whole = foot.reindex_like(expected.data, fill_value=0.0)
    np.testing.assert_array_equal(whole.values, expected.data.values)
