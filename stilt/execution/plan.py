"""From simulation ids to batches: receptors near in time share weather, and so a batch."""

from __future__ import annotations

import itertools
import logging
import math
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING

from stilt.errors import StiltError, UsageError
from stilt.execution.forks import allowed_workers
from stilt.execution.limits import address_space_shortage, thread_shortage
from stilt.execution.lookup import receptors_of
from stilt.project.holders import MOST_RECEPTORS_CARRIED, Share
from stilt.project.receipts import now

if TYPE_CHECKING:
    from stilt.project.inputs import Project
    from stilt.receptors import Receptor

logger = logging.getLogger(__name__)

# A batch takes 0.4 s of a core beside its receptors, which take 0.2 to 0.6 s each.
BATCHES_PER_WORKER = 5
LARGEST_BATCH = 256
# A GPU with 15 helpers takes four minutes for these, as a core does for the largest of its own.
LARGEST_HELPED_BATCH = 12_288
MOST_BATCHES = 2000


@dataclass(frozen=True)
class Roles:
    """What the processes of a run are for.

    Attributes:
        transport: processes that take batches and follow their particles.
        helpers: processes beside each of these that make the files.
    """

    transport: int
    helpers: int = 0

    @classmethod
    def of(cls, n_workers: int, device: str) -> Roles:
        """Roles of so many processes; a GPU serves one at a time, which the others help.

        Args:
            n_workers: all of them.
            device: ``execution.device`` of the configuration.
        """
        return cls(1, n_workers - 1) if device == "gpu" else cls(n_workers)


@dataclass(frozen=True)
class Batch:
    """Simulations computed together.

    Attributes:
        id: unique within the project, usable as a file name.
        sim_ids: the simulations, by meteorology and time.
    """

    id: str
    sim_ids: tuple[str, ...]

    @property
    def label(self) -> str:
        """Name for people: the id of a single simulation, else first, last and number."""
        if len(self.sim_ids) == 1:
            return self.sim_ids[0]
        return f"{self.sim_ids[0]} .. {self.sim_ids[-1]} ({len(self.sim_ids)})"

    def halves(self) -> tuple[Batch, Batch]:
        """Two batches with half of the simulations each."""
        middle = len(self.sim_ids) // 2
        return (
            Batch(f"{self.id}a", self.sim_ids[:middle]),
            Batch(f"{self.id}b", self.sim_ids[middle:]),
        )


@dataclass(frozen=True)
class Plan:
    """What a run computes, cut into batches.

    Attributes:
        batches: of simulations, in the order in which they begin.
        roles: what the processes of the run are for.
        skip_existing: keep outputs that this configuration made; None asks the configuration.
        receptors: by simulation id, to travel with the batches; None lets workers ask the index.
        owner: holder of the claims on these simulations; "" when they were not claimed.
        scenes: that they belong to, as far as they were asked for.
        n_registered: all simulations of the project; 0 when they were not counted.
        stored: shards of the store with outputs of theirs, by simulation id, for those that have
            any; None lets workers ask the index.
        began: when the run was planned, UTC.
    """

    batches: tuple[Batch, ...]
    roles: Roles
    skip_existing: bool | None = None
    receptors: Mapping[str, Receptor] | None = None
    owner: str = ""
    scenes: tuple[str, ...] = ()
    n_registered: int = 0
    stored: Mapping[str, tuple[str, ...]] | None = None
    began: datetime = field(default_factory=now)

    @property
    def sim_ids(self) -> tuple[str, ...]:
        """The simulations, batch by batch."""
        return tuple(itertools.chain.from_iterable(batch.sim_ids for batch in self.batches))


def plan_run(
    project: Project,
    sim_ids: Iterable[str],
    n_workers: int,
    *,
    skip_existing: bool | None = None,
    all_known: bool = False,
    roles: Roles | None = None,
    owner: str = "",
    share: Share | None = None,
) -> Plan:
    """Plan a run of simulations of a project.

    DuckDB returns all free memory of a process to the system whenever it opens a file, and a
    worker needs it again at once: 4 % of a run of 128 receptors. So receptors travel with their
    batches, unless they are so many that they would fill the coordinator's memory: then batches
    are large and each worker asks the index.

    Args:
        project: whose simulations these are.
        sim_ids: what to compute; an id given twice counts once.
        n_workers: processes of the run.
        skip_existing: keep outputs that this configuration made; None asks the configuration.
        all_known: refuse ids whose receptor is not known; otherwise they fail one by one.
        roles: what the processes are for; None asks the configuration's device.
        owner: holder of the claims on these simulations.
        share: what the index said of these simulations when they were taken; None asks it.

    Raises:
        KeyError: with `all_known`, no receptor is known for an id.
    """
    ids = _in_order(sim_ids)
    receptors = None
    if all_known or len(ids) <= MOST_RECEPTORS_CARRIED:
        receptors = receptors_of(project, ids, None if share is None else share.receptors)
        missing = [sim_id for sim_id in ids if sim_id not in receptors]
        if all_known and missing:
            more = f" and {len(missing) - 1} more ids" if len(missing) > 1 else ""
            raise KeyError(f"No receptor is known for {missing[0]}{more}")
        if len(ids) > MOST_RECEPTORS_CARRIED:
            receptors = None
    device = project.config.execution.device
    roles = roles or Roles.of(n_workers, device)
    batches = tuple(plan_batches(ids, roles.transport, device, roles.helpers))
    plan = Plan(batches, roles, skip_existing, receptors, owner)
    if skip_existing is False:
        plan = replace(plan, stored={})
    elif receptors is not None:
        plan = replace(plan, stored=shards_at(project, ids))
    if share is None:
        return plan
    return replace(plan, scenes=share.scenes, n_registered=share.n_registered)


