"""Vertical random flight through layers of constant turbulence, with horizontal drift inside.

The vertical velocity of a particle is an Ornstein-Uhlenbeck process whose strength and time scale
are constant between two internal levels (the values of the lower level). At a level the particle
is transmitted or reflected so that a well-mixed cloud stays well mixed (Thomson et al. 1997,
doi:10.1016/S1352-2310(96)00198-9).

A Langevin update decorrelates the velocity in part: some of it stays, the rest is replaced at
random. Updates follow each other at intervals, a fraction of the time scale but at most a half
step, and the velocity is constant in between, also across layer interfaces: of the interval until
its next update, a particle that crosses an interface keeps the share that is left. The first update
of a half step comes after a random share of the interval: the time of an update then depends on
neither the place of a particle nor its velocity, and a well-mixed cloud stays well mixed, whatever
the interval.

At a layer interface the speed is updated in addition, as if a whole interval had passed; the
direction is kept. Particles that reach an interface are the fast ones: in well-mixed air, speeds of
arrival have the density |w| exp(-w^2 / 2 sigma^2). A Langevin update alone would change it. So its
result is a proposal, taken with a probability that keeps this density (Metropolis et al. 1953,
doi:10.1063/1.1699114), and well-mixed air stays well mixed.

HYSPLIT updates the velocity at the beginning of a half step and at every layer interface, and takes
every result. This slows some of the fast particles at an interface, so particles accumulate there.
``layer_update`` does the same.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from stilt.meteorology.levels import InternalLevels
from stilt.transport.device import device
from stilt.transport.interpolation import BracketingAnalyses, Geometry, Nodes, level_height
from stilt.transport.random import mixed, normals, stream, uniform
from stilt.transport.turbulence_layers import (
    AirProfiles,
    Column,
    Layer,
    LevelWindow,
    column_at,
    layer_constants,
    layer_of,
    load_window,
    outside_window,
    turbulence_of,
    window_of,
)

HALF_STEP_S = 30.0

_TINY = 1e-9
_LEAST_LEFT_S = 1e-6
_DRAWN_TOGETHER = 4  # one call of the generator


class Flight(NamedTuple):
    """Flight of each particle in a half step; (particles,) unless said.

    Attributes:
        z: terrain-following height, metres.
        w: vertical velocity, m s-1, along the particle's own clock.
        layer: zero-based layer of the level list with the inserted level.
        remaining_s: time of the half step not used yet; negative while the particle waits: within
            a visit, at a level, to enter the next layer; otherwise until more levels are read.
        until_update_s: time until the next Langevin update, were the particle to stay in its layer.
        place: any position along x and y, cells, (2, particles), to which the horizontal drift is
            added. It is in single precision, so a large one rounds the drift of each sub-step.
        low_s: time spent under the influence height, seconds.
        draws: random numbers used so far, uint32.
    """

    z: Array
    w: Array
    layer: Array
    remaining_s: Array
    until_update_s: Array
    place: Array
    low_s: Array
    draws: Array


class Visit(NamedTuple):
    """The part of a :class:`Flight` that changes while a particle stays in one layer."""

    z: Array
    w: Array
    remaining_s: Array
    until_update_s: Array
    low_s: Array
    place: Array


class LangevinUpdate(NamedTuple):
    """Constants of the Langevin update while a particle stays in one layer; (particles,) each.

    Attributes:
        interval_s: time between two Langevin updates.
        memory: share of the velocity that a Langevin update keeps.
        noise: standard deviation of the random velocity it adds, m s-1.
    """

    interval_s: Array
    memory: Array
    noise: Array


class DrawnNumbers(NamedTuple):
    """Random numbers of a sub-step; (particles,) each.

    Attributes:
        normal: standard normal.
        passing, accepting: uniform, for transmission at an interface and for the speed there.
    """

    normal: Array
    passing: Array
    accepting: Array


class HalfResult(NamedTuple):
    """State after a half step, with its column and the last layer's turbulence."""

    flight: Flight
    column: Column
    window: LevelWindow
    sigma: Array
    time_scale: Array
    mass_kg_m2: Array


