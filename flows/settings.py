"""Prefect as a run of ours needs it: offline, quiet, with a home folder; afterwards as it was."""

from __future__ import annotations

import atexit
import importlib
import logging
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

from stilt.execution.environment import environment
from stilt.notices import OwnLines

OFFLINE = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
    "PREFECT_TELEMETRY_ENABLE_RESOURCE_METRICS": "false",
}
"""Nothing is sent anywhere, unless the user has set one of these variables otherwise."""

_CONSOLE_LEVEL = "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL"

_loaded_here = False


def offline() -> dict[str, str]:
    """Return variables of a run's processes: of :data:`OFFLINE`, those the user has not set."""
    unset = {name: value for name, value in OFFLINE.items() if name not in os.environ}
    return unset | _home_of_prefect()


def load_prefect() -> None:
    """Import Prefect with the user's own settings, and remember that this package imported it.

    :func:`our_prefect` keeps Prefect's lines off the terminal where the user did not import it.
    """
    global _loaded_here
    if "prefect.main" not in sys.modules:
        _loaded_here = True
        with environment({"DO_NOT_TRACK": "1"} | _home_of_prefect()):
            importlib.import_module("prefect.main")


@contextmanager
def our_prefect() -> Iterator[None]:
    """Have Prefect offline for a block of code and the processes started in it, and quiet.

    A user who has imported Prefect still sees its lines: in a notebook that runs flows of its
    own, and in the process of a deployment, whose console is where a worker's logs are read.
    """
    load_prefect()
    with environment(offline()):
        if not _loaded_here or _CONSOLE_LEVEL in os.environ:
            yield
            return
        with environment({_CONSOLE_LEVEL: "CRITICAL"}), _quiet_console():
            yield


@contextmanager
def prefect_with(changes: Mapping[str, object]) -> Iterator[None]:
    """Have other values of some of Prefect's settings in this context during a block.

    Prefect's own ``temporary_settings`` validates all of its settings again, which takes 40 ms.

    Args:
        changes: values, of the types that Prefect's models have, by paths such as
            ``client.max_retries``.
    """
    from prefect.context import SettingsContext, get_settings_context

    outer = get_settings_context()
    settings = outer.settings
    for path, value in changes.items():
        settings = _changed(settings, path.split("."), value)
    with SettingsContext(profile=outer.profile, settings=settings):
        yield


def _changed(settings: Any, path: Sequence[str], value: object) -> Any:
    """Return a copy of settings, or of a group of them, with one value changed."""
    name, *below = path
    if below:
        value = _changed(getattr(settings, name), below, value)
    return settings.model_copy(update={name: value})


@contextmanager
def _quiet_console() -> Iterator[None]:
    """Keep Prefect's records off the terminal; they still reach its API.

    Prefect gives the root logger its handler for the terminal, so that warnings of this package
    need one of their own.
    """
    from prefect.logging.handlers import PrefectConsoleHandler

    root, own = logging.getLogger(), logging.getLogger(__package__)
    consoles = [each for each in root.handlers if isinstance(each, PrefectConsoleHandler)]
    levels = [console.level for console in consoles]
    shown = OwnLines(logging.WARNING)
    for console in consoles:
        console.setLevel(logging.CRITICAL)
    own.addHandler(shown)
    try:
        yield
    finally:
        own.removeHandler(shown)
        for console, level in zip(consoles, levels, strict=True):
            console.setLevel(level)


def without_logging_errors() -> None:
    """Do not print errors of logging itself in this process, which must be ours.

    On a full disk each record would print a traceback above the one sentence that says what is
    wrong.
    """
    logging.raiseExceptions = False


def _home_of_prefect() -> dict[str, str]:
    """Return variables that name a temporary home for Prefect where its own cannot be used.

    Importing Prefect fails without a readable home folder of the user, and warns where it cannot
    make its own folder there.
    """
    home = Path(os.path.expanduser(os.environ.get("PREFECT_HOME") or "~/.prefect"))
    if os.access(home, os.R_OK | os.X_OK) or os.access(home.parent, os.W_OK | os.X_OK):
        return {}
    own = {"PREFECT_HOME": _temporary_home()}
    # Without HOME, and an entry in the system's list of users, a user has no home folder at all.
    return own | {"HOME": _temporary_home()} if home.parts[0] == "~" else own


@cache
def _temporary_home() -> str:
    folder = tempfile.mkdtemp(prefix="stilt-prefect-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def user_api_url() -> str | None:
    """Return the Prefect API that the user's Prefect settings name, or None.

    Importing these settings takes a second: where no variable and no file names an API they are
    not imported.
    """
    if chosen := os.environ.get("PREFECT_API_URL"):
        return chosen
    if "prefect.settings" not in sys.modules and not _may_be_named():
        return None
    with environment({"DO_NOT_TRACK": "1"} | _home_of_prefect()):
        from prefect.settings import get_current_settings
    return get_current_settings().api.url or None


def _may_be_named() -> bool:
    """Return whether a place that Prefect reads its settings from mentions an API."""
    home = os.environ.get("PREFECT_HOME") or "~/.prefect"
    profiles = os.environ.get("PREFECT_PROFILES_PATH") or os.path.join(home, "profiles.toml")
    places = {".env": "prefect", "prefect.toml": "", "pyproject.toml": "prefect"}
    for name, word in {**places, os.path.expanduser(profiles): "prefect_api_url"}.items():
        with suppress(OSError):
            if word in Path(name).read_text(encoding="utf-8", errors="replace").lower():
                return True
    return any(name.upper() == "PREFECT_API_URL" and os.environ[name] for name in os.environ)
