"""JAX's strict rules for types, as a fixture that a conftest imports by name."""

from collections.abc import Iterator

import jax
import pytest


@pytest.fixture(autouse=True, scope="module")
def strict_promotion() -> Iterator[None]:
    """Refuse operations on two types: the rule that picks the result's would widen silently.

    Set for the whole process and not for a thread, since some of the transport runs in threads.
    """
    before = jax.config.jax_numpy_dtype_promotion
    jax.config.update("jax_numpy_dtype_promotion", "strict")
    yield
    jax.config.update("jax_numpy_dtype_promotion", before)
