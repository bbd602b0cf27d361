"""SLURM's accounting on this machine alone: slurmdbd, and a MariaDB of its own."""

from __future__ import annotations

import getpass
import os
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

PROGRAMS = ("mariadb-install-db", "mariadbd", "mariadb", "slurmdbd", "sacctmgr", "sacct")
ACCOUNT = "science"
START_TIMEOUT_S = 60.0

# Read by slurmdbd beside slurm.conf, and by nobody else: it has a password.
CONFIGURATION = """\
DbdHost={host}
DbdAddr=127.0.0.1
DbdPort={port}
SlurmUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.sock
PidFile={folder}/slurmdbd.pid
LogFile={folder}/slurmdbd.log
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort={database_port}
StorageUser=slurm
StoragePass={password}
StorageLoc=slurm_accounts
"""
# As on most clusters: who has no account may not submit.
OF_CONTROLLER = """\
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort={port}
AccountingStoragePass={folder}/munge.sock
AccountingStorageEnforce=associations
"""

Run = Callable[..., str]


def lacking_programs() -> list[str]:
    """Return the programs of MariaDB and of SLURM's accounting that are not installed."""
    path = os.pathsep.join((os.environ["PATH"], "/usr/sbin"))
    return [name for name in PROGRAMS if shutil.which(name, path=path) is None]


class Accounting:
    """A database and slurmdbd, in the folder of a cluster.

    Args:
        folder: of the cluster, whose munge runs.
        host: name of this machine.
        port: of slurmdbd.
        database_port: of MariaDB.
    """

    def __init__(self, folder: Path, host: str, port: int, database_port: int) -> None:
        self.folder, self.database_port = folder, database_port
        self.of_controller = OF_CONTROLLER.format(port=port, folder=folder)
        self._password = secrets.token_hex(16)
        self._configuration = CONFIGURATION.format(
            host=host, port=port, database_port=database_port, folder=folder,
            password=self._password, user=getpass.getuser(),
        )  # fmt: skip
        self._database: subprocess.Popen[bytes] | None = None

    def start(self, run: Run) -> None:
        """Start both, and make an account with this user; slurm.conf is there already.

        Args:
            run: runs a command of SLURM in the environment of the cluster.
        """
        data, user = self.folder / "database", getpass.getuser()
        run(
            "mariadb-install-db", "--no-defaults", f"--datadir={data}", f"--user={user}",
            "--auth-root-authentication-method=normal", "--skip-test-db",
        )  # fmt: skip
        path = os.pathsep.join((os.environ["PATH"], "/usr/sbin"))
        socket = self.folder / "database.sock"
        with (self.folder / "database.log").open("wb") as log:
            self._database = subprocess.Popen(
                [
                    "mariadbd", "--no-defaults", f"--datadir={data}", f"--user={user}",
                    f"--socket={socket}", "--bind-address=127.0.0.1",
                    f"--port={self.database_port}", "--innodb-buffer-pool-size=32M",
                    "--innodb-flush-log-at-trx-commit=0",
                ],
                env={**os.environ, "PATH": path}, stdout=log, stderr=log,
            )  # fmt: skip
        # Root may come in through the socket alone, and SLURM with its password.
        sql = (
            f"CREATE USER slurm@127.0.0.1 IDENTIFIED BY '{self._password}'; "
            "GRANT ALL ON slurm_accounts.* TO slurm@127.0.0.1; "
            f"ALTER USER root@localhost IDENTIFIED BY '{self._password}'"
        )
        client = ("mariadb", "--no-defaults", f"--socket={socket}", "--user=root")
        until(lambda: run(*client, f"--execute={sql}"))
        configuration = self.folder / "slurmdbd.conf"
        configuration.touch(0o600)
        configuration.write_text(self._configuration)
        run("slurmdbd")
        until(lambda: run("sacctmgr", "--immediate", "add", "cluster", "stand"))
        run("sacctmgr", "--immediate", "add", "account", ACCOUNT)
        run("sacctmgr", "--immediate", "add", "user", user, f"account={ACCOUNT}")

    def stop(self) -> None:
        """End the database; slurmdbd has ended."""
        if self._database is not None:
            self._database.send_signal(signal.SIGTERM)
            self._database.wait(timeout=60)


def until(attempt: Callable[[], object]) -> None:
    """Call something until it works.

    Raises:
        RuntimeError: of its last attempt, after a minute.
    """
    deadline = time.monotonic() + START_TIMEOUT_S
    while True:
        try:
            attempt()
        except RuntimeError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.3)
        else:
            return
