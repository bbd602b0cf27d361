"""Private Prefect servers: one for the runs of a process in a project, until the process ends.

Starting one takes seconds, so a run launches it first and waits for it last.
"""

from __future__ import annotations

import os
from functools import cache
from importlib.metadata import version
from pathlib import Path

from flows.settings import OFFLINE
from stilt.execution.child_server import STARTUP_TIMEOUT_S, ChildServer, listen
from stilt.execution.database_template import DatabaseTemplate, ServerDatabase
from stilt.execution.living_servers import LivingServers
from stilt.execution.proxies import direct_variables

_SETTINGS = OFFLINE | {
    "PREFECT__SERVER_EPHEMERAL": "1",  # only the services that record runs, no scheduler
    "PREFECT__SERVER_FINAL": "1",
    "PREFECT_SERVER_UI_ENABLED": "false",
    "PREFECT_SERVER_UI_V2_ENABLED": "false",  # it calls elsewhere; see flows/server_app.py
    "PREFECT_SERVER_SERVICES_TRIGGERS_ENABLED": "false",
    "PREFECT_SERVER_LOGGING_LEVEL": "WARNING",
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "WARNING",
}

_MIGRATED_SETTINGS = {
    "PREFECT_API_DATABASE_MIGRATE_ON_START": "false",
    "PREFECT_API_BLOCKS_REGISTER_ON_START": "false",
}
"""For a database in which an earlier start of the same Prefect has done both."""


def state_directory(output_root: str | os.PathLike[str]) -> Path:
    """Return where a project's private Prefect server keeps its database and log."""
    return Path(output_root) / ".stilt" / "prefect"


@cache
def template() -> DatabaseTemplate:
    """Return the empty database of this Prefect; ``python -m flows.make_template`` makes one."""
    return DatabaseTemplate(f"prefect-{version('prefect')}.db", "alembic_version")


class PrivateServer(ChildServer):
    """A Prefect server of our own: launched at once, healthy later, gone with this process.

    Args:
        home: directory of its state, created when missing; on a local disk.
        ui: serve the web interface and all background services as well.
        port: TCP port on 127.0.0.1; 0 takes a free one.
    """

    def __init__(self, home: Path, *, ui: bool = False, port: int = 0) -> None:
        self.home = home.resolve()
        self.home.mkdir(parents=True, exist_ok=True)
        self.database = ServerDatabase(self.home, "prefect", version("prefect"), template())
        with self.database.starting(STARTUP_TIMEOUT_S):
            self._launch(ui, port)

    @property
    def url(self) -> str:
        """The address for PREFECT_API_URL."""
        return f"http://127.0.0.1:{self.port}/api"

    def _launch(self, ui: bool, port: int) -> None:
        listener = listen(port)
        self.port: int = listener.getsockname()[1]
        settings = _SETTINGS | {
            "PREFECT_HOME": str(self.home),
            "PREFECT_SERVER_DATABASE_CONNECTION_URL": f"sqlite+aiosqlite:///{self.database.path}",
        }
        if self.database.is_migrated:
            settings |= _MIGRATED_SETTINGS
        if ui:
            del settings["PREFECT__SERVER_EPHEMERAL"]
            settings["PREFECT_SERVER_UI_ENABLED"] = "true"
            settings["PREFECT_UI_API_URL"] = self.url
        super().__init__(
            listener,
            "flows.server_app:application",
            name="The private Prefect server",
            folder=self.home,  # settings in files of the current folder are the user's too
            variables=_environment_of_server() | direct_variables(self.url) | settings,
            health="/api/health",
            started=self.database.note_start,
        )

    @property
    def usable(self) -> bool:
        """Whether it runs, and its state has not been deleted or replaced."""
        return self.alive and (not self.ready or self.database.is_in_place)

    def stop(self, *, at_once: bool = False) -> None:
        """End the server; harmless when it has ended already.

        It is killed while it starts, but not while it migrates its database.
        """
        super().stop(at_once=at_once or (not self.ready and self.database.is_migrated))
        self.database.release()


SERVERS = LivingServers(PrivateServer)
"""Those of this process, by the folder of their state."""


def _environment_of_server() -> dict[str, str]:
    """Return our environment without the user's settings of Prefect, in any case of letters.

    A password, database, base path or plugin of the user's own server would keep the private one
    from starting, or its clients from being let in.
    """
    return {k: v for k, v in os.environ.items() if not k.upper().startswith("PREFECT_")}