def half_step(
    analyses: BracketingAnalyses,
    geometry: Geometry,
    nodes: Nodes,
    time_weight: Array,
    air: AirProfiles,
    flight: Flight,
    normalised_velocity: Array,
    first_update: Array,
    keys: tuple[Array, Array, Array],
    *,
    direction: int,
    step_fraction: float,
    layer_update: bool,
    influence: float,
    wind_error: Array | None = None,
) -> HalfResult:
    """Fly every particle for ``flight.remaining_s`` seconds in one column.

    Args:
        analyses, geometry: the met fields.
        nodes: nodes around the column to use.
        time_weight: weight of the second analysis.
        air: wind, pressure and density on levels around the particle's height.
        flight: state; ``layer``, ``w`` and ``until_update_s`` are set here.
        normalised_velocity: w / sigma_w.
        first_update: random share of an interval before the first Langevin update.
        keys: two words of the receptor's key and the particle's number, uint32.
        direction: sign of time, for the horizontal drift.
        step_fraction: longest interval between Langevin updates, as a fraction of the time scale
            (TLFRAC).
        layer_update: update at the beginning and at layer interfaces, as HYSPLIT does;
            ``first_update`` is then not used.
        influence: depth of the influence layer: a fraction of the mixed layer up to 1, else
            metres above ground (VEGHT).
        wind_error: added to the wind of each particle's column, cells per minute,
            (particles * levels, 2).
    """
    column, mass = column_at(analyses, geometry, nodes, time_weight, influence)
    setting = _HalfStepSettings(geometry.levels, column, direction, layer_update)
    layer = layer_of(geometry.levels, flight.z, column.inserted)
    window = window_of(analyses, geometry, nodes, time_weight, air, wind_error)
    # Given in units of sigma and of the interval, as in a layer in which both are 1.
    flight = flight._replace(layer=layer, w=normalised_velocity, until_update_s=first_update)

    def visit(state: _InLayer, held: LevelWindow) -> _InLayer:
        now = state.flight
        entered = layer_constants(geometry, column.inserted, now.layer, held)
        update = _langevin_update(entered, step_fraction)
        flies = now.remaining_s > 0.0
        # Exactly unchanged in the same layer: how many visits there are depends on the neighbours.
        same = entered.sigma == state.sigma
        scaled = jnp.where(same, now.w, now.w * entered.sigma / state.sigma)
        until_update_s = now.until_update_s * (update.interval_s / state.interval_s)
        now = now._replace(
            w=jnp.where(flies, scaled, now.w),
            until_update_s=jnp.where(flies, until_update_s, now.until_update_s),
        )
        now = _leave(setting, now, entered, _stay(setting, now, entered, update, keys))
        return _InLayer(
            _wait(now, outside_window(geometry, column.inserted, now.layer, held)),
            jnp.where(flies, entered.sigma, state.sigma),
            jnp.where(flies, update.interval_s, state.interval_s),
        )

    def fly(state: tuple[_InLayer, LevelWindow]) -> tuple[_InLayer, LevelWindow]:
        now, held = state
        waits = now.flight.remaining_s < 0.0

        def reload() -> LevelWindow:
            # Only for those that need it: what a particle holds must not depend on its neighbours.
            fresh = load_window(
                analyses,
                geometry,
                nodes,
                time_weight,
                now.flight.layer,
                column.inserted,
                wind_error,
            )
            return LevelWindow(
                *(jnp.where(waits, new, old) for new, old in zip(fresh, held, strict=True))
            )

        held = jax.lax.cond(jnp.any(waits), reload, lambda: held)
        on = now.flight._replace(remaining_s=jnp.abs(now.flight.remaining_s))
        return jax.lax.while_loop(
            lambda state: jnp.any(state.flight.remaining_s > 0.0),
            lambda state: visit(state, held),
            now._replace(flight=on),
        ), held

    one = jnp.ones_like(flight.z)
    start = _wait(flight, outside_window(geometry, column.inserted, layer, window))
    (flight, sigma, _), window = jax.lax.while_loop(
        lambda state: jnp.any(state[0].flight.remaining_s != 0.0),
        fly,
        (_InLayer(start, one, one), window),
    )
    _, time_scale = turbulence_of(window, flight.layer, column.inserted)
    return HalfResult(flight, column, window, sigma, time_scale, mass)


class _InLayer(NamedTuple):
    """A flight, with the standard deviation (m s-1) and the interval of Langevin updates (s) of the
    layer that its velocity and the time to its next update refer to; (particles,) each."""

    flight: Flight
    sigma: Array
    interval_s: Array


def _wait(flight: Flight, which: Array) -> Flight:
    """Make these particles wait until more levels are read."""
    left = flight.remaining_s
    return flight._replace(remaining_s=jnp.where(which & (left > 0.0), -left, left))


class _HalfStepSettings(NamedTuple):
    """What all functions of a half step share."""

    levels: InternalLevels
    column: Column
    direction: int
    layer_update: bool


def _langevin_update(layer: Layer, step_fraction: float) -> LangevinUpdate:
    """Return how often a layer's velocity is updated, and how much of it an update replaces."""
    interval_s = jnp.minimum(step_fraction * layer.time_scale, HALF_STEP_S)
    memory = jnp.exp(-interval_s / layer.time_scale)
    return LangevinUpdate(interval_s, memory, jnp.sqrt(1.0 - memory * memory) * layer.sigma)


