"""Check that PYSTILT, which installs a package `stilt` too, is not in the same environment."""

from __future__ import annotations

import os
import sys
from functools import cache

_COMMANDS = ("stilt", "stilt.exe", "-m")
_EXIT_USAGE = 2


def pystilt_in(folder: str) -> str:
    """Return the name of PYSTILT's metadata folder inside `folder`, empty if there is none.

    Args:
        folder: directory into which packages are installed, for instance site-packages.
    """
    try:
        names = os.listdir(folder)
    except OSError:
        return ""
    found = (n for n in names if n.startswith("pystilt-") and n.endswith(".dist-info"))
    return next(found, "")


@cache
def refuse_pystilt() -> None:
    """Stop if PYSTILT is installed into the same folder as this package.

    pip lets both write into one folder `stilt`: files of the same name belong to whichever was
    installed last, and neither package is whole. If PYSTILT was last, `import stilt` runs its
    ``__init__.py``, but that imports ``stilt.config``, where our folder hides its ``config.py``:
    so this is called in both places.

    Raises:
        ImportError: PYSTILT is there; the text says what to do. The `stilt` command prints it
            and exits with code 2 instead.
    """
    package = os.path.dirname(os.path.abspath(__file__))
    found = pystilt_in(os.path.dirname(package))
    if not found:
        return
    version = found.removeprefix("pystilt-").removesuffix(".dist-info")
    message = (
        f"PYSTILT (pystilt {version}) is installed in the same environment as this stilt, and both "
        f"write their files into '{package}': use an environment for each, or run "
        "`pip uninstall pystilt` and then install this stilt again with "
        "`pip install --force-reinstall --no-deps`."
    )
    if os.path.basename(sys.argv[0] if sys.argv else "") in _COMMANDS:
        print(f"Error: {message}", file=sys.stderr)
        sys.exit(_EXIT_USAGE)
    raise ImportError(message)
