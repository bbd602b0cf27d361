"""One meteorology: where its files are, of what format, how named, how much of them to use."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import PrivateAttr, field_validator, model_validator

from stilt.config.base import Float, Int, Section, described, problem, unknown_key
from stilt.config.datasets import dataset_digest
from stilt.config.forecasts import ForecastChoice, cycle_text, lead_text
from stilt.config.geometry import Bounds
from stilt.roots import Place, expanded, is_url

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

FORMATS = ("arl", "era5", "gfs", "hrrr", "wrf", "wrf-instantaneous", "cf", "auto")
"""Formats of weather files that have a name; see :mod:`stilt.meteorology.formats`."""

DATASETS = "weather"
"""Folder of a project that keeps datasets which were given in memory."""

CAMPAIGN = "campaign:"
"""Beginning of a ``moved_from`` that names a campaign of another program, and no folder."""

_PLAIN = re.compile(r"(\d{1,6}) ?(d|days?|h|hours?|min)", re.IGNORECASE)


class MetConfig(Section):
    """Files of one meteorology.

    With ``source`` set, keys that are not fields here are kept in ``source_options`` and handed
    to that archive.

    Args:
        dataset: an ``xarray.Dataset`` in memory, in place of ``directory``; read as ``format: cf``
            unless another format is given. It is stored as a NetCDF file in the project's folder
            ``weather`` when its inputs are stored.
        **data: fields of the section.
    """

    directory: Place | tuple[Place, ...] = described(
        ...,
        "Folder searched, with its subfolders, for weather files and Zarr stores, or the URL of a "
        "Zarr store, or a list of these whose fields belong together; ~ and environment variables "
        "work, and a relative one is looked for beside config.yaml first",
        visibility="basic",
    )
    format: str = described(
        "arl",
        "How the files are written: arl, era5, gfs, hrrr, wrf, wrf-instantaneous (winds of each "
        "time, not averaged ones), cf (any dataset with CF standard names), auto (looks into each "
        "file), or the import path of a class of your own",
        visibility="basic",
        min_length=1,
    )
    file_format: str | None = described(
        None,
        "Beginning of the file names as a strftime pattern, such as %Y%m%d_%H; required for arl "
        "without source, narrows the search for other formats",
        visibility="basic",
        min_length=1,
    )
    file_tres: str | None = described(
        None,
        "Time covered by one file, such as 1h, 6h or 24h; required for arl without source",
        unit="pandas offset",
        visibility="basic",
    )
    moved_from: tuple[str, ...] = described(
        (),
        "Where this weather was when results were made that are still valid, a folder or URL, or "
        "campaign:NAME for imported results of another program (`stilt migrate` writes it), or a "
        "list of these: they stay complete although directory has changed",
        visibility="advanced",
    )
    nested_in: tuple[str, ...] = described(
        (),
        "Meteorologies with coarser grids, the finest first, in which particles continue when "
        "they leave this one; those are not run on their own",
        visibility="advanced",
    )
    cycle: str | None = described(
        None,
        "Use forecasts of these cycles only: an hour such as 06, a list of hours, or one full "
        "time; if several have an hour, the newest is used",
        unit="UTC",
        visibility="advanced",
    )
    lead: str | None = described(
        None,
        "Use forecasts of this length only, hours since they began: 1h, or a range as 6h..11h",
        unit="hours",
        visibility="advanced",
    )
    realization: Int = described(
        0, "Number of a realization: runs with the same weather and random numbers of their own",
        visibility="advanced", ge=0,
    )  # fmt: skip
    n_min: Int = described(1, "Fewest files that a run may start with", visibility="advanced", ge=1)
    source: str | None = described(
        None, "Archive to download missing files from", visibility="advanced"
    )
    backend: Literal["s3", "ftp", "http"] = described(
        "s3", "Server kind that the archive is read from", visibility="advanced"
    )
    source_options: dict[str, Any] = described(
        {}, "Further options of the archive", visibility="expert"
    )
    subgrid_enable: bool = described(
        False, "Crop the files to subgrid_bounds before use", visibility="advanced"
    )
    subgrid_bounds: Bounds | None = described(
        None, "Area to keep when cropping", unit="degrees", visibility="advanced"
    )
    subgrid_buffer: Float = described(
        0.2, "Margin added on every side when cropping", unit="degrees", visibility="advanced",
        ge=0, le=90,
    )  # fmt: skip
    subgrid_levels: Int | None = described(
        None, "Levels to keep when cropping, counted from the ground", visibility="expert", ge=1
    )
    subgrid_dir: Path | None = described(
        None,
        "Folder for cropped files, which must be writable; <directory>/subgrid when not set",
        visibility="expert",
    )

    fastest_wind: Float | None = described(
        40.0,
        "Mean speed that bounds how far particles can travel: on large grids (except ARL files) "
        "only the weather within that reach of a receptor is prepared; null prepares all of it",
        unit="m s-1",
        visibility="expert",
        gt=0,
        le=1000,
    )

    _written_directory: str | tuple[str, ...] = PrivateAttr(default="")
    _dataset: Any = PrivateAttr(default=None)

    def __init__(self, dataset: xr.Dataset | None = None, **data: Any) -> None:
        if dataset is not None:
            if "directory" in data:
                raise problem("is of no use beside a dataset: remove one of them", "directory")
            data["directory"] = f"{DATASETS}/{dataset_digest(dataset)}"
            data.setdefault("format", "cf")
        super().__init__(**data)
        given = data["directory"]
        several = isinstance(given, list | tuple)
        self._written_directory = tuple(map(str, given)) if several else str(given)
        self._dataset = dataset

    @model_validator(mode="before")
    @classmethod
    def _keep_source_options(cls, data: Any) -> Any:
        if not isinstance(data, Mapping) or not data.get("source"):
            return data
        known = {key: value for key, value in data.items() if key in cls.model_fields}
        extra = {key: value for key, value in data.items() if key not in cls.model_fields}
        if extra:
            known["source_options"] = {**extra, **(known.get("source_options") or {})}
        return known

    @field_validator("directory", mode="before")
    @classmethod
    def _expand_places(cls, value: Any) -> Any:
        if not isinstance(value, list | tuple):
            return _expanded(value)
        if not value:
            raise ValueError("a folder is needed, not an empty list")
        return _expanded(value[0]) if len(value) == 1 else tuple(map(_expanded, value))

    @field_validator("subgrid_dir", mode="before")
    @classmethod
    def _expand(cls, value: Any) -> Any:
        return _expanded(value)

    @field_validator("format")
    @classmethod
    def _known_format(cls, value: str) -> str:
        if value not in FORMATS and "." not in value:
            raise ValueError(
                f"'{value}' is not a weather format: known are {', '.join(FORMATS)}, or the import "
                "path of a class of your own"
            )
        return value

    @field_validator("nested_in", "moved_from", mode="before")
    @classmethod
    def _one_or_several(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value

    @field_validator("moved_from")
    @classmethod
    def _folders(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not all(value):
            raise ValueError("a folder is needed, not an empty text")
        return value

    @field_validator("cycle", mode="before")
    @classmethod
    def _usable_cycle(cls, value: Any) -> Any:
        return None if value is None else cycle_text(value)

    @field_validator("lead", mode="before")
    @classmethod
    def _usable_lead(cls, value: Any) -> Any:
        return None if value is None else lead_text(value)

    @field_validator("file_format")
    @classmethod
    def _usable_pattern(cls, value: str | None) -> str | None:
        if value is not None:
            try:
                datetime(2000, 1, 1).strftime(value)
            except ValueError as error:
                raise ValueError(f"'{value}' is not a strftime pattern: {error}") from error
        return value

    @field_validator("file_tres", mode="before")
    @classmethod
    def _usable_interval(cls, value: Any) -> Any:
        if isinstance(value, int | float):
            raise ValueError(
                f"{value} has no unit: write {value}h for hours, {value}min for minutes"
            )
        if isinstance(value, timedelta) or hasattr(value, "freqstr"):
            value = getattr(value, "freqstr", str(value))
        if isinstance(value, str):
            _interval(value)
        return value

    @model_validator(mode="after")
    def _enough_to_find_files(self) -> MetConfig:
        if self.source is not None:
            _check_source(self.source)
        else:
            missing = [name for name in ("file_format", "file_tres") if getattr(self, name) is None]
            if missing and self.format == "arl":
                raise problem("is required when there is no source", missing[0])
            if self.source_options:
                key = next(iter(self.source_options))
                raise problem(unknown_key(key, type(self).model_fields), key)
        if self.source is not None and self.format != "arl":
            raise problem("archives hold ARL files: remove it, or source", "format")
        if self.format == "arl" and (len(self.places) > 1 or is_url(self.places[0])):
            raise problem("ARL files must be in one folder of this machine", "directory")
        if self.subgrid_enable and self.subgrid_bounds is None:
            raise problem("is required when subgrid_enable=True.", "subgrid_bounds")
        return self

    @property
    def file_interval(self) -> pd.Timedelta:
        """Time covered by one file; one hour when an archive decides."""
        import pandas as pd

        return pd.Timedelta(_interval(self.file_tres) if self.file_tres else "1h")

    @property
    def forecasts(self) -> ForecastChoice:
        """Which forecasts may be used."""
        return ForecastChoice(self.cycle or "", self.lead or "")

    @property
    def places(self) -> tuple[Place, ...]:
        """Every folder and URL of ``directory``, in its order."""
        return self.directory if isinstance(self.directory, tuple) else (self.directory,)

    @property
    def where(self) -> str:
        """The folders and URLs of ``directory``, for a person."""
        return " and ".join(map(str, self.places))

    @property
    def subgrid_directory(self) -> Path:
        """Folder for cropped files."""
        folders = (place for place in self.places if isinstance(place, Path))
        return self.subgrid_dir or next(folders, Path()) / "subgrid"

    @property
    def dataset(self) -> xr.Dataset | None:
        """The dataset in memory that ``directory`` is going to hold; None where there is none."""
        return self._dataset

    def dataset_below(self, root: Path) -> MetConfig:
        """Return the same meteorology with its dataset in a folder of a project."""
        if self._dataset is None or not isinstance(self.directory, Path):
            return self
        return self.model_copy(update={"directory": root / self.directory})

    def forget_dataset(self) -> None:
        """Let go of the dataset, which ``directory`` holds by now."""
        self._dataset = None

    @property
    def written_directory(self) -> str | tuple[str, ...]:
        """The directory as the user wrote it."""
        return self._written_directory

    def remember_written(self, directory: str | tuple[str, ...]) -> None:
        """Keep how the user wrote the directory; it does not change the configuration's meaning."""
        self._written_directory = directory


