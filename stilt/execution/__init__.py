"""Carrying out simulations: plan, batches, the engine and its crews, push, pull, backends.

Names are loaded when first used: the command line shows its help without a table library.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stilt.lazy import loader

if TYPE_CHECKING:
    from stilt.execution.backend import get_executor as get_executor
    from stilt.execution.batch import run_batch as run_batch
    from stilt.execution.engine import run_plan as run_plan
    from stilt.execution.plan import Batch as Batch
    from stilt.execution.plan import Plan as Plan
    from stilt.execution.plan import plan_batches as plan_batches
    from stilt.execution.plan import plan_run as plan_run
    from stilt.execution.pull import pull_simulations as pull_simulations
    from stilt.execution.push import push_simulations as push_simulations
    from stilt.execution.runs import Outcome as Outcome
    from stilt.execution.runs import Run as Run
    from stilt.execution.runs import SimulationsFailedError as SimulationsFailedError
    from stilt.execution.summary import BatchSummary as BatchSummary

_HOME = {
    "Batch": "plan",
    "BatchSummary": "summary",
    "Outcome": "runs",
    "Plan": "plan",
    "Run": "runs",
    "SimulationsFailedError": "runs",
    "get_executor": "backend",
    "plan_batches": "plan",
    "plan_run": "plan",
    "pull_simulations": "pull",
    "push_simulations": "push",
    "run_batch": "batch",
    "run_plan": "engine",
}

__all__ = [*sorted(_HOME)]

__getattr__ = loader(__name__, _HOME)
