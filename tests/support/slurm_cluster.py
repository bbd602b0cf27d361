"""A real SLURM on this machine alone: its daemons with ports, keys and folders of their own."""

from __future__ import annotations

import getpass
import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Self

import slurm_accounting

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scancel", "scontrol")
NODES, CORES, MEMORY_MB = ("n1", "n2"), 4, 32_000
START_TIMEOUT_S = 60.0

CONFIGURATION = """\
ClusterName=stand
SlurmctldHost={host}(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
SlurmctldPort={port}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.sock
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SlurmdParameters=config_overrides
ReturnToService=2
KillWait=10
SchedulerParameters=batch_sched_delay=0,sched_interval=2
JobAcctGatherType=jobacct_gather/none
{accounting}PreemptType=preempt/partition_prio
PreemptMode=CANCEL
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
PartitionName=urgent Nodes=ALL PriorityTier=10 MaxTime=INFINITE State=UP
"""
NODE = (
    "NodeName={name} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs={cores} "
    "RealMemory={memory} State=UNKNOWN\n"
)
# A job before which those of the partition main on its node have to go.
URGENT = """\
#!/bin/bash
#SBATCH --partition=urgent --nodelist={node} --exclusive --time=1 --output=/dev/null
sleep 1
"""


def lacking_programs() -> list[str]:
    """Return the programs of SLURM and munge that are not installed."""
    path = os.pathsep.join((os.environ["PATH"], "/usr/sbin"))
    return [name for name in PROGRAMS if shutil.which(name, path=path) is None]


class SlurmCluster:
    """A controller and two nodes with more cores than there are, so that arrays run side by side.

    Jobs are accounted for where MariaDB and slurmdbd are installed.

    Args:
        folder: for everything that the daemons keep.

    Attributes:
        accounting: None where what it needs is not installed.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.configuration = folder / "slurm.conf"
        path = os.pathsep.join((os.environ["PATH"], "/usr/sbin"))
        self.environment = {**os.environ, "SLURM_CONF": str(self.configuration), "PATH": path}
        self.accounting: slurm_accounting.Accounting | None = None

    def __enter__(self) -> Self:
        folder = self.folder
        folder.chmod(0o755)
        key = folder / "munge.key"
        key.write_bytes(secrets.token_bytes(1024))
        key.chmod(0o400)
        for name in ("state", *(f"spool-{node}" for node in NODES)):
            (folder / name).mkdir()
        host, (port, *ports) = socket.gethostname(), _free_ports(3 + len(NODES))
        accounting = "AccountingStorageType=accounting_storage/none\n"
        if not slurm_accounting.lacking_programs():
            self.accounting = slurm_accounting.Accounting(folder, host, ports.pop(), ports.pop())
            accounting = self.accounting.of_controller
        text = CONFIGURATION.format(
            host=host, user=getpass.getuser(), port=port, folder=folder, accounting=accounting
        )
        nodes = [
            NODE.format(name=name, host=host, port=its, cores=CORES, memory=MEMORY_MB)
            for name, its in zip(NODES, ports, strict=False)
        ]
        # Nodes are known before a partition has all of them.
        head, partitions = text.split("PartitionName", 1)
        self.configuration.write_text("".join([head, *nodes, "PartitionName", partitions]))
        try:
            self.run(
                "munged", "--force", f"--socket={folder}/munge.sock", f"--key-file={key}",
                f"--pid-file={folder}/munged.pid", f"--log-file={folder}/munged.log",
                f"--seed-file={folder}/munge.seed",
            )  # fmt: skip
            if self.accounting:
                self.accounting.start(self.run)
            self.run("slurmctld")
            for name in NODES:
                self.run("slurmd", "-N", name)
            self._until_idle()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        subprocess.run(
            ["scancel", "--user", getpass.getuser()], env=self.environment, check=False, timeout=30
        )
        for daemon in (*(f"slurmd-{name}" for name in NODES), "slurmctld", "slurmdbd", "munged"):
            try:
                pid = int((self.folder / f"{daemon}.pid").read_text())
                os.kill(pid, signal.SIGTERM)
            except (OSError, ValueError):
                continue
            for _ in range(100):
                if not Path(f"/proc/{pid}").exists():
                    break
                time.sleep(0.1)
        if self.accounting:
            self.accounting.stop()

    def run(self, *command: str) -> str:
        """Run a command of SLURM, and return what it prints."""
        done = subprocess.run(
            command, env=self.environment, capture_output=True, text=True, timeout=60, check=False
        )
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)}: {done.stderr}")
        return done.stdout

    def running(self) -> list[tuple[str, str]]:
        """Return job and task number of every array task that runs."""
        lines = self.run("squeue", "-h", "-r", "-t", "R", "-o", "%F %K").splitlines()
        return [(job, task) for job, task in map(str.split, lines)]

    def process(self, job: str, task: str) -> int:
        """Return the process id of a running task's script."""
        lines = self.run("squeue", "-h", "-r", "-t", "R", "-o", "%F %K %A %N").splitlines()
        ((number, node),) = [
            (n, at) for j, t, n, at in map(str.split, lines) if (j, t) == (job, task)
        ]
        return int(self.run("scontrol", "listpids", number, node).splitlines()[1].split()[0])

    def nodes(self) -> set[str]:
        """Return the nodes on which tasks run."""
        return set(self.run("squeue", "-h", "-r", "-t", "R", "-o", "%N").split())

    def _until_idle(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        idle = ["idle"] * len(NODES)
        while self.run("sinfo", "-N", "-h", "-p", "main", "-o", "%T").split() != idle:
            if time.monotonic() > deadline:
                raise RuntimeError((self.folder / "slurmctld.log").read_text())
            time.sleep(0.2)


def _free_ports(number: int) -> list[int]:
    sockets = [socket.socket() for _ in range(number)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports
