"""A project on a URL, and its copy on this machine.

What is true is there: ``config.yaml``, ``receptors.csv``, tables of observations, outputs, and in
``.stilt/`` registrations and receipts. Here, in the user's cache, are the index and copies of what
was read. Before the index is asked what is new there is brought here; what is written here goes
there before anybody relies on it. Without the copy nothing is lost.
"""

from __future__ import annotations

import json
import logging
import math
import secrets
import shutil
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

from stilt.atomic import atomic_path
from stilt.cache import require_folder
from stilt.errors import UsageError
from stilt.locks import locked_if_possible
from stilt.project.layout import ProjectLayout
from stilt.project.leases import Lease
from stilt.project.url_folder import Listed, UrlFolder
from stilt.roots import copy_of

logger = logging.getLogger(__name__)

STATE = ".stilt"
INPUTS = ("config.yaml", "receptors.csv")
_TIME_FORMAT = "time-format.json"
REGISTRATIONS = "registrations"
RECEIPTS = "receipts"
# Where receipts are in a project that was copied from a disk.
_FOLDED = "folded"
# What is there is asked for again after so long.
FRESH_S = 3.0
_AT_ONCE = 16
# Fewer receipts are not worth it.
_JOINED_FROM = 16

Learn = Callable[[Sequence[Path]], None]