def is_campaign(place: object) -> bool:
    """Return whether an entry of ``moved_from`` names a campaign of another program."""
    return isinstance(place, str) and place.startswith(CAMPAIGN)


def nest_of(mets: Mapping[str, MetConfig], name: str) -> tuple[str, ...]:
    """Return a meteorology and those that it is nested in, the finest grid first.

    Args:
        mets: meteorologies by name.
        name: of the finest.
    """
    nest, coming = [], [name]
    while coming:
        each = coming.pop(0)
        if each not in nest:
            nest.append(each)
            coming += [outer for outer in mets[each].nested_in if outer not in coming]
    return tuple(nest)


def circular_nest(mets: Mapping[str, MetConfig]) -> tuple[str, ...]:
    """Return meteorologies each of which is nested in the next, from one to itself; () for none.

    Args:
        mets: meteorologies by name.
    """

    def circle_from(path: tuple[str, ...]) -> tuple[str, ...]:
        for outer in mets[path[-1]].nested_in:
            if outer in path:
                return (*path[path.index(outer) :], outer)
            if outer not in cleared and (found := circle_from((*path, outer))):
                return found
        cleared.add(path[-1])
        return ()

    cleared: set[str] = set()
    return next(filter(None, (circle_from((name,)) for name in mets)), ())


