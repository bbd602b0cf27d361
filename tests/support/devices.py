"""Cutting the transport's work as for another device than the one that there is."""

from collections.abc import Iterator
from contextlib import contextmanager

import jax
import pytest

from stilt.transport import (
    device_particles,
    dispersion,
    host_particles,
    sweep,
    transport_batch,
)
from stilt.transport.device import Device


@contextmanager
def computing_as(chosen: Device) -> Iterator[None]:
    """Cut work as for this device in a block."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (
            dispersion,
            device_particles,
            host_particles,
            sweep,
            transport_batch,
        ):
            patch.setattr(module, "device", lambda: chosen)
        jax.clear_caches()
        yield
    jax.clear_caches()
