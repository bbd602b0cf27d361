"""The `stilt` command, also as ``python -m stilt``."""

from __future__ import annotations

import os
import sys

EXIT_INTERRUPTED = 3


def main() -> None:
    """Run the command line and exit with its code; Ctrl-C during its imports is one line too."""
    _open_closed_streams()
    try:
        from stilt.cli import main as run
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        sys.exit(EXIT_INTERRUPTED)
    run()


def _open_closed_streams() -> None:
    """Give standard streams that are closed a file that takes nothing and gives nothing.

    Otherwise the next files and sockets become standard output and input of processes that this
    one starts.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest number that is free
    sys.stdin = sys.stdin or os.fdopen(0)
    sys.stdout = sys.stdout or os.fdopen(1, "w")
    sys.stderr = sys.stderr or os.fdopen(2, "w")


if __name__ == "__main__":
    main()
