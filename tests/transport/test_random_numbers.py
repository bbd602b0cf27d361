"""The counter-based generator: published answers, moments, and the open interval."""

import jax.numpy as jnp
import numpy as np
import pytest
from jax.extend.random import threefry_2x32
from scipy.stats import kstest

from stilt.transport.random import normal, threefry, uniform

ONES = 0xFFFFFFFF


def words(*values: int) -> list[jnp.ndarray]:
    return [jnp.asarray([value], jnp.uint32) for value in values]


@pytest.mark.parametrize(
    ("key", "counter", "answer"),
    [
        ((0, 0), (0, 0), (0x6B200159, 0x99BA4EFE)),
        ((ONES, ONES), (ONES, ONES), (0x1CB996FC, 0xBB002BE7)),
        ((0x13198A2E, 0x03707344), (0x243F6A88, 0x85A308D3), (0xC4923A9C, 0x483DF7A0)),
    ],
)
def test_known_answers_of_random123(
    key: tuple[int, int], counter: tuple[int, int], answer: tuple[int, int]
) -> None:
    found = threefry(*words(*key), *words(*counter))
    assert tuple(int(word[0]) for word in found) == answer


def test_same_bits_as_jax() -> None:
    rng = np.random.default_rng(0)
    key = rng.integers(0, 2**32, 2, dtype=np.uint32)
    counters = rng.integers(0, 2**32, (2, 1000), dtype=np.uint32)
    theirs = threefry_2x32(jnp.asarray(key), jnp.asarray(counters.ravel()))
    ours = threefry(jnp.uint32(key[0]), jnp.uint32(key[1]), *jnp.asarray(counters))
    np.testing.assert_array_equal(np.concatenate(ours), np.asarray(theirs))


def test_uniform_never_reaches_its_ends_and_normal_is_finite() -> None:
    edges = jnp.asarray([0, 1, 511, 512, 2**31, ONES - 512, ONES - 1, ONES], jnp.uint32)
    values = np.asarray(uniform(edges))
    assert (values > 0.0).all()
    assert (values < 1.0).all()
    assert np.isfinite(np.asarray(normal(edges))).all()


def bits(count: int) -> np.ndarray:
    number = jnp.arange(count, dtype=jnp.uint32)
    zero = jnp.zeros_like(number)
    return np.stack(threefry(zero + 7, zero + 9, number, zero))


def test_moments_of_uniform_and_normal() -> None:
    count = 500_000
    first, second = bits(count)
    for words_of in (first, second):
        u = np.asarray(uniform(jnp.asarray(words_of)), np.float64)
        n = np.asarray(normal(jnp.asarray(words_of)), np.float64)
        assert u.mean() == pytest.approx(0.5, abs=4.0 * np.sqrt(1 / 12 / count))
        assert u.var() == pytest.approx(1 / 12, rel=0.005)
        assert n.mean() == pytest.approx(0.0, abs=4.0 / np.sqrt(count))
        assert n.var() == pytest.approx(1.0, abs=4.0 * np.sqrt(2.0 / count))
        assert (n**3).mean() == pytest.approx(0.0, abs=4.0 * np.sqrt(15.0 / count))
        assert (n**4).mean() == pytest.approx(3.0, abs=4.0 * np.sqrt(96.0 / count))
        assert kstest(n[:50_000], "norm").pvalue > 0.001
    pair = np.corrcoef(np.asarray(first, np.float64), np.asarray(second, np.float64))[0, 1]
    assert abs(pair) < 4.0 / np.sqrt(count)
    serial = np.corrcoef(first[:-1].astype(float), first[1:].astype(float))[0, 1]
    assert abs(serial) < 4.0 / np.sqrt(count)
