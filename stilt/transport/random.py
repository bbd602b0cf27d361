"""Counter-based random numbers: each particle's stream depends on nothing but its own identity.

Threefry-4x32 with 13 rounds (Salmon et al. 2011, doi:10.1145/2063384.2063405; 12 pass all their
tests), written elementwise, so that the numbers of a particle do not depend on which particles are
computed beside it.
"""

from __future__ import annotations

import math

import jax.numpy as jnp
from jax import Array

Words = tuple[Array, Array, Array, Array]

_ROTATIONS = ((10, 26), (11, 21), (13, 27), (23, 5), (6, 20), (17, 11), (25, 10), (18, 20))
_PARITY = 0x1BD11BDA
_ROUNDS = 13
_ROUNDS_BETWEEN_KEYS = 4
_INVERSE_2_23 = 1.0 / 8_388_608.0
_INVERSE_2_24 = _INVERSE_2_23 / 2.0
_SINE = (1.0, -0.1666666664, 0.0083333315, -0.0001984090, 0.0000027526)
_COSINE = (1.0, -0.4999999963, 0.0416666418, -0.0013888397, 0.0000247609, -0.0000002605)


def stream(
    identity: tuple[Array, Array, Array], counter: Array, number_of_stream: int = 0
) -> Words:
    """Draw random words of one of a particle's streams.

    Args:
        identity: two words of the receptor's key and the particle's number, uint32.
        counter: which four words of the stream, uint32 of the same shape.
        number_of_stream: 32 bits that tell streams of one particle apart.
    """
    zero = jnp.zeros_like(counter)
    which = jnp.full_like(counter, number_of_stream)
    return threefry((*identity, which), (counter, zero, zero, zero))


def threefry(key: Words, counter: Words, rounds: int = _ROUNDS) -> Words:
    """Compute four words of 32 random bits per element; all arguments are uint32 of one shape."""
    keys = [*key, key[0] ^ key[1] ^ key[2] ^ key[3] ^ jnp.uint32(_PARITY)]
    x = [word + start for word, start in zip(counter, key, strict=True)]
    for done in range(rounds):
        pairs = ((0, 1), (2, 3)) if done % 2 == 0 else ((0, 3), (2, 1))
        for (left, right), rotation in zip(pairs, _ROTATIONS[done % 8], strict=True):
            x[left] = x[left] + x[right]
            turned = (x[right] << jnp.uint32(rotation)) | (x[right] >> jnp.uint32(32 - rotation))
            x[right] = turned ^ x[left]
        if (done + 1) % _ROUNDS_BETWEEN_KEYS == 0:
            turn = (done + 1) // _ROUNDS_BETWEEN_KEYS
            x = [word + keys[(turn + place) % 5] for place, word in enumerate(x)]
            x[3] = x[3] + jnp.uint32(turn)
    return x[0], x[1], x[2], x[3]


def mixed(bits: Array) -> Array:
    """Compute another word from 32 random bits, related to them by no simple rule.

    The finalizer of MurmurHash3 (Appleby, public domain), a bijection in which every bit of the
    result depends on all bits given. For a second number beside :func:`normals` of the same bits.
    """
    bits = (bits ^ (bits >> jnp.uint32(16))) * jnp.uint32(0x85EBCA6B)
    bits = (bits ^ (bits >> jnp.uint32(13))) * jnp.uint32(0xC2B2AE35)
    return bits ^ (bits >> jnp.uint32(16))


def uniform(bits: Array) -> Array:
    """Compute uniform float32 in (0, 1) from 32 random bits."""
    return ((bits >> jnp.uint32(9)).astype(jnp.float32) + 0.5) * jnp.float32(_INVERSE_2_23)


def normals(size_bits: Array, angle_bits: Array) -> tuple[Array, Array]:
    """Compute two independent standard normal float32 from two words of random bits.

    By Box and Muller (1958, doi:10.1214/aoms/1177706645), sine and cosine by formulas 4.3.97 and
    4.3.99 of Abramowitz and Stegun (1964), in error by at most 2e-9. 24 bits give the size, at
    most 5.9, 23 an angle in the right half plane, and one the sign of the cosine.
    """
    tail = ((size_bits >> jnp.uint32(8)).astype(jnp.float32) + 0.5) * jnp.float32(_INVERSE_2_24)
    size = jnp.sqrt(-2.0 * jnp.log(tail))
    angle = (uniform(angle_bits) - 0.5) * jnp.float32(math.pi)
    square = angle * angle
    sine = angle * _polynomial(square, _SINE)
    cosine = _polynomial(square, _COSINE)
    right = (angle_bits & jnp.uint32(1)) == 0
    return size * sine, size * jnp.where(right, cosine, -cosine)


def _polynomial(x: Array, coefficients: tuple[float, ...]) -> Array:
    value = jnp.full_like(x, coefficients[-1])
    for coefficient in coefficients[-2::-1]:
        value = value * x + coefficient
    return value
