"""The `stilt` command, also as ``python -m stilt``."""

from __future__ import annotations

import sys

EXIT_INTERRUPTED = 3


def main() -> None:
    """Run the command line and exit with its code; Ctrl-C during its imports is one line too."""
    try:
        from stilt.cli import main as run
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        sys.exit(EXIT_INTERRUPTED)
    run()


if __name__ == "__main__":
    main()
