"""Carrying out simulations: plan, batches, push, pull, and the protocol of backends."""

from stilt.execution.backend import get_executor
from stilt.execution.batch import BatchSummary, run_batch
from stilt.execution.plan import Batch, plan_batches
from stilt.execution.pull import pull_simulations
from stilt.execution.push import fold_receipts, push_simulations

__all__ = [
    "Batch",
    "BatchSummary",
    "fold_receipts",
    "get_executor",
    "plan_batches",
    "pull_simulations",
    "push_simulations",
    "run_batch",
]
