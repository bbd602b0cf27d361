"""Options of a backend that computes on a Dask cluster, as they stand in config.yaml."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from stilt.errors import UsageError
from stilt.execution.backend import refuse_unknown
from stilt.execution.proxies import is_this_machine

NO_WORKERS_TIMEOUT_S = 600.0
QUEUE_TIMEOUT_S = 86_400.0
"""The same for cluster classes that are not this machine: their workers may wait in a queue."""

LOCAL_CLUSTER = "distributed.LocalCluster"
_HERE = (LOCAL_CLUSTER, "dask.distributed.LocalCluster")


def refuse_without_dask() -> None:
    """Stop when the optional packages are not installed.

    Raises:
        UsageError: says what to install.
    """
    if any(importlib.util.find_spec(name) is None for name in ("distributed", "prefect_dask")):
        raise UsageError(
            "The dask backend needs packages that are not installed: pip install 'stilt[dask]'."
        )


@dataclass(frozen=True)
class DaskOptions:
    """A Dask cluster to reach or to make.

    Attributes:
        address: of a scheduler; "" to make a cluster.
        cluster: class to make one with.
        cluster_options: its arguments.
        adapt: arguments of its method ``adapt``; none leaves the number of workers as it is.
        no_workers_timeout_s: how long a run waits while no worker is connected.
    """

    address: str = ""
    cluster: str = LOCAL_CLUSTER
    cluster_options: Mapping[str, Any] = field(default_factory=dict)
    adapt: Mapping[str, Any] = field(default_factory=dict)
    no_workers_timeout_s: float = NO_WORKERS_TIMEOUT_S

    @classmethod
    def read(cls, options: Mapping[str, Any]) -> Self:
        """Return the options that ``execution`` of a configuration has.

        Raises:
            UsageError: an unknown option, one that contradicts another, or one of a wrong kind.
        """
        known = ("address", "cluster", "cluster_options", "adapt", "no_workers_timeout")
        refuse_unknown("dask", options, known)
        given = {name: value for name, value in options.items() if value}
        others = [name for name in ("cluster", "cluster_options", "adapt") if name in given]
        if "address" in given and others:
            raise UsageError(
                f"The dask backend takes an address or a cluster to make, not both (execution): "
                f"remove address or {' and '.join(others)}."
            )
        for name in ("cluster_options", "adapt"):
            if not isinstance(given.get(name, {}), Mapping):
                raise UsageError(f"execution.{name} must be a mapping of options.")
        waits = options.get("no_workers_timeout")
        if waits is not None:
            timeout_s = _seconds(waits)
        else:
            queued = "address" not in given and given.get("cluster", LOCAL_CLUSTER) not in _HERE
            timeout_s = QUEUE_TIMEOUT_S if queued else NO_WORKERS_TIMEOUT_S
        return cls(
            str(given.get("address", "")),
            given.get("cluster", LOCAL_CLUSTER),
            dict(given.get("cluster_options", {})),
            dict(given.get("adapt", {})),
            timeout_s,
        )

    @property
    def on_this_machine(self) -> bool:
        """Whether all workers are on this machine, as far as the options tell."""
        return is_this_machine(self.address) if self.address else self.cluster in _HERE

    def arguments(self, n_workers: int) -> dict[str, Any]:
        """Return arguments of a task runner: of a cluster to reach, or to make with `n_workers`."""
        if self.address:
            return {"address": self.address}
        given = dict(self.cluster_options)
        if self.cluster == LOCAL_CLUSTER:
            given = {"threads_per_worker": 1, "dashboard_address": "127.0.0.1:0", **given}
        if not self.adapt:
            given.setdefault("n_workers", n_workers)
        return {
            "cluster_class": self.cluster,
            "cluster_kwargs": given,
            "adapt_kwargs": dict(self.adapt),
        }


def _seconds(length: Any) -> float:
    """Return a length of time, a number of seconds or a text such as ``30 min``, in seconds.

    Raises:
        UsageError: it is not a length of time.
    """
    import pandas as pd

    try:
        seconds = float(length)
    except (TypeError, ValueError):
        try:
            seconds = pd.Timedelta(length).total_seconds()
        except (TypeError, ValueError):
            seconds = 0.0
    if not 0.0 < seconds < math.inf:
        raise UsageError(
            f"execution.no_workers_timeout is '{length}', which is not a length of time: it takes "
            "seconds, or a text such as '30 min' or '2 h'."
        )
    return seconds
