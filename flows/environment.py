"""Prefect's environment for a run: silent, offline, and pointed at one API.

Prefect reads its settings when it is imported, so nothing here imports it.
"""

from __future__ import annotations

import atexit
import logging
import os
import shutil
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Any

OFFLINE = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
    "PREFECT_TELEMETRY_ENABLE_RESOURCE_METRICS": "false",
}
"""Nothing is sent anywhere, unless the user has set one of these variables otherwise."""

QUIET_CONSOLE = {"PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL"}
"""Prefect's records still reach its API; the terminal is left to our own lines."""


def without_logging_errors() -> None:
    """Leave it unsaid in this process when a record of the log cannot be handed to Prefect.

    On a full disk each record would put lines of its own on the terminal, above the one sentence
    that says what is wrong. For processes that are ours: it is a setting of all logging in them.
    """
    logging.raiseExceptions = False


class OwnLines(logging.Handler):
    """Shows warnings of this package on stderr where no handler of all logging would.

    Prefect gives the root logger one for the terminal, which :data:`QUIET_CONSOLE` silences.
    """

    def emit(self, record: logging.LogRecord) -> None:
        """Print the message of a record."""
        if not any(handler.level <= record.levelno for handler in logging.getLogger().handlers):
            print(record.getMessage(), file=sys.stderr)


def show_own_lines() -> None:
    """Let warnings of this package reach the terminal, once for each process."""
    own = logging.getLogger(__package__)
    if not any(isinstance(handler, OwnLines) for handler in own.handlers):
        own.addHandler(OwnLines(logging.WARNING))


def quiet_prefect() -> None:
    """Fill in settings for an offline, quiet Prefect; variables that the user has set stay.

    In the process of a deployment the console is where a worker's logs are read, so it keeps
    its level there.
    """
    deployed = "PREFECT__FLOW_RUN_ID" in os.environ
    for name, value in (OFFLINE if deployed else OFFLINE | QUIET_CONSOLE).items():
        os.environ.setdefault(name, value)
    _give_prefect_a_home()
    if not deployed:
        show_own_lines()


def _give_prefect_a_home() -> None:
    """Name an empty temporary folder as Prefect's home where its own cannot be used.

    Importing Prefect fails without a home folder of the user, and when it may not look into it;
    it warns of one in which it cannot make its folder.
    """
    try:
        home = Path(os.environ.get("PREFECT_HOME") or Path.home() / ".prefect").expanduser()
        known = True
    except RuntimeError:  # the user has no entry in the system's list, and HOME is not set
        home, known = Path(os.sep), False
    there = os.path.exists(home) and os.access(home, os.R_OK | os.X_OK)
    if known and (there or os.access(home.parent, os.W_OK | os.X_OK)):
        return
    folder = tempfile.mkdtemp(prefix="stilt-prefect-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    os.environ["PREFECT_HOME"] = folder
    if not known:
        os.environ["HOME"] = folder


def user_api_url() -> str | None:
    """The Prefect API that the user has chosen, or None.

    Looked for where Prefect looks, in its order: the environment, ``.env``, ``prefect.toml``,
    ``pyproject.toml``, the active profile. Once Prefect is imported, its own answer counts.
    """
    if "prefect.settings" in sys.modules:
        from prefect.settings import get_current_settings

        return os.environ.get("PREFECT_API_URL") or get_current_settings().api.url or None
    return (
        os.environ.get("PREFECT_API_URL")
        or _dotenv(Path(".env")).get("PREFECT_API_URL")
        or _toml(Path("prefect.toml"), "api").get("url")
        or _toml(Path("pyproject.toml"), "tool", "prefect", "api").get("url")
        or _profile().get("PREFECT_API_URL")
        or None
    )


def _profile() -> dict[str, Any]:
    home = Path(os.environ.get("PREFECT_HOME") or "~/.prefect").expanduser()
    path = Path(os.environ.get("PREFECT_PROFILES_PATH") or home / "profiles.toml").expanduser()
    text = _toml(path)
    active = os.environ.get("PREFECT_PROFILE") or text.get("active", "")
    profile: dict[str, Any] = text.get("profiles", {}).get(active, {})
    return profile


def _toml(path: Path, *tables: str) -> dict[str, Any]:
    """The content of a TOML file, or of a table in it; empty when there is none to read."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError):
        return {}
    for table in tables:
        content = content.get(table, {})
    return content


def _dotenv(path: Path) -> dict[str, str]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError:
        return {}
    pairs = (line.removeprefix("export ").partition("=") for line in lines if "=" in line)
    return {name.strip(): value.strip().strip("\"'") for name, _, value in pairs}