def plan_here(project: Project, share: Share, n_workers: int, skip_existing: bool | None) -> Plan:
    """Return a plan of the simulations in a share, cut for the processes of this machine.

    Warns when the system may not let that many processes start their threads, or use the memory.
    """
    project.require_folders()
    if project.remote is not None:
        project.remote.check(n_workers)
    workers = allowed_workers(n_workers)
    for shortage in filter(None, (thread_shortage(workers), address_space_shortage())):
        logger.warning("%s", shortage)
    return plan_run(project, share.mine, workers, skip_existing=skip_existing, share=share)


def plan_elsewhere(
    project: Project, share: Share, n_workers: int, skip_existing: bool | None
) -> Plan:
    """Return a plan of the simulations in a share, cut for workers that may each have a GPU."""
    if project.remote is not None:
        project.remote.check(2)
    roles = Roles(n_workers)
    return plan_run(
        project, share.mine, n_workers, skip_existing=skip_existing, roles=roles, share=share
    )


def shards_at(project: Project, sim_ids: Iterable[str]) -> Mapping[str, tuple[str, ...]] | None:
    """Return shards with outputs of simulations, as the index knows them; None if it does not."""
    if project.remote is None and not project.layout.store.is_dir():
        return {}
    try:
        return project.index.shards(list(sim_ids))
    except (FileNotFoundError, StiltError):
        return None


def batch_size(number: int, n_workers: int, device: str = "auto", n_helpers: int = 0) -> int:
    """Simulations per batch: many batches per worker, none too big, not too many in all.

    A GPU takes about as long for one receptor as for a whole share of them, and at the end of a
    batch its process waits for its helpers.
    """
    each = 1 if device == "gpu" else BATCHES_PER_WORKER
    largest = LARGEST_HELPED_BATCH if n_helpers else LARGEST_BATCH
    fair = math.ceil(number / (n_workers * each))
    return max(min(fair, largest), math.ceil(number / MOST_BATCHES), 1)


def batch_sizes(number: int, n_workers: int, device: str = "auto", n_helpers: int = 0) -> list[int]:
    """Simulations of each batch in turn.

    On CPUs with several workers the last batches get smaller, down to a quarter, so that no worker
    waits long for the one that ends last.
    """
    full = batch_size(number, n_workers, device, n_helpers)
    sizes = []
    left = number
    while left > 0:
        size = full
        if n_workers > 1 and device != "gpu":
            size = min(full, max(math.ceil(left / (2 * n_workers)), math.ceil(full / 4)))
        sizes.append(min(size, left))
        left -= size
    return sizes


def share_of(sim_ids: Iterable[str], share: int, n_shares: int) -> list[str]:
    """Return one of so many shares of simulations, which differ in size by one at most.

    Args:
        sim_ids: all of them, in any order.
        share: from 1 to `n_shares`.
        n_shares: of all.
    """
    ordered = _in_order(sim_ids)
    begin, end = (len(ordered) * number // n_shares for number in (share - 1, share))
    return ordered[begin:end]


def _in_order(sim_ids: Iterable[str]) -> list[str]:
    """Return distinct ids by meteorology and time, which their text begins with.

    Nothing is kept beside them: keys to sort a million by would take 250 MB.
    """
    return [sim_id for sim_id, _ in itertools.groupby(sorted(map(str, sim_ids)))]


def share_in_words(sim_ids: Iterable[str], words: str) -> list[str]:
    """Return the share of simulations that a text such as ``3/8`` asks for: see :func:`share_of`.

    Raises:
        UsageError: the text is not such a share.
    """
    first, _, last = words.partition("/")
    if not (first.isdigit() and last.isdigit() and 1 <= int(first) <= int(last)):
        raise UsageError(f"task is '{words}': it takes I/N with I from 1 to N, such as 3/8.")
    return share_of(sim_ids, int(first), int(last))


def plan_batches(
    sim_ids: Iterable[str], n_workers: int = 1, device: str = "auto", n_helpers: int = 0
) -> list[Batch]:
    """Cut simulations into batches, neighbours in time together.

    Args:
        sim_ids: what to compute; an id given twice counts once.
        n_workers: processes that will share the batches.
        device: ``execution.device`` of the configuration.
        n_helpers: of each; see :class:`Roles`.
    """
    ordered = _in_order(sim_ids)
    plan = secrets.token_hex(4)
    sizes = batch_sizes(len(ordered), n_workers, device, n_helpers)
    ends = itertools.accumulate(sizes, initial=0)
    return [
        Batch(f"{plan}-{number:05d}", tuple(ordered[start:end]))
        for number, (start, end) in enumerate(itertools.pairwise(ends))
    ]
