"""The `stilt` command: one module per verb, each a short call of a public function."""

from __future__ import annotations

import atexit
import logging
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import NoReturn

import click

from stilt import __version__
from stilt.cli.array_worker import array_worker
from stilt.cli.check import check
from stilt.cli.common import EXIT_INTERRUPTED, Commands
from stilt.cli.compact import compact
from stilt.cli.completion import completion
from stilt.cli.demo import demo
from stilt.cli.deploy import deploy
from stilt.cli.doctor import doctor
from stilt.cli.explain import explain
from stilt.cli.export import export
from stilt.cli.init import init
from stilt.cli.migrate import migrate
from stilt.cli.observe import observe
from stilt.cli.plot import plot
from stilt.cli.pull_worker import pull_worker
from stilt.cli.push_worker import push_worker
from stilt.cli.rebuild import rebuild
from stilt.cli.register import register
from stilt.cli.report import report
from stilt.cli.run import run
from stilt.cli.serve import serve
from stilt.cli.status import status
from stilt.cli.submit import submit
from stilt.cli.ui import ui
from stilt.cli.weather import weather

EPILOG = """\b
Exit codes:
  0  all simulations complete (an empty footprint is complete)
  1  some simulations failed or are unfinished
  2  wrong usage or invalid input
  3  interrupted
"""


@click.group(
    cls=Commands,
    name="stilt",
    epilog=EPILOG,
    no_args_is_help=False,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="stilt")
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Where the air of a measurement came from, and which surface influenced it.

    \b
    Examples:
      stilt demo ./demo                  # synthetic weather, a run, a map
      stilt init ./case                  # starter config.yaml and receptors.csv
      stilt check ./case                 # is all the weather there?
      stilt run ./case --n-workers 4
      stilt status ./case
      stilt plot ./case                  # pictures of what came of it
      stilt report ./case                # all of it on one page
      stilt doctor                       # is this machine fit for it?
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


for command in (
    init,
    observe,
    check,
    run,
    status,
    explain,
    plot,
    report,
    export,
    migrate,
    weather,
    register,
    submit,
    array_worker,
    push_worker,
    pull_worker,
    serve,
    rebuild,
    compact,
    ui,
    deploy,
    demo,
    doctor,
    completion,
):
    cli.add_command(command)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit with its code."""
    codes: list[int] = []
    if arguments is None:
        # Registered first, called last. Python's own end takes 0.8 s after all that a run imports.
        atexit.register(_end_with, codes)
    try:
        cli.main(args=list(arguments) if arguments is not None else None, prog_name="stilt")
    except SystemExit as ended:
        if ended.code == EXIT_INTERRUPTED and "jax" in sys.modules:
            _end_at_once(EXIT_INTERRUPTED)
        if isinstance(ended.code, int):
            codes.append(ended.code)
        raise


def _end_with(codes: Sequence[int]) -> None:
    """End the process at once if the command line has ended with a code."""
    for code in codes:
        _end_at_once(code)


def _end_at_once(code: int) -> NoReturn:
    """End the process without Python's clean-up.

    Threads of JAX go on with a call that was interrupted; tearing down what they use makes the
    process crash now and then, with another exit code. Servers and workers have been ended by now.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)
