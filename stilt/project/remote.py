"""Outputs on a URL: what any file system of fsspec can hold, beside an index on this machine.

``<url>/simulations/by-id/<sim_id>/`` and ``<url>/store/`` have the same files as a local output
root. Everything else
(index, receipts, copies of files that were read) is in a local folder, the mirror.
"""

from __future__ import annotations

import secrets
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from stilt.atomic import atomic_path
from stilt.errors import UsageError

# An object of these appears when its upload is complete, and renaming one would copy it.
_ATOMIC_UPLOADS = frozenset({"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "adl", "oci", "r2"})
_BY_ID = "simulations/by-id"
_STORE = "store"


@dataclass(frozen=True)
class RemoteOutputs:
    """The folders of simulations under an output root on a URL.

    Attributes:
        url: the output root, ``s3://bucket/case`` for example.
    """

    url: str

    @cached_property
    def _place(self) -> tuple[Any, str]:
        import fsspec

        try:
            filesystem, path = fsspec.core.url_to_fs(self.url.rstrip("/"))
        except ImportError as error:
            raise UsageError(f"'{self.url}' cannot be used: {error}.") from error
        except ValueError as error:
            raise UsageError(
                f"'{self.url}' cannot be used: {error}; known are s3://, gs:// and the other "
                "file systems of fsspec."
            ) from error
        return filesystem, path

    def check(self, n_processes: int = 1) -> None:
        """Stop early when this kind of URL cannot be used here.

        Args:
            n_processes: how many will write there.

        Raises:
            UsageError: a package is missing, the kind is unknown, or it is the memory of one
                process and others are to write there.
        """
        _ = self._place
        if n_processes > 1 and self.url.startswith("memory://"):
            raise UsageError(
                f"'{self.url}' is in the memory of this process, where other processes cannot "
                "write: use one worker of the local backend, or another output root."
            )

    def files(self) -> dict[str, dict[str, int]]:
        """Sizes of all files in bytes, by simulation and name, asked for again."""
        found = self._find(_BY_ID)
        files: dict[str, dict[str, int]] = {}
        for path, info in found.items():
            sim_id, _, name = path.rstrip("/").rpartition("/")
            if not name.startswith("."):
                files.setdefault(sim_id.rpartition("/")[2], {})[name] = int(info["size"])
        return files

    def shards(self) -> dict[str, int]:
        """Sizes of all shards of the store in bytes, by their path within it, asked for again."""
        _, root = self._place
        start = len(f"{root}/{_STORE}/")
        return {
            path[start:]: int(info["size"])
            for path, info in self._find(_STORE).items()
            if path.endswith(".parquet") and not path.rpartition("/")[2].startswith(".")
        }

    def _find(self, folder: str) -> dict[str, dict[str, Any]]:
        filesystem, root = self._place
        filesystem.invalidate_cache()
        try:
            return dict(filesystem.find(f"{root}/{folder}", detail=True))
        except FileNotFoundError:
            return {}

    def exists(self, sim_id: str, name: str) -> bool:
        """Whether there is such a file."""
        filesystem, root = self._place
        filesystem.invalidate_cache()
        return bool(filesystem.exists(f"{root}/{_BY_ID}/{sim_id}/{name}"))

    def upload(self, source: Path, sim_id: str, name: str) -> None:
        """Publish a finished file: under its name it is whole or not there."""
        self._upload(source, f"{_BY_ID}/{sim_id}", name)

    def upload_shard(self, source: Path, shard: str) -> None:
        """Publish a finished shard."""
        folder, _, name = shard.rpartition("/")
        self._upload(source, f"{_STORE}/{folder}", name)

    def remove_shard(self, shard: str) -> None:
        """Remove a shard; one that is gone is no fault."""
        filesystem, root = self._place
        with suppress(FileNotFoundError):
            filesystem.rm_file(f"{root}/{_STORE}/{shard}")

    def _upload(self, source: Path, place: str, name: str) -> None:
        filesystem, root = self._place
        folder = f"{root}/{place}"
        if self.url.partition(":")[0] in _ATOMIC_UPLOADS:
            filesystem.put_file(str(source), f"{folder}/{name}")
            return
        filesystem.makedirs(folder, exist_ok=True)
        part = f"{folder}/.{name}.{secrets.token_hex(4)}.tmp"
        try:
            filesystem.put_file(str(source), part)
            filesystem.mv(part, f"{folder}/{name}")
        except BaseException:
            if filesystem.exists(part):
                filesystem.rm_file(part)
            raise

    def fetch(self, sim_id: str, name: str, target: Path) -> None:
        """Have a copy of a file here; one of a file that is gone is removed."""
        self._fetch(f"{_BY_ID}/{sim_id}/{name}", target)

    def fetch_shard(self, shard: str, target: Path) -> None:
        """Have a copy of a shard here, as :meth:`fetch` does."""
        self._fetch(f"{_STORE}/{shard}", target)

    def _fetch(self, place: str, target: Path) -> None:
        filesystem, root = self._place
        path = f"{root}/{place}"
        filesystem.invalidate_cache()
        try:
            info = filesystem.info(path)
            size, stamp = int(info["size"]), _modified(info)
        except FileNotFoundError:
            target.unlink(missing_ok=True)
            return
        if target.exists():
            here = target.stat()
            if here.st_size == size and stamp is not None and here.st_mtime >= stamp:
                return
        with atomic_path(target) as part:
            filesystem.get_file(path, str(part))


def _modified(info: dict[str, Any]) -> float | None:
    """When a file was written, in seconds since 1970; None where that is not told."""
    for key in ("mtime", "LastModified", "last_modified", "created", "updated"):
        value = info.get(key)
        if isinstance(value, int | float):
            return float(value)
        if isinstance(value, datetime):
            return value.timestamp()
    return None
