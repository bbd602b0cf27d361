"""Tables of averaging kernels beside the receptors, read as receptors ask for theirs."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache, lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stilt.config import FootprintConfig
from stilt.config.kernel_levels import kernel_fault
from stilt.errors import FootprintError, UsageError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from stilt.receptors import Receptor

RECEPTOR = "receptor"
COORDINATES = ("pressure_hpa", "height_m")
VERSION = b"stilt:version"
FIRST_VERSION = "first"
# Groups of rows kept in memory, of about 20,000 rows each.
KEPT_GROUPS = 4

Kernel = tuple[list[float], list[float]]


class KernelTable:
    """A table of kernels in a Parquet or CSV file.

    Of a Parquet file that is sorted by receptor only the rows around the receptors asked for are
    read.

    Args:
        path: the file.

    Raises:
        UsageError: it cannot be read, or lacks a column.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._frame: pd.DataFrame | None = None
        if path.suffix.lower() == ".csv":
            self._frame = _read_csv(path)
            names = list(self._frame.columns)
        else:
            names = self._open(path)
        found = [name for name in COORDINATES if name in names]
        if len(found) != 1 or RECEPTOR not in names or "kernel" not in names:
            raise UsageError(
                f"{path} needs the columns {RECEPTOR}, kernel and one of "
                f"{' or '.join(COORDINATES)}; it has {', '.join(names)}."
            )
        self.coordinate = found[0]
        if self._frame is not None:
            _refuse_words(self._frame, (self.coordinate, "kernel"), path)
        self._group = lru_cache(KEPT_GROUPS)(self._read_group)

    def _open(self, path: Path) -> list[str]:
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            self._file = pq.ParquetFile(path)
        except (OSError, pa.ArrowException) as error:
            raise UsageError(f"{path} is not a Parquet file that can be read ({error}).") from error
        names = list(self._file.schema_arrow.names)
        self._spans: list[tuple[str, str] | None] = []
        at = names.index(RECEPTOR) if RECEPTOR in names else 0
        for number in range(self._file.num_row_groups):
            told = self._file.metadata.row_group(number).column(at).statistics
            known = told is not None and told.has_min_max
            self._spans.append((str(told.min), str(told.max)) if known else None)
        return names

    def of(self, receptor_id: str) -> Kernel | None:
        """Return levels and values of a receptor's kernel, None where it has no row.

        Raises:
            UsageError: a level is there twice, a value is missing, or a number cannot be.
        """
        import numpy as np

        rows: list[np.ndarray] = []
        if self._frame is not None:
            mine = self._frame[self._frame[RECEPTOR] == receptor_id]
            rows.append(mine[[self.coordinate, "kernel"]].to_numpy(np.float64))
        else:
            for number, span in enumerate(self._spans):
                if span is None or span[0] <= receptor_id <= span[1]:
                    names, values = self._group(number)
                    first = np.searchsorted(names, receptor_id, side="left")
                    last = np.searchsorted(names, receptor_id, side="right")
                    rows.append(values[first:last])
        found = np.concatenate(rows) if rows else np.empty((0, 2))
        if not len(found):
            return None
        if not np.isfinite(found).all() or np.unique(found[:, 0]).size < len(found):
            raise UsageError(
                f"{self.path}: the kernel of {receptor_id} has a level twice, or no value there."
            )
        levels, values = found[:, 0].tolist(), found[:, 1].tolist()
        if fault := kernel_fault(levels, values, self.coordinate):
            column = self.coordinate if fault[0] == "levels" else "kernel"
            raise UsageError(f"{self.path}, column {column}, {receptor_id}: {fault[1]}.")
        return levels, values

    def receptors(self) -> set[str]:
        """Return the ids of all receptors that have rows."""
        if self._frame is not None:
            return set(self._frame[RECEPTOR])
        column = self._file.read(columns=[RECEPTOR])[RECEPTOR]
        return set(map(str, column.unique().to_pylist()))

    def _read_group(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        """Return receptors and (level, value) of a group of rows, by receptor."""
        import numpy as np

        rows = self._file.read_row_group(number, columns=[RECEPTOR, self.coordinate, "kernel"])
        names = np.asarray(rows[RECEPTOR].to_pylist(), dtype=object)
        values = np.stack([rows[n].to_numpy() for n in (self.coordinate, "kernel")], axis=1)
        order = np.argsort(names, kind="stable")
        return names[order], values.astype(np.float64)[order]


def _read_csv(path: Path) -> pd.DataFrame:
    import pandas as pd

    from stilt.receptors.file_kinds import other_separator

    try:
        found = pd.read_csv(path, comment="#", dtype={RECEPTOR: str}, encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be read as a table of kernels ({error}).") from error
    header = ",".join(map(str, found.columns))
    if RECEPTOR not in found and (
        word := other_separator(header, frozenset({RECEPTOR, "kernel", *COORDINATES}))
    ):
        raise UsageError(
            f"{path}: the columns are separated by {word}: separate them by commas, and write "
            "numbers with a decimal point."
        )
    return found


def _refuse_words(frame: pd.DataFrame, columns: Iterable[str], path: Path) -> None:
    """Refuse a table with words among the numbers of its columns."""
    import pandas as pd

    for name in columns:
        numbers = pd.to_numeric(frame[name], errors="coerce")
        words = frame[name][numbers.isna() & frame[name].notna()]
        if len(words):
            raise UsageError(
                f"{path}, column {name}: {words.iloc[0]!r} is not a number: write it without a "
                "unit and with a decimal point."
            )


class Kernels:
    """The kernel tables that a project's footprints name.

    Args:
        folders: where relative paths are looked for, in this order.
        fetch: called once with each relative path before it is looked for, where the project is
            on a URL.
    """

    def __init__(self, folders: Iterable[Path], fetch: Callable[[str], None] | None = None) -> None:
        self.folders = list(dict.fromkeys(folders))
        self._fetch = cache(fetch or _nothing)
        self._tables: dict[Path, tuple[int, KernelTable]] = {}

    def path(self, table: str) -> Path:
        """Return the file of a table, in the first folder where no folder has it."""
        if not Path(table).expanduser().is_absolute():
            self._fetch(table)
        places = [folder / Path(table).expanduser() for folder in self.folders]
        return next((place for place in places if place.is_file()), places[0])

    def lacking(
        self, footprints: Mapping[str, FootprintConfig], receptors: Sequence[Receptor]
    ) -> list[str]:
        """Return a sentence for each footprint that receptors will fail for want of a kernel.

        Args:
            footprints: of the configuration.
            receptors: those that are to be computed.
        """
        told = []
        for name, settings in footprints.items():
            for each in settings.transforms:
                table = each.get("table")
                if not table or each["others"] == "keep" or not self.path(table).is_file():
                    continue
                known = self._table(self.path(table)).receptors()
                without = [str(one.id) for one in receptors if str(one.id) not in known]
                if without:
                    told.append(
                        f"{len(without)} of {len(receptors)} receptors have no kernel in {table}, "
                        f"{without[0]} for example, and will fail: with others: keep in this "
                        f"transform of the footprint {name} they count unweighted."
                    )
        return told

    def files(self, footprints: Mapping[str, FootprintConfig]) -> dict[str, Path]:
        """Return the files that transforms read, by their path relative to the project."""
        names = {
            each["table"] if each.get("table") else _file_of(each["path"])
            for settings in footprints.values()
            for each in settings.transforms
            if each.get("table") or each["kind"] == "import"
        }
        relative = sorted(name for name in names if not Path(name).expanduser().is_absolute())
        return {name: path for name in relative if (path := self.path(name)).is_file()}

    def require(self, footprints: Mapping[str, FootprintConfig]) -> None:
        """Refuse a run whose footprints name a table that is not there, or not one of kernels.

        Raises:
            UsageError: there is no such file, or it lacks a column; the sentence says which.
        """
        for name, settings in footprints.items():
            for each in settings.transforms:
                table = each.get("table")
                if table and not self.path(table).is_file():
                    raise UsageError(
                        f"The footprint {name!r} needs the table of kernels {self.path(table)}, "
                        "which is not there: `stilt observe` makes it."
                    )
                if table:
                    self._table(self.path(table))

    def bound(self, settings: FootprintConfig, receptor: Receptor) -> FootprintConfig:
        """Return a footprint's settings with the receptor's own kernels in their transforms.

        Raises:
            FootprintError: there is no such table, or the receptor has no kernel in it.
        """
        for each in settings.transforms:
            if each["kind"] == "import":
                self._fetch(_file_of(each["path"]))
        for folder in self.folders:
            uses_modules = any(each["kind"] == "import" for each in settings.transforms)
            if uses_modules and str(folder) not in sys.path:
                sys.path.append(str(folder))
        if not any(each.get("table") for each in settings.transforms):
            return settings
        transforms = [self._with_kernel(each, receptor) for each in settings.transforms]
        return settings.model_copy(
            update={"transforms": [each for each in transforms if each is not None]}
        )

    def _with_kernel(
        self, transform: Mapping[str, Any], receptor: Receptor
    ) -> dict[str, Any] | None:
        if not transform.get("table"):
            return dict(transform)
        path = self.path(transform["table"])
        if not path.is_file():
            raise FootprintError(
                f"There is no table of kernels {path}: `stilt observe` makes those of instruments."
            )
        try:
            read = self._table(path)
            kernel = read.of(str(receptor.id))
        except UsageError as error:
            raise FootprintError(str(error)) from error
        if kernel is None:
            if transform["others"] == "keep":
                return None
            raise FootprintError(
                f"{path} has no kernel of {receptor.id}; others: keep in the transform leaves such "
                "receptors unweighted."
            )
        levels, values = kernel
        return {
            **transform, "table": None, "levels": levels, "values": values,
            "coordinate": read.coordinate,
        }  # fmt: skip

    def _table(self, path: Path) -> KernelTable:
        """Return a table, read again where its file has changed."""
        changed_ns = path.stat().st_mtime_ns
        kept = self._tables.get(path)
        if kept is None or kept[0] != changed_ns:
            kept = self._tables[path] = changed_ns, KernelTable(path)
        return kept[1]

    def identity(self, transform: Mapping[str, Any]) -> dict[str, Any]:
        """Return what says of a transform which footprints it makes, files included.

        A table of ``stilt observe`` counts with its version, which changes when a kernel that was
        there does, and not when others are added; any other one with its content.
        """
        plain = dict(transform)
        if plain.get("table"):
            plain["table"] = [plain["table"], table_version(self.path(plain["table"]))]
        if plain.get("kind") == "import":
            plain["path"] = [plain["path"], self._module_digest(plain["path"])]
        return plain

    def _module_digest(self, path: str) -> str:
        """Digest of the file of a transform's module, "" where it is not to be found."""
        module = path.partition(":")[0]
        self._fetch(_file_of(path))
        beside = [folder / _file_of(path) for folder in self.folders]
        found = next((place for place in beside if place.is_file()), None)
        if found is None:
            try:
                spec = find_spec(module)
            except (ImportError, ValueError):
                return ""
            if spec is None or spec.origin is None or not Path(spec.origin).is_file():
                return ""
            found = Path(spec.origin)
        return hashlib.sha256(found.read_bytes()).hexdigest()[:16]


def _file_of(path: str) -> str:
    """Return the file of a transform's module, relative to the project."""
    return path.partition(":")[0].replace(".", "/") + ".py"


def _nothing(name: str) -> None:
    """Fetch nothing."""


def table_version(path: Path) -> str:
    """Return the version of a table of kernels, "" where there is none."""
    if not path.is_file():
        return ""
    if path.suffix.lower() != ".csv":
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            kept = pq.read_schema(path).metadata or {}
        except (OSError, pa.ArrowException):
            return ""
        if VERSION in kept:
            return kept[VERSION].decode()
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]