class Home:
    """A project on a URL with its local copy. Making the object writes and asks nothing.

    Args:
        url: the project, such as ``s3://bucket/case``.
    """

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self.place = UrlFolder(self.url)
        self.layout = ProjectLayout(copy_of(self.url))
        self._versions_file = self.layout.state / "versions-at-url.json"
        self._known_file = self.layout.state / "known-at-url.txt"
        self._brought_at = -math.inf
        self._turns = threading.RLock()
        self._depth = 0

    @property
    def name(self) -> str:
        """Last part of the URL."""
        return self.url.rpartition("/")[2]

    @cached_property
    def copy_id(self) -> str:
        """What names the local copy among those of other machines."""
        path = self.layout.state / "copy-id"
        with self._locked():
            if not path.exists():
                with atomic_path(path) as temporary:
                    temporary.write_text(secrets.token_hex(8))
            return path.read_text()

    def lease(self, *, alone: bool) -> Lease:
        """Return a lease for this process, which has yet to be taken."""
        return Lease(self.place, self.copy_id, alone)

    # -- from there -----------------------------------------------------------------------------

    def bring(self, learn: Learn | None = None, *, at_once: bool = False) -> bool:
        """Copy new inputs, registrations and receipts from the URL to this machine.

        Args:
            learn: told of the files of registrations that were made elsewhere.
            at_once: also when this was done a moment ago.

        Returns:
            Whether receipts have come.
        """
        if not at_once and time.monotonic() - self._brought_at < FRESH_S:
            return False
        with self._locked():
            top = self.place.listed(deep=False)
            state = self.place.listed(STATE)
            inputs = {name: top[name] for name in INPUTS if name in top}
            if _TIME_FORMAT in state:
                inputs[f"{STATE}/{_TIME_FORMAT}"] = state[_TIME_FORMAT]
            self._bring_inputs(inputs, (*INPUTS, f"{STATE}/{_TIME_FORMAT}"))
            self._forget_another_project(state)
            fresh = self._fetched(state, REGISTRATIONS, self.layout.registrations)
            if fresh and learn is not None:
                learn(fresh)
            receipts = self._fetched(state, _FOLDED, self.layout.receipts)
            receipts += self._fetched(state, RECEIPTS, self.layout.receipts)
            self._note(path.name for path in (*fresh, *receipts))
        self._brought_at = time.monotonic()
        return bool(receipts)

    def has_outputs(self) -> bool:
        """Whether there are outputs there, registered or not."""
        return bool({"simulations", "store"} & self.place.folders())

    def bring_folder(self, folder: str) -> None:
        """Copy the files of a folder of inputs from the URL to this machine."""
        with self._locked():
            found = self.place.listed(folder)
            there = {f"{folder}/{name}": each for name, each in found.items()}
            here = self.layout.root / folder
            names = [f"{folder}/{path.name}" for path in here.glob("[!.]*")]
            self._bring_inputs(there, (*there, *names))

    def bring_file(self, name: str) -> None:
        """Copy a file that the configuration names to this machine, if the project has one."""
        if ".." in Path(name).parts:
            return
        with self._locked():
            there = self.place.info(name)
            self._bring_inputs({} if there is None else {name: there}, (name,))

    def _bring_inputs(self, there: Mapping[str, Listed], names: Iterable[str]) -> None:
        versions = self._versions()
        before = dict(versions)
        for name in names:
            path = self.layout.root / name
            if name not in there:
                path.unlink(missing_ok=True)
                versions.pop(name, None)
                continue
            known = path.exists() and versions.get(name) == there[name].version
            if not known and self.place.fetch(name, path):
                versions[name] = there[name].version
        if versions != before:
            self._keep_versions(versions)

    def _fetched(self, state: Mapping[str, Listed], kind: str, folder: Path) -> list[Path]:
        """Fetch what is not known here of a folder of immutable files; return their paths."""
        known = self._known()
        names = [
            path.rpartition("/")[2] for path in state
            if path.startswith(f"{kind}/") and path.endswith(".parquet")
        ]  # fmt: skip
        names = [name for name in names if name not in known and not name.startswith(".")]
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            fetch = pool.map(
                lambda name: self.place.fetch(f"{STATE}/{kind}/{name}", folder / name), names
            )
            return [folder / name for name, found in zip(names, fetch, strict=True) if found]

    def _forget_another_project(self, state: Mapping[str, Listed]) -> None:
        """Remove what is known of a project that was here before the one there now."""
        known = self._known()
        there = {path.rpartition("/")[2] for path in state}
        here = [path.name for path in self.layout.registrations.glob("[!.]*.parquet")]
        gone = [name for name in here if name in known and name not in there]
        if not gone:
            return
        logger.warning(
            "The project at %s is not the one that was there before: the copy of that in %s is "
            "forgotten.", self.url, self.layout.root,
        )  # fmt: skip
        layout = self.layout
        for folder in (
            layout.registrations, layout.receipts, layout.folded, layout.store, layout.simulations,
        ):  # fmt: skip
            shutil.rmtree(folder, ignore_errors=True)
        for path in (layout.index, layout.index.with_suffix(".duckdb.wal"), self._known_file):
            path.unlink(missing_ok=True)

    # -- to there -------------------------------------------------------------------------------

    @contextmanager
    def sending(self, *names: str) -> Iterator[None]:
        """Publish the inputs that a block writes, for other machines to copy.

        Args:
            *names: files, or folders of files, relative to the project.
        """
        with self._locked():
            before = self._stamps(names)
            versions = self._versions()
            # What is written here and does not get there is brought again as it is there.
            self._keep_versions({k: v for k, v in versions.items() if k not in before})
            yield
            after = self._stamps(names)
            for name in sorted(after):
                if before.get(name) != after[name] or name not in versions:
                    self.place.put(self.layout.root / name, name)
                    found = self.place.info(name)
                    versions[name] = "" if found is None else found.version
            for name in before.keys() - after.keys():
                self.place.remove(name)
                versions.pop(name, None)
            self._keep_versions(versions)

    def send(self, kind: str, paths: Iterable[Path]) -> None:
        """Publish registrations or receipts that are not there yet.

        Args:
            kind: :data:`REGISTRATIONS` or :data:`RECEIPTS`.
            paths: files here.
        """
        known = self._known()
        for path in paths:
            if path.name not in known and path.exists():
                self.place.put(path, f"{STATE}/{kind}/{path.name}")
                self._note([path.name])

    def join_receipts(self) -> None:
        """Replace the receipts at the URL by one that has all their rows.

        For whoever has the lease alone, and has brought and recorded all of them.
        """
        from stilt.project.receipts import join_tables

        with self._locked():
            there = self.place.listed(STATE)
            old = [
                path for path in there
                if path.endswith(".parquet") and path.partition("/")[0] in (RECEIPTS, _FOLDED)
            ]  # fmt: skip
            if len(old) < _JOINED_FROM:
                return
            joined = self.layout.state / "joining"
            with ThreadPoolExecutor(_AT_ONCE) as pool:
                names = [joined / path.rpartition("/")[2] for path in old]
                list(pool.map(self.place.fetch, [f"{STATE}/{path}" for path in old], names))
            whole = join_tables(joined)
            if whole is not None:
                self.place.put(whole, f"{STATE}/{RECEIPTS}/{whole.name}")
                self._note([whole.name])
                for path in old:
                    self.place.remove(f"{STATE}/{path}")
            shutil.rmtree(joined)

    def _stamps(self, names: Iterable[str]) -> dict[str, tuple[int, int]]:
        root = self.layout.root
        found = {}
        for name in names:
            for path in (root / name, *(root / name).glob("[!.]*")):
                if path.is_file():
                    told = path.stat()
                    found[path.relative_to(root).as_posix()] = told.st_size, told.st_mtime_ns
        return found

    # -- what is known here ---------------------------------------------------------------------

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with self._turns:
            if self._depth:
                yield
                return
            require_folder(self.layout.state, "The cache of projects on URLs (STILT_CACHE_DIR)")
            with locked_if_possible(self.layout.state / "at-url.lock"):
                self._depth += 1
                try:
                    yield
                finally:
                    self._depth -= 1

    def _versions(self) -> dict[str, str]:
        try:
            return dict(json.loads(self._versions_file.read_text()))
        except (FileNotFoundError, ValueError):
            return {}

    def _keep_versions(self, versions: Mapping[str, str]) -> None:
        with atomic_path(self._versions_file) as temporary:
            temporary.write_text(json.dumps(versions, indent=1))

    def _known(self) -> set[str]:
        """Names of registrations and receipts that are both here and there."""
        try:
            return set(self._known_file.read_text().splitlines())
        except FileNotFoundError:
            return set()

    def _note(self, names: Iterable[str]) -> None:
        lines = "".join(f"{name}\n" for name in names)
        if lines:
            with self._known_file.open("a") as file:
                file.write(lines)


def require_project(url: str, *, outputs: bool = False) -> str:
    """Return the URL of a project, checked to be one.

    Args:
        url: where.
        outputs: accept one that has outputs alone, too.

    Raises:
        UsageError: there is none, or it cannot be looked at.
    """
    url = url.rstrip("/")
    place = UrlFolder(url)
    if "config.yaml" in place.listed(deep=False):
        return url
    if outputs and {"simulations", "store"} & place.folders():
        return url
    place.require_bucket()
    raise UsageError(
        f"'{url}' does not look like a STILT project (no config.yaml found). "
        f"`stilt init {url}` makes one."
    )
