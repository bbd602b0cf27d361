"""The lists that say which number of a prepared array is which field."""

import numpy as np
import pytest

from stilt.meteorology.fields import (
    AIR_FIELDS,
    COLUMN_FIELDS,
    SURFACE_FIELDS,
    TURBULENCE_FIELDS,
    slice_of,
)

LISTS = (COLUMN_FIELDS, TURBULENCE_FIELDS, AIR_FIELDS, SURFACE_FIELDS)


@pytest.mark.parametrize("fields", LISTS)
def test_a_slice_takes_the_fields_it_was_asked_for(fields: tuple[str, ...]) -> None:
    table = np.array(fields)
    for first in range(len(fields)):
        for end in range(first + 1, len(fields) + 1):
            names = fields[first:end]
            assert tuple(table[slice_of(fields, *names)]) == names


@pytest.mark.parametrize(
    "names",
    [("wind_x", "pressure_hpa"), ("wind_y", "wind_x"), ("variance_y", "vertical"), ("wind_z",)],
)
def test_fields_that_cannot_be_read_together_are_refused(names: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match=names[-1]):
        slice_of(COLUMN_FIELDS, *names)


def test_a_name_stands_for_one_field() -> None:
    names = [name for fields in LISTS for name in fields]
    assert len(set(names)) == len(names)
