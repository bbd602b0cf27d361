"""Batches computed where the project's folders are not: the worker gets all it needs by value."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from stilt.atomic import atomic_path
from stilt.execution.batch import BatchSummary, compute_batch
from stilt.project.inputs import Project
from stilt.roots import user_name

if TYPE_CHECKING:
    from stilt.config import ModelConfig
    from stilt.project.keys import Expectation
    from stilt.receptors import Receptor


@dataclass(frozen=True)
class Portable:
    """A project whose outputs are on a URL, as it travels to a worker on another machine.

    Attributes:
        config: with weather folders as the worker sees them.
        expectations: outputs and keys by meteorology, as the coordinator expects them.
        url: the output root.
        name: of the mirror, which names the worker's scratch folder.
    """

    config: ModelConfig
    expectations: Mapping[str, Expectation]
    url: str
    name: str

    @classmethod
    def of(cls, files: Project) -> Portable:
        """Pack a project."""
        assert files.remote is not None
        return cls(files.config, files.expectations, files.remote.url, files.layout.root.name)

    def unpack(self) -> Project:
        """The project on this machine; its prepared weather is kept for the next batch."""
        home = Path(tempfile.gettempdir()) / f"stilt-worker-{user_name()}"
        files = Project(home / self.name, output_dir=self.url, config=self.config)
        files.expectations = dict(self.expectations)
        return files


def run_batch_elsewhere(
    portable: Portable,
    sim_ids: Sequence[str],
    receptors: Mapping[str, Receptor],
    *,
    batch_id: str,
    skip_existing: bool | None,
) -> BatchSummary:
    """Compute a batch and return its receipt in the summary, not in a file.

    Args:
        portable: the project.
        sim_ids: what to compute.
        receptors: theirs, by simulation id.
        batch_id: names the receipt.
        skip_existing: keep outputs that this configuration made.
    """
    summary = compute_batch(
        portable.unpack, sim_ids, skip_existing=skip_existing, batch_id=batch_id,
        receptors=receptors,
    )  # fmt: skip
    if not summary.receipt:
        return summary
    receipt = Path(summary.receipt)
    content = receipt.read_bytes()
    with suppress(OSError):
        receipt.unlink()
    return replace(summary, content=content, receipt=receipt.name)


def store_receipt(files: Project, summary: BatchSummary) -> None:
    """Put the receipt of a batch that was computed elsewhere where the index looks for it."""
    if summary.content:
        with atomic_path(files.layout.receipts / summary.receipt) as part:
            part.write_bytes(summary.content)
