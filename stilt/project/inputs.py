"""A project: its folders, configuration, index, and who may compute it."""

from __future__ import annotations

import logging
import math
import os
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from stilt.cache import require_folder
from stilt.config import ModelConfig, RuntimeSettings
from stilt.errors import UsageError
from stilt.project.home import Home
from stilt.project.index import Index
from stilt.project.kernels import Kernels
from stilt.project.keys import Expectation, expectations
from stilt.project.layout import ProjectLayout
from stilt.project.leases import Lease, leased, leases
from stilt.project.output_files import OutputFiles
from stilt.project.remote import RemoteOutputs
from stilt.roots import (
    PathLike,
    Place,
    expanded,
    is_url,
    local_folder,
    local_output_root,
    user_name,
)

if TYPE_CHECKING:
    from stilt.meteorology.fingerprint import WeatherCheck
    from stilt.project.observed import ObservationTables
    from stilt.project.owners import Holder
    from stilt.project.states import Counts

logger = logging.getLogger(__name__)

# A batch looks at hundreds of simulations that share weather files.
WEATHER_CHECK_LIFE_S = 5.0
WEATHER_CACHE_TRIMMED_EVERY_S = 60.0


class Project:
    """Folders of a project and what they hold. Making the object writes nothing.

    Attributes:
        root: the project's folder, where a person keeps config.yaml and receptors.csv; of a
            project on a URL its copy on this machine.
        home: the project on a URL; None when it is in a folder.
        layout: paths under the output root, which is the project unless told otherwise; with
            outputs on a URL under their local mirror.
        remote: outputs on a URL; None when they are local.
        compute_root: folder in which simulations are computed before they are published.

    Args:
        project: a folder, or a URL that fsspec knows; None makes a temporary folder.
        output_dir: the output root, when it is another folder, or a URL that fsspec knows.
        compute_root: ``~`` and environment variables are expanded.
        runtime: settings of the machine; None reads the environment.
        config: the configuration, when it is not to be read from config.yaml.

    Raises:
        UsageError: a project on a URL and another output root.
    """

    def __init__(
        self,
        project: PathLike | None = None,
        *,
        output_dir: PathLike | None = None,
        compute_root: PathLike | None = None,
        runtime: RuntimeSettings | None = None,
        config: ModelConfig | None = None,
    ) -> None:
        if project is None:
            here = None if is_url(output_dir) else output_dir
            project = here or tempfile.mkdtemp(prefix="stilt-")
        self.home: Home | None = None
        self._lease: Lease | None = None
        if is_url(project):
            self.home = Home(os.fspath(project))
            local_output_root(project, output_dir)
            project, output_dir = self.home.layout.root, self.home.url
        self.root = local_folder(project)
        self.remote: RemoteOutputs | None = None
        if output_dir is not None and is_url(output_dir):
            self.remote = RemoteOutputs(os.fspath(output_dir))
        self.layout = ProjectLayout(local_output_root(project, output_dir))
        self.runtime = runtime if runtime is not None else RuntimeSettings()
        chosen = compute_root or self.runtime.compute_root
        self.compute_root = self._default_compute_root() if chosen is None else expanded(chosen)
        self._given_config = config and config.with_datasets_below(self.layout.root)
        self._config_read: tuple[Path, bytes | None] | None = None
        self._trimmed_at = -math.inf
        self._weather_check: tuple[float, WeatherCheck | None] = (-math.inf, None)

    @property
    def name(self) -> str:
        """Last part of the project's path or URL."""
        return self.root.name if self.home is None else self.home.name

    @property
    def place(self) -> Place:
        """Where the project is, for a person: a folder, or the text of a URL."""
        return self.root if self.home is None else self.home.url

    @property
    def relative_to(self) -> Path:
        """Folder in which relative files are looked for that a person names.

        It is the project's, and the current one where the project is on a URL.
        """
        return self.root if self.home is None else Path()

    @property
    def has_compute_root(self) -> bool:
        """Whether simulations are computed elsewhere than they are published."""
        return self.compute_root != self.layout.by_id

    @property
    def output_root(self) -> str:
        """:attr:`outputs` as text."""
        return str(self.outputs)

    @property
    def outputs(self) -> Place:
        """Where outputs are: a folder, or the text of a URL."""
        return self.layout.root if self.remote is None else self.remote.url

    def _default_compute_root(self) -> Path:
        if self.remote is None:
            return self.layout.by_id
        name = f"stilt-{user_name()}-{self.layout.root.name}"
        return Path(tempfile.gettempdir()) / name

    @cached_property
    def config(self) -> ModelConfig:
        """The configuration given, else config.yaml of the project, else of the output root.

        Raises:
            FileNotFoundError: there is none.
            ConfigValidationError: it holds a mistake.
        """
        if self._given_config is not None:
            return self._given_config
        self.index.bring()
        places = dict.fromkeys((self.root / "config.yaml", self.layout.config))
        for path in places:
            if path.exists():
                self._config_read = path, _content(path)
                return ModelConfig.from_yaml(path)
        if self.home is not None:
            self.home.place.require_bucket()
        raise FileNotFoundError(
            f"No config.yaml in {self._places(places)}: write one "
            "with `stilt init`, or pass config=."
        )

    @property
    def has_given_config(self) -> bool:
        """Whether the configuration was given, not read from a file."""
        return self._given_config is not None

    @property
    def config_file(self) -> Path | None:
        """The file that the configuration was read from; None where it was given."""
        return None if self._config_read is None else self._config_read[0]

    def read_config_from(self, path: Path) -> bool:
        """Whether the configuration was read from this file, and that has not changed since."""
        return self._config_read is not None and self._config_read == (path, _content(path))

    def _places(self, paths: Iterable[Path]) -> str:
        """Return where files were looked for, in words."""
        if self.home is not None:
            return self.home.url
        return " or ".join(str(path.parent) for path in paths)

    @cached_property
    def expectations(self) -> dict[str, Expectation]:
        """Outputs and keys of a complete simulation, by meteorology."""
        return expectations(self.config, self.layout.root, self.kernels)

    def forget_expectations(self) -> None:
        """Compute :attr:`expectations` again at the next call: tables of kernels have changed."""
        self.__dict__.pop("expectations", None)

    @cached_property
    def kernels(self) -> Kernels:
        """The tables of averaging kernels that footprints name."""
        fetch = None if self.home is None else self.home.bring_file
        return Kernels([self.root, self.layout.root], fetch)

    @property
    def expected(self) -> dict[str, Expectation] | None:
        """:attr:`expectations`; None where there is no configuration, only outputs."""
        try:
            return self.expectations
        except FileNotFoundError:
            return None

    def verify(self) -> list[str]:
        """Look at all output files, and correct the index where they differ.

        Returns:
            Simulations whose files were not as recorded.
        """
        changed = self.index.refresh(self.expected, verify=True)
        if changed:
            logger.warning(
                "The files of %d simulation(s) are not as recorded, %s for example; what is "
                "missing is computed by the next `stilt run`.", len(changed), changed[0],
            )  # fmt: skip
        return changed

    def counts(self, scene_id: str | None = None) -> Counts:
        """How many simulations are in which state, all of them or those of one scene."""
        return self.index.counts(self.expected, scene_id=scene_id)

    def scene_counts(self) -> dict[str, Counts]:
        """:meth:`counts` of every scene, by scene id."""
        return self.index.scene_counts(self.expected)

    @cached_property
    def index(self) -> Index:
        """The index under the output root."""
        return Index(
            self.layout.index,
            max_rows=self.runtime.max_rows,
            outputs=self.output_files,
            home=self.home,
            cache_dir=self.cache_dir,
        )

    @cached_property
    def output_files(self) -> OutputFiles:
        """The output files in their final place."""
        return OutputFiles(self.layout, self.remote, 1e9 * self.runtime.copies_gb)

    @property
    def observations(self) -> ObservationTables:
        """The tables of observations under the output root."""
        from stilt.project.observed import ObservationTables

        if self.home is not None:
            self.home.bring_folder("observations")
        return ObservationTables(self.layout.root)

    @property
    def receptor_file(self) -> Path | None:
        """receptors.csv of the project, else of the output root, else None."""
        self.index.bring()
        for path in (self.root / "receptors.csv", self.layout.receptors):
            if path.exists():
                return path
        return None

    @property
    def cache_dir(self) -> Path:
        """Folder for prepared weather and the indexes of weather files."""
        return self.runtime.cache_dir or self.layout.weather_cache

    def bound_weather_cache(self) -> None:
        """Remove the weather unused for longest when the cache is larger than its limit."""
        from stilt.meteorology.used import trim_cache

        if time.monotonic() - self._trimmed_at > WEATHER_CACHE_TRIMMED_EVERY_S:
            self._trimmed_at = time.monotonic()
            trim_cache(self.cache_dir, 1e9 * self.runtime.weather_cache_gb)

    def require_folders(self) -> None:
        """Make the folders that computing needs besides those for results.

        Raises:
            UsageError: one of them cannot be made or written; the sentence names its setting.
        """
        if self.runtime.cache_dir is not None:
            require_folder(self.runtime.cache_dir, "STILT_CACHE_DIR")
        for folder in (self.layout.state, self.layout.weather_cache):
            if folder.exists() and not folder.is_dir():
                raise UsageError(
                    f"{folder} is a file, where the program keeps a folder of its own: remove it."
                )
        if self.has_compute_root:
            require_folder(self.compute_root, "The compute root (STILT_COMPUTE_ROOT)")

    def has_other_weather(self, files: Sequence[str], recorded: str) -> bool:
        """Whether an output was made from other weather than its files hold now.

        Args:
            files: weather files that it was made from.
            recorded: its text of :func:`stilt.meteorology.fingerprint.fingerprint`.
        """
        from stilt.meteorology.fingerprint import WeatherCheck

        made_at, check = self._weather_check
        if check is None or time.monotonic() - made_at > WEATHER_CHECK_LIFE_S:
            check = WeatherCheck(self.cache_dir)
            self._weather_check = (time.monotonic(), check)
        return check.has_changed(files, recorded)

    def with_trajectories(self, sim_ids: Sequence[str]) -> list[str]:
        """Return those of some simulations that have a trajectory of this configuration."""
        rows = self.index.rows(sim_ids, ("sim_id", "met", "transport_key"))
        expected = self.expectations
        have = set()
        for row in rows:
            wanted = expected[row["met"]]
            if wanted.is_met(row["transport_key"], wanted.transport):
                have.add(row["sim_id"])
        return [sim_id for sim_id in sim_ids if sim_id in have]

    @contextmanager
    def sending(self, *names: str) -> Iterator[None]:
        """Publish the inputs that a block writes, where the project is on a URL.

        Args:
            *names: files, or folders of files, relative to the project.
        """
        if self.home is None:
            yield
            return
        with self.home.sending(*names):
            yield

    @contextmanager
    def leased(self, *, alone: bool = True) -> Iterator[None]:
        """Keep other machines from computing a project on a URL while the block runs.

        In a folder the index's locks and marks do so.

        Args:
            alone: refuse to begin while any other machine computes; otherwise others of this kind
            may compute as well.

        Raises:
            RunUnfinishedError: another machine computes it; the sentence says which process.
        """
        if self.home is None or self._lease is not None:
            yield
            return
        with leased(self.home.lease(alone=alone)) as self._lease:
            try:
                # What those who had it before have left.
                self.index.bring(at_once=True)
                yield
            finally:
                self._lease = None

    def elsewhere(self) -> list[Holder]:
        """Return the living processes of other machines that compute a project on a URL."""
        if self.home is None:
            return []
        found = leases(self.home.place)
        return [each.holder for each in found if each.lives and each.copy != self.home.copy_id]

    def require_lease(self) -> None:
        """Stop when another machine has taken over a project on a URL; see :meth:`leased`.

        Raises:
            RunUnfinishedError: another machine has.
        """
        if self._lease is not None:
            self._lease.require()

    def named(self, path: Path) -> str:
        """Return an input file for a person."""
        if self.home is None:
            return str(path)
        return f"{self.home.url}/{path.relative_to(self.layout.root).as_posix()}"


def _content(path: Path) -> bytes | None:
    """Return the bytes of a file; None when it cannot be read, which whoever parses it says."""
    try:
        return path.read_bytes()
    except OSError:
        return None
