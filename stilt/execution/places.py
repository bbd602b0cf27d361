"""Where a worker finds a project: open already, in folders that it shares, or packed up."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from stilt.project.inputs import Project
from stilt.project.kernels import Kernels
from stilt.project.leases import Lease, leased
from stilt.project.url_folder import UrlFolder
from stilt.roots import user_name

if TYPE_CHECKING:
    from stilt.config import ModelConfig
    from stilt.execution.summary import BatchSummary
    from stilt.project.keys import Expectation


class ProjectPlace(Protocol):
    """How a worker finds the project of an order."""

    def open(self) -> Project:
        """Return the project as this process sees it."""

    def returned(self, summary: BatchSummary) -> BatchSummary:
        """Return the summary as the coordinator can use it."""


@dataclass(frozen=True)
class Folders:
    """A project on a disk that coordinator and workers share.

    Attributes:
        root: the output root, or its local mirror.
        output_dir: URL of the outputs; None when they are in `root`.
        compute_root: folder in which files are made before they are published.
        home: URL of a project that `root` is the copy of, and what names this copy there.
        config: the configuration, which travels along; None has the worker read it from `root`.
    """

    root: str
    output_dir: str | None = None
    compute_root: str | None = None
    home: tuple[str, str] | None = None
    config: ModelConfig | None = field(default=None, compare=False, repr=False)

    @classmethod
    def of(cls, project: Project, *, with_config: bool = True) -> Folders:
        """Return where a project is; without its configuration for who will read it there."""
        return cls(
            str(project.layout.root),
            None if project.remote is None else project.remote.url,
            str(project.compute_root) if project.has_compute_root else None,
            None if project.home is None else (project.home.url, project.home.copy_id),
            project.config if with_config else None,
        )

    def open(self) -> Project:
        """Return the project as this process sees it."""
        return Project(
            self.root,
            output_dir=self.output_dir,
            compute_root=self.compute_root,
            config=self.config,
        )

    @contextmanager
    def leased(self) -> Iterator[None]:
        """Compute a project on a URL beside others of this copy; see :meth:`Project.leased`.

        Raises:
            RunUnfinishedError: another machine computes it.
        """
        if self.home is None:
            yield
            return
        url, copy_id = self.home
        with leased(Lease(UrlFolder(url), copy_id, alone=False)):
            yield

    def returned(self, summary: BatchSummary) -> BatchSummary:
        """Return the summary: the receipt is where the coordinator looks for it."""
        return summary


@dataclass(frozen=True)
class Portable:
    """A project with outputs on a URL, as it travels to a worker that sees none of its folders.

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
    def of(cls, project: Project) -> Portable:
        """Pack a project; what its footprints read is put on the URL, where it is not there."""
        assert project.remote is not None
        if project.home is None:
            for relative, path in project.kernels.files(project.config.footprints).items():
                project.remote.upload_input(path, relative)
        name = project.layout.root.name
        return cls(project.config, project.expectations, project.remote.url, name)

    def open(self) -> Project:
        """Return the project on this machine; its prepared weather is kept for the next batch."""
        home = Path(tempfile.gettempdir()) / f"stilt-worker-{user_name()}"
        project = Project(home / self.name, output_dir=self.url, config=self.config)
        project.expectations = dict(self.expectations)
        remote, root = project.remote, project.layout.root
        assert remote is not None
        project.kernels = Kernels([root], lambda name: remote.fetch_input(name, root / name))
        return project

    def returned(self, summary: BatchSummary) -> BatchSummary:
        """Return the summary with the receipt's bytes in it, and remove the file here."""
        if not summary.receipt:
            return summary
        receipt = Path(summary.receipt)
        content = receipt.read_bytes()
        with suppress(OSError):
            receipt.unlink()
        return replace(summary, content=content, receipt=receipt.name)


@dataclass(frozen=True)
class Opened:
    """A project that the worker has open already, because it is the coordinator's process."""

    project: Project

    def open(self) -> Project:
        """Return the project."""
        return self.project

    def returned(self, summary: BatchSummary) -> BatchSummary:
        """Return the summary."""
        return summary
