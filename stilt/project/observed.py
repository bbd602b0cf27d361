"""Observations stored in a project: one table of soundings and one of kernels for each name."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from stilt.atomic import atomic_path
from stilt.config.model import OBSERVATIONS_NAME
from stilt.config.templates import TEMPLATES
from stilt.errors import UsageError
from stilt.notices import notice
from stilt.observations.soundings import Soundings
from stilt.project.kernels import FIRST_VERSION, RECEPTOR, VERSION, table_version
from stilt.project.keys import digest
from stilt.project.layout import ProjectLayout
from stilt.receptors import (
    Receptor,
    read_receptors,
    starter_receptors_csv,
    write_receptors,
)

if TYPE_CHECKING:
    from stilt.config.observations import ObservationsConfig

logger = logging.getLogger(__name__)

KERNELS = "-kernels"
STARTERS = {starter_receptors_csv(), *(each.receptors for each in TEMPLATES.values())}
# Rows in a group of a kernel table: what is read for one receptor.
KERNEL_ROWS = 20_000


class ObservationTables:
    """Tables in the folder ``observations`` of an output root.

    Args:
        root: the output root.
    """

    def __init__(self, root: Path) -> None:
        self.folder = ProjectLayout(root).observations

    def table_path(self, name: str) -> Path:
        """File of the soundings of one name."""
        return self.folder / f"{name}.parquet"

    def kernel_path(self, name: str) -> Path:
        """File of the kernels of one name."""
        return self.folder / f"{name}{KERNELS}.parquet"

    def names(self) -> list[str]:
        """Return the names that there are tables of, sorted."""
        found = sorted(path.stem for path in self.folder.glob("*.parquet"))
        return [name for name in found if not name.endswith(KERNELS)]

    def write(
        self,
        name: str,
        table: pd.DataFrame,
        kernels: pd.DataFrame | None = None,
        *,
        version: str = FIRST_VERSION,
    ) -> None:
        """Replace the tables of a name.

        Args:
            name: letters, digits, - and _.
            table: one row a sounding, with the column ``receptor``.
            kernels: rows of receptor, pressure_hpa and kernel; none of them: no file.
            version: of the kernels, another one when kernels of the same receptors change.

        Raises:
            UsageError: a name that cannot be part of a file's name.
        """
        if not OBSERVATIONS_NAME.fullmatch(name):
            raise UsageError(
                f"{name!r} cannot name observations: use letters, digits, - and _, not ending in "
                f"{KERNELS}."
            )
        with atomic_path(self.table_path(name)) as temporary:
            table.to_parquet(temporary, index=False)
        path = self.kernel_path(name)
        if kernels is None or kernels.empty:
            path.unlink(missing_ok=True)
            return
        ordered = kernels
        if not ordered[RECEPTOR].is_monotonic_increasing:
            ordered = ordered.sort_values(RECEPTOR, kind="stable")
        import pyarrow as pa
        import pyarrow.parquet as pq

        # As texts: a group of rows would hold the names of all categories.
        rows = pa.Table.from_pandas(ordered, preserve_index=False)
        names = rows[RECEPTOR].cast(pa.string())
        rows = rows.set_column(rows.schema.get_field_index(RECEPTOR), RECEPTOR, names)
        rows = rows.replace_schema_metadata({**(rows.schema.metadata or {}), VERSION: version})
        with atomic_path(path) as temporary:
            pq.write_table(rows, temporary, row_group_size=KERNEL_ROWS)

    def has(self, name: str) -> bool:
        """Return whether there are soundings of a name."""
        return self.table_path(name).exists()

    def read(self, name: str) -> pd.DataFrame:
        """Return the soundings of one name.

        Raises:
            UsageError: their table is damaged.
        """
        return _read_table(self.table_path(name), (RECEPTOR,))

    def read_all(self) -> pd.DataFrame:
        """Return all soundings, index = receptor id, with their ``name``."""
        parts = [self.read(name).assign(name=name) for name in self.names()]
        if not parts:
            return pd.DataFrame(index=pd.Index([], name=RECEPTOR))
        return pd.concat(parts, ignore_index=True).set_index(RECEPTOR)

    def add(
        self, name: str, soundings: Soundings, receptors: Sequence[Receptor], *, replace: bool
    ) -> None:
        """Store soundings and their kernels beside those that a name has.

        Args:
            name: of the tables.
            soundings: what was measured.
            receptors: of every sounding.
            replace: drop what the name has; otherwise only soundings of the same id are replaced,
                and a receptor that another sounding has given a kernel keeps it.

        Raises:
            UsageError: two soundings have one id; they would replace soundings of another gas, or
                there would be kernels of two gases.
        """
        named = soundings.table["sounding_id"]
        if (again := named[named.duplicated()]).size:
            raise UsageError(
                f"The sounding {again.iloc[0]} is there more than once, one of {again.size} such: "
                "leave out one of the files, or give every sounding an id of its own."
            )
        ids = [str(receptor.id) for receptor in receptors]
        table = soundings.table.assign(**{RECEPTOR: ids})
        kernels = soundings.kernels(ids)
        has_kernels = self.kernel_path(name).exists()
        stored = pd.DataFrame(columns=kernels.columns)
        if has_kernels:
            stored = _read_table(self.kernel_path(name), (RECEPTOR, "kernel"))
            kernels = kernels.astype({RECEPTOR: str})
        if not replace and self.has(name):
            before = self.read(name)
            _refuse_another_gas(name, before, table, has_kernels=has_kernels or len(kernels) > 0)
            before = before[~before["sounding_id"].isin(table["sounding_id"])]
            table = pd.concat([before, table], ignore_index=True) if len(before) else table
            known = stored[stored[RECEPTOR].isin(before[RECEPTOR])]
            if len(known):
                _tell_of_kept_kernels(name, known, kernels)
                others = kernels[~kernels[RECEPTOR].isin(known[RECEPTOR])]
                kernels = pd.concat([known, others], ignore_index=True) if len(others) else known
        gases = _gases(table)
        if len(kernels) and len(gases) > 1:
            raise UsageError(
                f"The soundings of {name} are of {' and '.join(gases)}, and a table of averaging "
                "kernels holds those of one gas: store each gas under its own name."
            )
        version = self._version(name, stored, kernels) if has_kernels else FIRST_VERSION
        self.write(name, table, kernels, version=version)
        without = sorted(set(ids) - set(kernels[RECEPTOR].astype(str))) if len(kernels) else []
        if without:
            notice(
                logger,
                "%d of %d soundings have no averaging kernel, %s for example: a footprint weighted "
                "with kernels fails for them, unless the transform says `others: keep`.",
                len(without), len(ids), without[0],
            )  # fmt: skip

    def _version(self, name: str, stored: pd.DataFrame, added: pd.DataFrame) -> str:
        """Version of kernels that replace those stored: another one where any changes."""
        told = table_version(self.kernel_path(name))
        both = stored.merge(added, how="outer", indicator=True)
        common = set(stored[RECEPTOR]) & set(added[RECEPTOR])
        differ = both[(both["_merge"] != "both") & both[RECEPTOR].isin(common)]
        return digest([told, differ.astype(str).to_numpy().tolist()]) if len(differ) else told


def _read_table(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    """Read a table of observations, which must have some columns.

    Raises:
        UsageError: it is damaged, or another table.
    """
    try:
        table = pd.read_parquet(path)
    except FileNotFoundError:
        raise
    except (OSError, ValueError, KeyError, NotImplementedError) as error:
        raise UsageError(
            f"{path} cannot be read ({error}): delete it, and read the soundings again with `stilt "
            "observe` (or model.observe)."
        ) from error
    if lacking := [name for name in columns if name not in table]:
        raise UsageError(
            f"{path} is not a table of observations, for lack of {', '.join(lacking)}: delete it, "
            "and read the soundings again with `stilt observe` (or model.observe)."
        )
    return table


def _gases(table: pd.DataFrame) -> list[str]:
    """Return the gases that soundings are of, sorted; those that do not say are left out."""
    return sorted({str(gas).lower() for gas in table["species"].dropna().unique() if gas})


def _refuse_another_gas(
    name: str, before: pd.DataFrame, added: pd.DataFrame, *, has_kernels: bool
) -> None:
    """Refuse soundings that would replace those of another gas, or their kernels."""
    there = before if has_kernels else before[before["sounding_id"].isin(added["sounding_id"])]
    again = added if has_kernels else added[added["sounding_id"].isin(there["sounding_id"])]
    held, given = _gases(there), _gases(again)
    if held and given and held != given:
        raise UsageError(
            f"The observations {name} hold soundings of {' and '.join(held)}, and those to be "
            f"added are of {' and '.join(given)}: store them under another name (--name, or "
            "another entry of observations in config.yaml), or drop the former with --replace "
            "(replace=True)."
        )


def _tell_of_kept_kernels(name: str, known: pd.DataFrame, added: pd.DataFrame) -> None:
    """Say which receptors keep the kernels of other soundings than those added."""
    shared = set(known[RECEPTOR]) & set(added[RECEPTOR])
    if not shared:
        return
    both = known.merge(added, how="outer", indicator=True)
    differ = both.loc[(both["_merge"] != "both") & both[RECEPTOR].isin(shared), RECEPTOR]
    if len(differ):
        notice(
            logger,
            "%d receptor(s), such as %s, keep the averaging kernels of soundings that %s had "
            "before: store the others under another name to use theirs.",
            differ.nunique(), differ.min(), name,
        )  # fmt: skip


def labels_of(receptors: Sequence[Receptor]) -> pd.DataFrame:
    """Return the labels of receptors, index = receptor id."""
    index = pd.Index([str(receptor.id) for receptor in receptors], name=RECEPTOR)
    return pd.DataFrame([dict(each.labels) for each in receptors], index=index)


def configured_soundings(
    observations: Mapping[str, ObservationsConfig], folder: Path
) -> dict[str, tuple[Soundings, list[Receptor]]]:
    """Read the soundings that ``observations`` in config.yaml names, with their receptors.

    Raises:
        UsageError: there are none, or a file cannot be read.
    """
    if not observations:
        raise UsageError(
            "config.yaml has no observations: name files and a reader there, or give soundings."
        )
    return {name: soundings_of(settings, folder) for name, settings in observations.items()}


def _none_left(found: Soundings, settings: ObservationsConfig) -> str:
    """Say why no sounding is left, and what to do."""
    where = str(settings.files[0]) + (" and others" if len(settings.files) > 1 else "")
    if not len(found):
        return f"{where} holds no sounding with a time and a place."
    usable = len(found.select(good=settings.good))
    if usable:
        why = (
            f"{usable} are usable, {_extent(found.select(good=settings.good))}, and none of them "
            "is inside the bounds and times asked for (--bounds, --from and --to; bounds and "
            "time_range in config.yaml)"
        )
    elif found.table["value"].notna().any():
        why = "none is of good quality; --all-quality (good: false) keeps them"
    else:
        why = "none has a value"
    return f"None of the {len(found)} soundings of {where} is left: {why}."


def _extent(soundings: Soundings) -> str:
    """Return where and when soundings are."""
    table = soundings.table
    west, east = table["longitude"].min(), table["longitude"].max()
    south, north = table["latitude"].min(), table["latitude"].max()
    first, last = table["time"].min(), table["time"].max()
    return (
        f"at longitudes {west:.2f} to {east:.2f}, latitudes {south:.2f} to {north:.2f}, "
        f"{first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M} UTC"
    )


def soundings_of(settings: ObservationsConfig, folder: Path) -> tuple[Soundings, list[Receptor]]:
    """Read, choose and place the soundings of an entry of ``observations`` in config.yaml.

    Args:
        settings: the entry.
        folder: where relative files are looked for.
    """
    from stilt.observations.readers import read_files

    found = read_files(
        settings.files, settings.reader, species=settings.species, units=settings.units,
        time_format=settings.time_format, folder=folder,
    )  # fmt: skip
    span = settings.time_range
    chosen = found.select(
        good=settings.good,
        bounds=settings.bounds,
        time_range=None if span is None else (span[0], span[1]),
    )
    if settings.thin_degrees is not None:
        chosen = chosen.thin(settings.thin_degrees)
    if not len(chosen):
        raise UsageError(_none_left(found, settings))
    receptors = chosen.receptors(
        settings.receptor,
        bottom=settings.bottom,
        top=settings.top,
        heights=settings.heights,
        altitude_ref=settings.altitude_ref,
    )
    return chosen, receptors


def join_receptors(
    path: Path,
    added: Sequence[Receptor],
    *,
    known: Sequence[Receptor] | None = None,
    dropped: Collection[tuple[str, str]] = (),
    time_format: str | None = None,
) -> list[Receptor]:
    """Add receptors to a project's receptors.csv; the example of ``stilt init`` is replaced.

    Args:
        path: receptors.csv.
        added: receptors of observations; those with the same id are one.
        known: the receptors so far, where they are not those of the file.
        dropped: receptor id and sounding id of those to remove; one that has another sounding as
            its label, or none, is the user's own and stays.
        time_format: form of the times in the file.

    Returns:
        All receptors.
    """
    before = list(known or [])
    if known is None and path.exists() and path.read_text("utf-8", "replace") not in STARTERS:
        before = read_receptors(path, time_format=time_format)
        if number := _example_rows(path.read_text("utf-8", "replace")):
            notice(
                logger, "%s still lists the %d example receptors that `stilt init` wrote into it, "
                "which a run computes too: remove those that are not yours.", path, number,
            )  # fmt: skip
    left = [
        receptor
        for receptor in before
        if (str(receptor.id), str(receptor.labels.get("sounding_id"))) not in dropped
    ]
    joined = {str(receptor.id): receptor for receptor in left}
    grown = dict(joined)
    for receptor in added:
        grown.setdefault(str(receptor.id), receptor)
    changed = len(left) != len(before) or len(grown) != len(joined)
    if changed or known is not None or not path.exists():
        write_receptors(path, grown.values())
    return list(grown.values())


def _example_rows(text: str) -> int:
    """Return how many rows a receptors.csv has from `stilt init`, if it has all of them."""
    lines = set(map(str.strip, text.splitlines()))
    for starter in STARTERS:
        _, *rows = [line for line in starter.splitlines() if line and not line.startswith("#")]
        if rows and lines.issuperset(rows):
            return len(rows)
    return 0
