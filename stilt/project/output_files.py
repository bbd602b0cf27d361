"""Output files in their final place: published there, found there, and fetched from a URL."""

from __future__ import annotations

import math
from contextlib import suppress
from pathlib import Path

from stilt.project.artifacts import Stamp, link, publish
from stilt.project.copies import Copies
from stilt.project.layout import ProjectLayout
from stilt.project.remote import RemoteOutputs


class OutputFiles:
    """The output files of a project. Making the object touches nothing.

    Args:
        layout: paths under the output root; of outputs on a URL under their local mirror.
        remote: outputs on a URL; None when they are local.
        copies_bytes: what copies of outputs on a URL take on this machine at most.
    """

    def __init__(
        self,
        layout: ProjectLayout,
        remote: RemoteOutputs | None = None,
        copies_bytes: float = math.inf,
    ) -> None:
        self.layout = layout
        self.remote = remote
        self._copies = Copies((layout.store, layout.by_id), copies_bytes)

    def stamp(self, path: Path) -> Stamp:
        """Size of an output file that is here, and when it was changed unless it is a copy."""
        stamp = Stamp.of(path)
        return stamp if self.remote is None else Stamp(stamp.nbytes)

    def publish(self, working: Path, final: Path, *, linked: bool = True) -> Stamp:
        """Put a finished file where readers look for it, whole: a rename, or an upload.

        Args:
            working: the file; it is not there afterwards, unless it is `final`.
            final: its path under the layout.
            linked: make its link in the flat folders, which only local outputs have.

        Returns:
            Size and time of change of the published file.
        """
        if self.remote is not None:
            stamp = self.stamp(working)
            self.remote.upload(working, final.parent.name, final.name)
            working.unlink()
            with suppress(OSError):
                working.parent.rmdir()
            return stamp
        publish(working, final)
        if linked:
            link(self.layout, final)
        return self.stamp(final)

    def publish_shard(self, working: Path, shard: str) -> Stamp:
        """Put a finished shard into the store: a rename, or an upload.

        Args:
            working: the file; it is not there afterwards.
            shard: its path within the store.

        Returns:
            Size and time of change of the shard.
        """
        final = self.layout.shard(shard)
        if self.remote is not None:
            stamp = self.stamp(working)
            self.remote.upload_shard(working, shard)
            working.unlink()
            return stamp
        publish(working, final)
        return self.stamp(final)

    def shard_path(self, shard: str) -> Path:
        """A shard of the store on this machine, fetched first from a URL unless it is here.

        The path does not exist afterwards if there is no such shard.
        """
        path = self.layout.shard(shard)
        if self.remote is None:
            return path
        if path.exists():
            # Shards are never changed, so that a copy stays good.
            self._copies.used(path)
        else:
            self.remote.fetch_shard(shard, path)
            self._copies.came(path)
        return path

    def local_copy(self, path: Path) -> Path:
        """An output file on this machine: the path itself, fetched first from a URL.

        The path does not exist afterwards if there is no such output.
        """
        if self.remote is not None:
            self.remote.fetch(path.parent.name, path.name, path)
            self._copies.came(path)
        return path

    def has_shard(self, shard: str) -> bool:
        """Whether there is a shard of this path within the store."""
        if self.remote is not None:
            return shard in self.remote.shards()
        return self.layout.shard(shard).exists()

    def has_output(self, path: Path) -> bool:
        """Whether there is an output file of this path."""
        if self.remote is not None:
            return self.remote.exists(path.parent.name, path.name)
        return path.exists()