def run_on_their_own(mets: Mapping[str, MetConfig]) -> tuple[str, ...]:
    """Return the names of the meteorologies in which no other one is nested."""
    outer = {name for met in mets.values() for name in met.nested_in}
    return tuple(name for name in mets if name not in outer)


def _expanded(value: Any) -> Any:
    """A folder with ``~`` and variables filled in, absolute if it exists; a URL as it is."""
    if not isinstance(value, (str, os.PathLike)):
        return value
    if not str(value).strip():
        raise ValueError("a folder is needed, not an empty text")
    if is_url(value):
        return str(value)
    path = expanded(value)
    if isinstance(value, str) and not path.is_dir():
        # Blanks around it are seldom meant.
        path = expanded(value.strip())
    return Path(os.path.abspath(path)) if path.is_dir() else path


def _interval(text: str) -> timedelta:
    """Read a pandas offset of fixed length, or raise ValueError."""
    interval = _plain_interval(text)
    if interval is None:
        import pandas as pd

        try:
            interval = pd.Timedelta(text if text[:1].isdigit() else f"1{text}")
        except ValueError as error:
            raise ValueError(
                f"'{text}' is not a length of time: write it like 1h, 6h or 24h"
            ) from error
    if not timedelta(minutes=1) <= interval <= timedelta(days=366):
        raise ValueError(f"'{text}' must be between one minute and one year")
    return interval


def _plain_interval(text: str) -> timedelta | None:
    """Read what most configurations hold without loading pandas, which takes longer than status."""
    found = _PLAIN.fullmatch(text)
    if found is None:
        return None
    unit = {"d": "days", "h": "hours", "m": "minutes"}[found[2][0].lower()]
    return timedelta(**{unit: int(found[1])})


def _check_source(source: str) -> None:
    """Refuse an archive that the ARL library does not know."""
    from arlmet.archives import ARCHIVES

    if source not in ARCHIVES:
        raise problem(
            f"unknown source '{source}': known are {', '.join(sorted(ARCHIVES))}", "source"
        )
