"""`stilt demo`: synthetic weather, a run, a map, in a minute and without a network."""

from __future__ import annotations

from dataclasses import asdict

import click

from stilt.cli.common import json_option, print_json


@click.command(
    epilog="""\b
Examples:
  stilt demo ./demo
  stilt demo ./demo --n-workers 4
"""
)
@click.argument("directory", metavar="DIR")
@click.option("--n-workers", type=click.IntRange(min=1), default=2, help="Worker processes.  [2]")
@json_option
def demo(directory: str, n_workers: int, as_json: bool) -> None:
    """Write synthetic weather, a config and receptors into DIR, run them, draw a footprint."""
    from stilt.demo import run_demo

    console = None
    if as_json:
        from rich.console import Console

        console = Console(stderr=True)
    report = run_demo(directory, n_workers=n_workers, console=console)
    if as_json:
        print_json(asdict(report))
