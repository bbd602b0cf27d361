"""A folder on a URL, in any file system of fsspec; what goes wrong there is one sentence."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from stilt.atomic import atomic_path
from stilt.errors import Reason, SimulationError, UsageError

# An object of these appears when its upload is complete, and renaming one would copy it.
_ATOMIC_UPLOADS = frozenset({"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "adl", "oci", "r2"})
_LOCAL = frozenset({"file", "local", "memory"})
# Names that file systems have for when a file was written, and for what changes with its content.
_TIMES = ("mtime", "LastModified", "last_modified", "created", "updated")
_DIGESTS = ("ETag", "etag", "md5Hash", "content_md5")


class StorageError(SimulationError):
    """A URL cannot be reached, or refuses: most often it is worth trying again."""

    default_reason = Reason.DISK


class StorageUsageError(StorageError, UsageError):
    """A URL cannot be used as it is: no such bucket, no credentials, no right to write."""


@dataclass(frozen=True)
class Listed:
    """A file at a URL.

    Attributes:
        size: bytes.
        version: text that changes when the file does.
        modified: when it was written by the clock of the store, seconds since 1970; None where
            that is not told.
    """

    size: int
    version: str
    modified: float | None

    @classmethod
    def of(cls, info: dict[str, Any]) -> Listed:
        """Read what fsspec says of a file."""
        modified = _modified(info)
        digest = next((info[name] for name in _DIGESTS if info.get(name)), modified)
        return cls(int(info["size"]), f"{info['size']} {digest}", modified)


@dataclass(frozen=True)
class UrlFolder:
    """A folder on a URL. Paths are relative to it, with ``/``.

    Attributes:
        url: such as ``s3://bucket/case``.
    """

    url: str

    @property
    def protocol(self) -> str:
        """The part of the URL before ``://``."""
        return self.url.partition(":")[0]

    @cached_property
    def _place(self) -> tuple[Any, str]:
        import fsspec

        try:
            filesystem, path = fsspec.core.url_to_fs(self.url.rstrip("/"))
        except ImportError as error:
            raise StorageUsageError(f"'{self.url}' cannot be used: {error}.") from error
        except ValueError as error:
            raise StorageUsageError(
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
        if n_processes > 1 and self.protocol == "memory":
            raise StorageUsageError(
                f"'{self.url}' is in the memory of this process, where other processes cannot "
                "write: use one worker of the local backend, or another output root."
            )

    def check_writing(self) -> None:
        """Write a small hidden file and remove it again.

        Raises:
            StorageError: the store refuses, or cannot be reached.
        """
        path = f".may-be-written.{secrets.token_hex(4)}.tmp"
        self.write(b"", path)
        self.remove(path)

    def listed(self, folder: str = "", *, deep: bool = True) -> dict[str, Listed]:
        """Return all files below a folder by their path in it, asked for again.

        Args:
            folder: which; "" for the top.
            deep: those in its folders as well.
        """
        filesystem, root = self._place
        base = f"{root}/{folder}".rstrip("/")
        filesystem.invalidate_cache()
        with self._in_a_sentence("be listed"):
            try:
                if deep:
                    found = filesystem.find(base, detail=True)
                else:
                    found = {i["name"]: i for i in filesystem.ls(base, detail=True)}
            except (FileNotFoundError, NotADirectoryError):
                return {}
        start = len(base) + 1
        return {
            path.rstrip("/")[start:]: Listed.of(info)
            for path, info in found.items()
            if info["type"] != "directory" and len(path) > start
        }

    def folders(self) -> set[str]:
        """Return the names of the folders in this one."""
        filesystem, root = self._place
        filesystem.invalidate_cache()
        with self._in_a_sentence("be listed"):
            try:
                found = filesystem.ls(root, detail=True)
            except (FileNotFoundError, NotADirectoryError):
                return set()
        return {
            info["name"].rstrip("/").rpartition("/")[2]
            for info in found
            if info["type"] == "directory"
        }

    def require_bucket(self) -> None:
        """Refuse a bucket that does not exist.

        Raises:
            UsageError: there is none of this name.
        """
        if self.protocol not in _ATOMIC_UPLOADS:
            return
        filesystem, root = self._place
        bucket = root.partition("/")[0]
        with self._in_a_sentence("be listed"):
            try:
                filesystem.ls(bucket, detail=False)
            except FileNotFoundError:
                raise self._no_bucket() from None

    def info(self, path: str) -> Listed | None:
        """Return what is said of a file, asked for again; None where there is none."""
        filesystem, root = self._place
        filesystem.invalidate_cache()
        with self._in_a_sentence("be read"):
            try:
                return Listed.of(filesystem.info(f"{root}/{path}"))
            except (FileNotFoundError, NotADirectoryError):
                return None

    def read(self, path: str) -> bytes | None:
        """Return the bytes of a file; None where there is none."""
        filesystem, root = self._place
        filesystem.invalidate_cache()
        with self._in_a_sentence("be read"):
            try:
                return bytes(filesystem.cat_file(f"{root}/{path}"))
            except (FileNotFoundError, NotADirectoryError):
                return None

    def fetch(self, path: str, target: Path) -> bool:
        """Copy a file to this machine; returns whether there is one."""
        filesystem, root = self._place
        with self._in_a_sentence("be read"), suppress(FileNotFoundError), atomic_path(target) as at:
            filesystem.get_file(f"{root}/{path}", str(at))
            return True
        return False

    def put(self, source: Path, path: str) -> None:
        """Publish a file: under its name it is whole or not there."""
        filesystem, root = self._place
        self._published(path, lambda at: filesystem.put_file(str(source), f"{root}/{at}"))

    def write(self, content: bytes, path: str) -> None:
        """Publish a small file with this content, as :meth:`put` does."""
        filesystem, root = self._place
        self._published(path, lambda at: filesystem.pipe_file(f"{root}/{at}", content))

    def _published(self, path: str, store: Any) -> None:
        filesystem, root = self._place
        with self._in_a_sentence("be written"):
            if self.protocol in _ATOMIC_UPLOADS:
                store(path)
                return
            folder, _, name = path.rpartition("/")
            filesystem.makedirs(f"{root}/{folder}".rstrip("/"), exist_ok=True)
            part = f"{folder}/.{name}.{secrets.token_hex(4)}.tmp".lstrip("/")
            try:
                store(part)
                filesystem.mv(f"{root}/{part}", f"{root}/{path}")
            except BaseException:
                with suppress(Exception):
                    filesystem.rm_file(f"{root}/{part}")
                raise

    def remove(self, path: str) -> None:
        """Remove a file; one that is gone is no fault."""
        filesystem, root = self._place
        with self._in_a_sentence("be written"), suppress(FileNotFoundError):
            filesystem.rm_file(f"{root}/{path}")

    @contextmanager
    def _in_a_sentence(self, what: str) -> Iterator[None]:
        """Turn what storage services and their clients raise into one sentence.

        Disks of this machine say it themselves, and so do errors of ours.
        """
        try:
            yield
        except SimulationError:
            raise
        except Exception as error:
            if self.protocol in _LOCAL:
                raise
            raise self._said(error, what) from error

    def _said(self, error: Exception, what: str) -> StorageError:
        # Of addresses of requests what is behind the ? says nothing to a person.
        text = re.sub(r"\?[^\s\"']+", "", " ".join(str(error).split())).rstrip(".")
        kind = type(error).__name__
        if isinstance(error, FileNotFoundError) and error.filename is None:
            return self._no_bucket()
        if "Credential" in kind or "Credential" in text or "Token" in kind:
            return StorageUsageError(
                f"{self.url} cannot {what} without credentials, and none that hold were found "
                f"({text}): set those of your store, for s3:// AWS_ACCESS_KEY_ID and "
                "AWS_SECRET_ACCESS_KEY, or AWS_PROFILE."
            )
        if isinstance(error, PermissionError) or "Forbidden" in text:
            return StorageUsageError(
                f"{self.url} cannot {what}: these credentials lack the right ({text or kind})."
            )
        return StorageError(
            f"{self.url} cannot {what} ({text or kind}): see that the network and the store can be "
            "reached, and run again; what is finished is kept."
        )

    def _no_bucket(self) -> StorageUsageError:
        bucket = self._place[1].partition("/")[0]
        return StorageUsageError(
            f"There is no bucket '{bucket}' for {self.url}: make it, or correct its name."
        )


def _modified(info: dict[str, Any]) -> float | None:
    """When a file was written, in seconds since 1970; None where that is not told."""
    for key in _TIMES:
        value = info.get(key)
        if isinstance(value, int | float):
            return float(value)
        if isinstance(value, datetime):
            return value.timestamp()
    return None
