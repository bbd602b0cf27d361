"""The counter-based generator: published answers, moments, and the open interval."""

import itertools

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import kstest

from stilt.transport.random import mixed, normals, stream, threefry, uniform

ONES = 0xFFFFFFFF
PI = (
    0x243F6A88,
    0x85A308D3,
    0x13198A2E,
    0x03707344,
    0xA4093822,
    0x299F31D0,
    0x082EFA98,
    0xEC4E6C89,
)


def words(*values: int) -> tuple[jnp.ndarray, ...]:
    return tuple(jnp.asarray([value], jnp.uint32) for value in values)


@pytest.mark.parametrize(
    ("rounds", "numbers", "answer"),
    [
        (13, (0,) * 8, (0x531C7E4F, 0x39491EE5, 0x2C855A92, 0x3D6ABF9A)),
        (13, (ONES,) * 8, (0xC4189358, 0x1C9CC83A, 0xD5881C67, 0x6A0A89E0)),
        (13, PI, (0x4AA71D8F, 0x734738C2, 0x431FC6A8, 0xAE6DEBF1)),
        (20, (0,) * 8, (0x9C6CA96A, 0xE17EAE66, 0xFC10ECD4, 0x5256A7D8)),
        (20, (ONES,) * 8, (0x2A881696, 0x57012287, 0xF6C7446E, 0xA16A6732)),
        (20, PI, (0x59CD1DBB, 0xB8879579, 0x86B5D00C, 0xAC8B6D84)),
    ],
)
def test_known_answers_of_random123(
    rounds: int, numbers: tuple[int, ...], answer: tuple[int, ...]
) -> None:
    found = threefry(words(*numbers[4:]), words(*numbers[:4]), rounds)
    assert tuple(int(word[0]) for word in found) == answer


def test_streams_of_one_particle_differ() -> None:
    identity, counter = words(1, 2, 3), words(4)[0]
    one, other = (stream(identity, counter, number) for number in (0, 1))
    assert all(int(a[0]) != int(b[0]) for a, b in zip(one, other, strict=True))


def test_uniform_never_reaches_its_ends_and_normal_is_finite() -> None:
    edges = jnp.asarray([0, 1, 511, 512, 2**31, ONES - 512, ONES - 1, ONES], jnp.uint32)
    values = np.asarray(uniform(edges))
    assert (values > 0.0).all()
    assert (values < 1.0).all()
    for pair in (normals(edges, edges), normals(edges, edges[::-1])):
        assert np.isfinite(np.asarray(pair)).all()


def bits(count: int) -> np.ndarray:
    number = jnp.arange(count, dtype=jnp.uint32)
    zero = jnp.zeros_like(number)
    return np.stack(stream((zero + 7, zero + 9, number), zero))


def test_moments_of_uniform_and_normal() -> None:
    count = 500_000
    every = [jnp.asarray(word) for word in bits(count)]
    made = [*normals(*every[:2]), *normals(*every[2:])]
    numbers = [np.asarray(values, np.float64) for values in made]
    sides = [np.asarray(uniform(mixed(word)), np.float64) for word in every]
    for n, u in zip(numbers, sides, strict=True):
        assert u.mean() == pytest.approx(0.5, abs=4.0 * np.sqrt(1 / 12 / count))
        assert u.var() == pytest.approx(1 / 12, rel=0.005)
        assert n.mean() == pytest.approx(0.0, abs=4.0 / np.sqrt(count))
        assert n.var() == pytest.approx(1.0, abs=4.0 * np.sqrt(2.0 / count))
        assert (n**3).mean() == pytest.approx(0.0, abs=4.0 * np.sqrt(15.0 / count))
        assert (n**4).mean() == pytest.approx(3.0, abs=4.0 * np.sqrt(96.0 / count))
        assert kstest(n, "norm").pvalue > 0.001
    together = np.corrcoef([*numbers, *(n * n for n in numbers), *sides])
    assert np.abs(together[~np.eye(len(together), dtype=bool)]).max() < 5.0 / np.sqrt(count)
    for n, other in itertools.product(numbers, numbers):
        assert abs(np.corrcoef(n[:-1], other[1:])[0, 1]) < 5.0 / np.sqrt(count)


def test_no_normal_is_further_out_than_its_bits_allow() -> None:
    smallest = jnp.zeros(1, jnp.uint32)
    farthest = np.hypot(*(float(value[0]) for value in normals(smallest, smallest)))
    assert farthest == pytest.approx(np.sqrt(2.0 * 25.0 * np.log(2.0)), rel=1e-5)
