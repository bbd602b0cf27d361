"""Outputs on a URL: what any file system of fsspec can hold, beside an index on this machine.

``<url>/simulations/by-id/<sim_id>/`` and ``<url>/store/`` have the same files as a local output
root. The index, and copies of files that were read, are in a local folder, the mirror.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from stilt.project.url_folder import UrlFolder

_BY_ID = "simulations/by-id"
_STORE = "store"


@dataclass(frozen=True)
class RemoteOutputs:
    """The folders of simulations and the store under an output root on a URL.

    Attributes:
        url: the output root, ``s3://bucket/case`` for example.
    """

    url: str

    @cached_property
    def _folder(self) -> UrlFolder:
        return UrlFolder(self.url)

    def check(self, n_processes: int = 1) -> None:
        """Stop early when this kind of URL cannot be used; see :meth:`UrlFolder.check`."""
        self._folder.check(n_processes)

    def check_writing(self) -> None:
        """Write and remove a file; see :meth:`UrlFolder.check_writing`."""
        self._folder.check_writing()

    def files(self) -> dict[str, dict[str, int]]:
        """Sizes of all files in bytes, by simulation and name, asked for again."""
        files: dict[str, dict[str, int]] = {}
        for path, listed in self._folder.listed(_BY_ID).items():
            sim_id, _, name = path.rpartition("/")
            if not name.startswith("."):
                files.setdefault(sim_id.rpartition("/")[2], {})[name] = listed.size
        return files

    def shards(self) -> dict[str, int]:
        """Sizes of all shards of the store in bytes, by their path within it, asked for again."""
        return {
            path: listed.size
            for path, listed in self._folder.listed(_STORE).items()
            if path.endswith(".parquet") and not path.rpartition("/")[2].startswith(".")
        }

    def exists(self, sim_id: str, name: str) -> bool:
        """Whether there is such a file."""
        return self._folder.info(f"{_BY_ID}/{sim_id}/{name}") is not None

    def upload(self, source: Path, sim_id: str, name: str) -> None:
        """Publish a finished file: under its name it is whole or not there."""
        self._folder.put(source, f"{_BY_ID}/{sim_id}/{name}")

    def upload_shard(self, source: Path, shard: str) -> None:
        """Publish a finished shard."""
        self._folder.put(source, f"{_STORE}/{shard}")

    def remove_shard(self, shard: str) -> None:
        """Remove a shard; one that is gone is no fault."""
        self._folder.remove(f"{_STORE}/{shard}")

    def fetch(self, sim_id: str, name: str, target: Path) -> None:
        """Have a copy of a file here; one of a file that is gone is removed."""
        self._fetch(f"{_BY_ID}/{sim_id}/{name}", target)

    def fetch_shard(self, shard: str, target: Path) -> None:
        """Have a copy of a shard here, as :meth:`fetch` does."""
        self._fetch(f"{_STORE}/{shard}", target)

    def upload_input(self, source: Path, name: str) -> None:
        """Publish a file that the configuration names, relative to the project."""
        self._folder.put(source, name)

    def fetch_input(self, name: str, target: Path) -> None:
        """Have a copy of such a file here, as :meth:`fetch` does."""
        if ".." not in Path(name).parts:
            self._fetch(name, target)

    def _fetch(self, path: str, target: Path) -> None:
        listed = self._folder.info(path)
        if listed is None:
            target.unlink(missing_ok=True)
            return
        if target.exists():
            here = target.stat()
            newer = listed.modified is not None and here.st_mtime >= listed.modified
            if newer and here.st_size == listed.size:
                return
        self._folder.fetch(path, target)
