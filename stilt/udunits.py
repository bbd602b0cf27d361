"""UDUNITS without its own lines on stderr: what it cannot read is an exception, said once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet_udunits() -> Iterator[None]:
    """Keep UDUNITS from printing in a block, or in a function that this decorates."""
    from cf_units import suppress_errors

    with suppress_errors():
        yield
