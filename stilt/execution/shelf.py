"""Outputs of a batch on their way into shards of the store."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from stilt.execution.failures import Failure
from stilt.execution.pieces import Piece
from stilt.interrupts import raise_if_interrupted
from stilt.project.inputs import Project
from stilt.project.kinds import ERROR_PARTICLES, FOOTPRINTS, PARTICLES, shard_folder
from stilt.project.receipts import FootprintEntry
from stilt.store import ShardWriter, shard_name
from stilt.timing import timed

if TYPE_CHECKING:
    from stilt.execution.task import Task

# What a killed worker loses is at most this much of its work.
PUBLISH_AFTER_S = 120.0
PUBLISH_BYTES = 1_000_000_000


class Shelf:
    """Shards that a batch is writing: one of each kind at a time.

    Args:
        project: whose store it is.
        batch_id: names the shards.
    """

    def __init__(self, project: Project, batch_id: str) -> None:
        self._project = project
        self._batch_id = batch_id
        self._open: dict[str, tuple[ShardWriter, list[tuple[Task, Piece]]]] = {}
        self._count = 0

    def add(self, task: Task, piece: Piece) -> None:
        """Write a piece; the task's result tells of it once the shard is published."""
        folder = shard_folder(piece.kind, piece.name)
        if folder in self._open and not self._open[folder][0].fits(piece.table, piece.settings):
            self._publish(folder)
        if folder not in self._open:
            path = self._working(folder)
            writer = ShardWriter(path, piece.kind, piece.name, piece.settings)
            self._open[folder] = writer, []
        writer, pieces = self._open[folder]
        pieces.append((task, piece))
        try:
            with timed("writing"):
                writer.add(piece.stored, piece.table)
        except Exception as error:
            self._lose(folder, error)
            return
        late = time.monotonic() - writer.begun > PUBLISH_AFTER_S
        if late or _size(writer.path) > PUBLISH_BYTES:
            self._publish(folder)

    def publish(self) -> None:
        """Complete all shards, and put them into the store."""
        for folder in list(self._open):
            self._publish(folder)

    def _publish(self, folder: str) -> None:
        writer, pieces = self._open[folder]
        shard = f"{folder}/{self._name()}"
        try:
            with timed("writing"):
                writer.close()
                stamp = self._project.output_files.publish_shard(writer.path, shard)
        except Exception as error:
            self._lose(folder, error)
            return
        del self._open[folder]
        for task, piece in pieces:
            result, stored = task.result, piece.stored
            if piece.kind == FOOTPRINTS:
                result.footprints[piece.name] = FootprintEntry(
                    piece.key, stored.total, stored.empty_reason, *stamp, shard
                )
            elif piece.kind == PARTICLES:
                result.transport_key, result.trajectory_shard = piece.key, shard
                result.trajectory_bytes, result.trajectory_mtime_us = stamp
            elif piece.kind == ERROR_PARTICLES:
                result.error_key, result.error_shard = piece.key, shard
                result.error_bytes, result.error_mtime_us = stamp

    def _lose(self, folder: str, error: Exception) -> None:
        """Fail the simulations of a shard that cannot be written."""
        writer, pieces = self._open.pop(folder)
        writer.discard()
        raise_if_interrupted(error)
        failure = Failure.of(error, "writing")
        for task, _ in pieces:
            task.fail(failure)

    def _working(self, folder: str) -> Path:
        self._count += 1
        name = f".{self._batch_id}.{os.getpid()}-{self._count}.tmp"
        if self._project.has_compute_root:
            return self._project.compute_root / "store" / folder / name
        return self._project.layout.store / folder / name

    def _name(self) -> str:
        return shard_name(self._batch_id, self._count)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