def _stay(
    setting: _HalfStepSettings,
    flight: Flight,
    layer: Layer,
    update: LangevinUpdate,
    keys: tuple[Array, Array, Array],
) -> tuple[Visit, Array]:
    """Fly inside the present layers until every particle has used its time or leaves, or for some
    sub-steps (:class:`~stilt.transport.device.Device`); a particle's path is the same either way.
    """

    def some(state: tuple[Visit, Array]) -> tuple[Visit, Array]:
        # Numbers are drawn ahead for several sub-steps: XLA would compute a number that a sub-step
        # used directly again for each of its results.
        visit, draws = state
        words = stream(keys, draws)
        bits = mixed(jnp.stack(words))
        drawn = DrawnNumbers(
            jnp.concatenate(normals(jnp.stack(words[:2]), jnp.stack(words[2:]))),
            uniform(bits),
            uniform(mixed(bits)),
        )
        used = (visit.remaining_s > 0.0).astype(jnp.uint32)
        # Unrolled: a loop of XLA on a CPU changes arrays in place, and then does not vectorise.
        for step in range(_DRAWN_TOGETHER):
            numbers = DrawnNumbers(*(number[step] for number in drawn))
            visit = _sub_step(setting, visit, layer, update, numbers)
        return visit, draws + used

    arrived = Visit(*(getattr(flight, name) for name in Visit._fields))
    state = (arrived, flight.draws)
    times = device().draws_per_layer
    if times is None:
        return jax.lax.while_loop(lambda now: jnp.any(now[0].remaining_s > 0.0), some, state)
    for _ in range(times):
        state = some(state)
    return state


def _sub_step(
    setting: _HalfStepSettings,
    visit: Visit,
    layer: Layer,
    update: LangevinUpdate,
    drawn: DrawnNumbers,
) -> Visit:
    """Fly to the next Langevin update, the end of the half step or a bound of the layer.

    A particle that reaches a bound ends exactly on it. Nothing changes for particles that have no
    time left or wait at a bound.
    """
    column = setting.column
    if setting.layer_update:
        visit = _update_at_start(visit, layer, update, drawn.normal)
    duration = jnp.maximum(jnp.minimum(visit.remaining_s, visit.until_update_s), 0.0)
    velocity = visit.w * column.stretch
    up = velocity > 0.0
    distance = jnp.abs(jnp.where(up, layer.upper, layer.lower) - visit.z)
    reach_s = distance / jnp.maximum(jnp.abs(velocity), _TINY)
    reaches = reach_s < duration
    used = jnp.minimum(reach_s, duration)
    z = jnp.clip(visit.z + velocity * duration, layer.lower, layer.upper)
    passes = reaches & (drawn.passing <= jnp.where(up, layer.pass_up, layer.pass_down))
    w = visit.w
    left = visit.remaining_s - used
    until_update_s = visit.until_update_s - used
    if setting.layer_update:
        w = jnp.where(reaches & ~passes, -w, w)
    else:
        updated = update.memory * w + update.noise * drawn.normal
        speed = speed_after_interface(w, updated, drawn.accepting)
        updates = until_update_s <= 0.0  # and nothing is reached: `used` would be less
        w = jnp.where(reaches, jnp.copysign(speed, jnp.where(passes, w, -w)), w)
        w = jnp.where(updates, updated, w)
        until_update_s = jnp.where(updates, update.interval_s, until_update_s)

    lowest = level_height(setting.levels, jnp.int32(0))
    minutes = used * jnp.minimum(z / lowest, 1.0) * (setting.direction / 60.0)
    share = jnp.clip(layer.share + layer.share_per_m * z, 0.0, 1.0)
    return Visit(
        z=z,
        w=w,
        remaining_s=jnp.where(passes, -jnp.maximum(left, _LEAST_LEFT_S), left),
        until_update_s=until_update_s,
        low_s=visit.low_s + jnp.where(z < column.influence_m, used, 0.0),
        place=visit.place + minutes * (layer.wind + share * layer.shear),
    )


def speed_after_interface(w: Array, updated: Array, accepting: Array) -> Array:
    """Return the speeds (m s-1) of particles that have reached an interface.

    That of a Langevin update is taken or not (Metropolis et al. 1953, with the density
    |w| exp(-w^2 / 2 sigma^2), to whose exponential the update is already reversible).

    Args:
        w, updated: velocities on arrival, and what a Langevin update makes of them, m s-1.
        accepting: uniform random numbers.
    """
    speed, proposed = jnp.abs(w), jnp.abs(updated)
    return jnp.where(accepting * speed < proposed, proposed, speed)


def _update_at_start(
    visit: Visit, layer: Layer, update: LangevinUpdate, random_normal: Array
) -> Visit:
    """Update the velocity for the sub-step to come, however short the last one was."""
    duration = jnp.clip(visit.remaining_s, 0.0, update.interval_s)
    memory = jnp.exp(-duration / layer.time_scale)
    noise = jnp.sqrt(1.0 - memory * memory) * layer.sigma
    return visit._replace(w=memory * visit.w + noise * random_normal, until_update_s=duration)


def _leave(
    setting: _HalfStepSettings, flight: Flight, layer: Layer, stay: tuple[Visit, Array]
) -> Flight:
    """Move the transmitted particles to the next layer."""
    visit, draws = stay
    passes = (visit.remaining_s < 0.0) & (flight.remaining_s > 0.0)
    step = jnp.where(visit.w > 0.0, 1, -1)
    return Flight(
        z=visit.z,
        w=visit.w,
        layer=flight.layer + jnp.where(passes, step, 0),
        remaining_s=jnp.where(passes, -visit.remaining_s, visit.remaining_s),
        until_update_s=visit.until_update_s,
        place=visit.place,
        low_s=visit.low_s,
        draws=draws,
    )
