"""One atmosphere in every format; ``python -m benchmarks.parity.one_truth`` does it in full."""

import pytest

from benchmarks.parity.format_writers import KINDS
from benchmarks.parity.formats import CASES
from benchmarks.parity.one_truth import MEAN_BAR, compared

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("name", list(KINDS))
def test_air_goes_where_it_goes_in_arl_files_whatever_the_format(name, tmp_path):
    found = compared(name, KINDS[name], tmp_path, particles=50, seed=1, receptors=CASES)
    assert len(found) == len(CASES)
    assert (found["path km"] > 50.0).all()
    assert (found["mean, worst %"] <= MEAN_BAR).all(), found.to_string()
