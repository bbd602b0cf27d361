"""What state a simulation is in: the one definition of complete, stale, pending and failed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, get_args

from stilt.project.keys import Expectation, parse_footprint_keys
from stilt.project.owners import is_dead

State = Literal["pending", "stale", "running", "complete", "failed"]
STATES: tuple[State, ...] = get_args(State)


class Recorded(NamedTuple):
    """What the index holds about simulations that are alike; few distinct ones exist."""

    met: str
    state: str
    transport_key: str | None
    error_key: str | None
    footprint_keys: str | None
    owner: str | None
    outdated: str | None = None


class Alike(NamedTuple):
    """Simulations that are alike.

    Attributes:
        recorded: what the index holds about them.
        reason: why they failed.
        number: of simulations.
        device, jax: what computed their particles.
    """

    recorded: Recorded
    reason: str | None
    number: int
    device: str | None = None
    jax: str | None = None

    @property
    def made_by(self) -> str:
        """What computed their outputs, for a person; "" without outputs, and when unknown."""
        recorded = self.recorded
        if not self.device or not (recorded.transport_key or recorded.footprint_keys):
            return ""
        return f"{self.device}, JAX {self.jax}"


class Failed(NamedTuple):
    """A simulation that failed, its typed reason, and one sentence."""

    sim_id: str
    reason: str
    detail: str


# Receptors registered as a scene are meant to be beside those of receptors.csv.
UNLISTED = (
    "(s.scene_id IS NULL AND s.generation IS DISTINCT FROM "
    "(SELECT max(generation) FROM simulations))"
)
"""SQL condition on simulations ``s``: the last registration did not have their receptor."""

RECORDED_COLUMNS = ", ".join(Recorded._fields)


def state_of(recorded: Recorded, expected: Mapping[str, Expectation] | None) -> State:
    """State of a simulation, from what is recorded and what the configuration asks for.

    Complete means that every expected output exists and was made by this configuration and from
    the weather that its files hold; stale, that one was not; running, that a process which lives
    holds it.

    Args:
        recorded: columns of the view that :func:`stilt.project.records.show_present` makes.
        expected: outputs per meteorology; None believes the recorded state.
    """
    if recorded.state == "running" and not is_dead(recorded.owner):
        return "running"
    outputs = _outputs(recorded, expected)
    if outputs == "complete":
        return "complete"
    if recorded.state == "failed":
        return "failed"
    return outputs


def _outputs(recorded: Recorded, expected: Mapping[str, Expectation] | None) -> State:
    """Complete, stale or pending, going by the outputs alone."""
    if expected is None:
        return "complete" if recorded.state == "complete" else "pending"
    wanted = expected.get(recorded.met)
    if wanted is None:
        return "complete" if recorded.state == "complete" else "pending"
    footprints, _ = parse_footprint_keys(recorded.footprint_keys)
    pairs = [(footprints.get(name), key) for name, key in wanted.footprints.items()]
    if wanted.keeps_particles:
        pairs.append((recorded.transport_key, wanted.transport))
        if wanted.error is not None:
            pairs.append((recorded.error_key, wanted.error))
    if all(wanted.is_met(have, want) for have, want in pairs):
        return "stale" if recorded.outdated else "complete"
    others = any(have and not wanted.is_met(have, want) for have, want in pairs)
    return "stale" if others else "pending"


@dataclass
class Counts:
    """How many simulations are in which state.

    ``total = completed + running + pending + failed`` always holds.

    Attributes:
        stale: pending ones whose outputs another configuration, or other weather, made.
        empty: completed ones all of whose footprints are zero.
        reasons: failed ones by typed reason.
        made_by: those with outputs by what computed these, such as ``cpu, JAX 0.10.2``.
    """

    total: int = 0
    completed: int = 0
    running: int = 0
    pending: int = 0
    failed: int = 0
    stale: int = 0
    empty: int = 0
    reasons: dict[str, int] = field(default_factory=dict)
    made_by: dict[str, int] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return dict(vars(self))

    def __str__(self) -> str:
        names = ("total", "completed", "running", "pending", "failed")
        return "  ".join(f"{name}={getattr(self, name)}" for name in names)


def count_states(
    groups: Iterable[Alike],
    expected: Mapping[str, Expectation] | None,
) -> Counts:
    """Count groups of alike simulations.

    Args:
        groups: simulations that are alike.
        expected: as in :func:`state_of`.
    """
    totals: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    makers: Counter[str] = Counter()
    empty = 0
    for group in groups:
        recorded, reason, number, *_ = group
        makers[group.made_by] += number
        state = state_of(recorded, expected)
        totals[state] += number
        if state == "failed":
            reasons[reason or "UNKNOWN"] += number
        if state == "complete":
            keys, zero = parse_footprint_keys(recorded.footprint_keys)
            empty += number if keys and len(zero) == len(keys) else 0
    return Counts(
        total=totals.total(),
        completed=totals["complete"],
        running=totals["running"],
        pending=totals["pending"] + totals["stale"],
        failed=totals["failed"],
        stale=totals["stale"],
        empty=empty,
        reasons=dict(sorted(reasons.items())),
        made_by={maker: number for maker, number in makers.most_common() if maker},
    )
