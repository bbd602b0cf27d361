"""`stilt demo`: synthetic weather, a run, a map, in a minute and without a network."""

from __future__ import annotations

import click


@click.command(
    epilog="""\b
Examples:
  stilt demo ./demo
  stilt demo ./demo --n-workers 4
"""
)
@click.argument("directory", metavar="DIR")
@click.option("--n-workers", type=click.IntRange(min=1), default=2, help="Worker processes.  [2]")
def demo(directory: str, n_workers: int) -> None:
    """Write synthetic weather, a config and receptors into DIR, run them, draw a footprint."""
    from stilt.demo import run_demo

    run_demo(directory, n_workers=n_workers)
