"""How the transport is divided into calls for the device that JAX computes on."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax


class Device(NamedTuple):
    """How calls are sized for a device; nothing here changes what a particle does.

    Attributes:
        block: particles that are computed in lockstep; a multiple of it where ``grows``.
        most_blocks: most blocks in one call.
        grows: whether the blocks of a call are computed as a single one, as large as the sweep
            needs; otherwise one after another.
        minutes: most minutes that one call advances.
        stays: whether the particles of a sweep stay on the device. Otherwise they are on the host
            between calls, and a call takes those that move, sorted by height: neighbours then need
            similar numbers of sub-steps, and a block waits for its slowest particle.
        draws_per_layer: how many times random numbers are drawn, each time for several sub-steps,
            before particles go on to their next layers; with None, until all of a block can go on.
        memory_bytes: estimated memory of the particle tables that may be held at once.
    """

    block: int
    most_blocks: int
    grows: bool
    minutes: int
    stays: bool
    draws_per_layer: int | None
    memory_bytes: int

    @property
    def most_particles(self) -> int:
        """Most particles in one call."""
        return self.block * self.most_blocks

    def shape(self, particles: int) -> tuple[int, int]:
        """Return the particles of a block and of a call, in a sweep of so many particles."""
        if not self.grows:
            return self.block, self.most_particles
        blocks = min(max(1, -(-particles // self.block)), self.most_blocks)
        return self.block * blocks, self.block * blocks


# A call costs as much as some hundred particles, and what a block reads stays in the cache.
CPU = Device(
    block=128,
    most_blocks=32,
    grows=False,
    minutes=10,
    stays=False,
    draws_per_layer=None,
    memory_bytes=7 * 10**8,
)

# Each operation costs microseconds, and little more for a hundred thousand particles.
GPU = Device(
    block=32_768,
    most_blocks=8,
    grows=True,
    minutes=30,
    stays=True,
    draws_per_layer=2,
    memory_bytes=16 * 10**9,
)


def device() -> Device:
    """Return the device in use: that of JAX's context, else the one that JAX chooses."""
    chosen = _chosen()
    platform = jax.default_backend() if chosen is None else getattr(chosen, "platform", chosen)
    return CPU if platform == "cpu" else GPU


def what_computes() -> tuple[str, str]:
    """Return the kind of the present device, such as ``cpu`` or ``NVIDIA H200``, and JAX's version.

    With the same configuration, weather and seed, outputs of one kind and version have the same
    bytes; those of another kind or version agree within rounding.
    """
    chosen = _chosen()
    if chosen is None or isinstance(chosen, str):
        chosen = jax.local_devices(backend=chosen)[0]
    return chosen.device_kind, jax.__version__


def _chosen() -> Any:
    """Return the device or platform of JAX's context; None where JAX chooses."""
    return getattr(jax.config, "jax_default_device")  # noqa: B009  (unknown to type checkers)
