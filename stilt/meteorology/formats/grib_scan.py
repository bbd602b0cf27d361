"""List the analyses of a GRIB file: messages by time, forecast hour, grid and kind of level."""

from __future__ import annotations

import hashlib
import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stilt.meteorology.formats.axes import NO_LEVELS, Vertical, pressure_levels, with_levels
from stilt.meteorology.formats.fields import Field, Product
from stilt.meteorology.formats.grib_grids import GribGrid, grid_of
from stilt.meteorology.formats.grib_messages import (
    GribError,
    MessagePlace,
    decoded,
    eccodes,
    places,
)
from stilt.meteorology.formats.step_ranges import preference
from stilt.meteorology.grids import MetGrid
from stilt.meteorology.records import AnalysisRef, Message

SURFACE, PRESSURE, HYBRID = "surface", "pressure", "hybrid"
_STEP_TYPES = ("instant", "accum", "avg")
_STEP = re.compile(r"(\d+)([smhD]?)")
_MINUTES = {"s": 1.0 / 60.0, "m": 1.0, "h": 60.0, "": 60.0, "D": 1440.0}
_SPARED = (("RELH", "SPHU"), ("DZDT", "WWND"))
_TERRAIN = "SHGT"
_SHOWN = 8

Vertically = Callable[[NDArray[np.int64], dict[str, Any]], Vertical]


class Named(NamedTuple):
    """What a message holds.

    Attributes:
        name: of the field in the product's table.
        kind: SURFACE, PRESSURE or HYBRID.
        level: hPa, or number of the model level; 0 at the surface.
    """

    name: str
    kind: str
    level: float = 0.0


class _Group(NamedTuple):
    """The properties that messages of one analysis share."""

    time: np.datetime64
    forecast_hour: int
    kind: str
    grid: MetGrid


@dataclass(frozen=True)
class _Found:
    """A message that the product knows."""

    field: Field
    level: float
    message: Message
    digest: bytes


@dataclass(frozen=True)
class Reader:
    """How a product's messages are recognised.

    Attributes:
        product: its fields.
        centres: that make it, as ecCodes abbreviates them.
        named: returns what a message holds; None for what the product does not use.
        hybrid: returns the vertical axis of model levels, from their numbers and the attributes
            that :func:`stilt.meteorology.formats.hybrid.full_levels` takes.
        is_analysis: returns whether a message's forecast hour is ignored, as in a reanalysis.
    """

    product: Product
    centres: tuple[str, ...]
    named: Callable[[Any], Named | None]
    hybrid: Vertically
    is_analysis: Callable[[Any], bool]


def scan(path: str, reader: Reader) -> list[AnalysisRef]:
    """List what a file holds of each analysis, its levels and its surface fields separately.

    Raises:
        GribError: the file is damaged, or has nothing that transport can use.
    """
    stat = os.stat(path)
    identity = f"{stat.st_size}-{stat.st_mtime_ns}"
    groups = _messages(path, reader)
    refs = [
        _reference(path, identity, group, vertical, kept, reader.product.name)
        for group, vertical, kept in _settled(groups, reader)
    ]
    return sorted(_with_constant_terrain(refs, reader.product), key=lambda ref: ref.offset)


def _messages(path: str, reader: Reader) -> tuple[dict[_Group, list[_Found]], dict[str, Any]]:
    """Return the messages that the product knows, and the attributes of its model levels."""
    groups: dict[_Group, list[_Found]] = defaultdict(list)
    grids: dict[str, GribGrid] = {}
    attributes: dict[str, Any] = {}
    seen: set[str] = set()
    members: set[Any] = set()
    for number, place in enumerate(places(path)):
        with decoded(place.header) as handle:
            if number == 0:
                _check_centre(handle, reader)
            named = reader.named(handle)
            field = None if named is None else _field(named, reader.product)
            if named is None or field is None:
                if not groups and len(seen) <= _SHOWN:
                    seen.add(str(eccodes().codes_get(handle, "shortName")))
                continue
            message = _message(handle, named, place)
            if message is None:
                continue
            key = str(eccodes().codes_get(handle, "md5GridSection"))
            if key not in grids:
                grids[key] = grid_of(handle, reader.product.source)
            if named.kind == HYBRID and not attributes:
                attributes = _attributes(handle)
            members.add(_member(handle))
            time, hour = _times(handle)
            group = _Group(
                time, 0 if reader.is_analysis(handle) else hour, named.kind, grids[key].nodes.grid
            )
            groups[group].append(_Found(field, named.level, message, place.digest))
    if len(members) > 1:
        raise GribError(
            f"it holds {len(members)} members of an ensemble, and only one can be used: split it "
            "and keep one"
        )
    if not groups:
        raise GribError(
            f"none of its fields is one that transport reads ({_some(seen)}); see the page of the "
            f"format {reader.product.name} for what to download"
        )
    return groups, attributes


def _check_centre(handle: Any, reader: Reader) -> None:
    centre = str(eccodes().codes_get(handle, "centre"))
    if centre not in reader.centres:
        raise GribError(
            f"it was made by the centre {centre}, and the format {reader.product.name} reads those "
            f"of {', '.join(reader.centres)}, whose signs and units differ"
        )


def _field(named: Named, product: Product) -> Field | None:
    table = product.surface if named.kind == SURFACE else product.upper
    return table.get(named.name)


def _message(handle: Any, named: Named, place: MessagePlace) -> Message | None:
    """Return a message's place; None for a statistic over time that is neither mean nor amount."""
    get = eccodes().codes_get
    step_type = str(get(handle, "stepType"))
    if step_type not in _STEP_TYPES:
        return None
    start = end = 0
    if step_type != "instant":
        start, end = _range(str(get(handle, "stepRange")))
        if end <= start:
            return None
    return Message(named.name, -1, place.offset, place.nbytes, place.number, step_type, start, end)


def _range(text: str) -> tuple[int, int]:
    """Return the minutes at which a range of steps begins and ends."""
    ends = [
        round(int(number) * _MINUTES[unit])
        for number, unit in (_STEP.fullmatch(each).groups() for each in text.split("-"))  # type: ignore[union-attr]
    ]
    return (ends[0], ends[1]) if len(ends) == 2 else (0, ends[0])


def _times(handle: Any) -> tuple[np.datetime64, int]:
    """Return the valid time, and the whole hours since the forecast began."""
    began, valid = (
        _minute(*(int(eccodes().codes_get(handle, f"{which}{part}")) for part in ("Date", "Time")))
        for which in ("data", "validity")
    )
    return valid, int((valid - began) // np.timedelta64(1, "h"))


def _minute(date: int, time: int) -> np.datetime64:
    day = f"{date // 10_000:04d}-{date // 100 % 100:02d}-{date % 100:02d}"
    return np.datetime64(f"{day}T{time // 100:02d}:{time % 100:02d}", "m")


def _member(handle: Any) -> Any:
    module = eccodes()
    for key in ("perturbationNumber", "number"):
        if module.codes_is_defined(handle, key):
            return module.codes_get(handle, key)
    return 0


def _attributes(handle: Any) -> dict[str, Any]:
    """Return the coefficients of the half levels, as :func:`full_levels` takes them."""
    module = eccodes()
    if not module.codes_get(handle, "PVPresent"):
        return {}
    return {"GRIB_pv": module.codes_get_array(handle, "pv")}


def _settled(
    found: tuple[dict[_Group, list[_Found]], dict[str, Any]], reader: Reader
) -> Iterable[tuple[_Group, Vertical, list[_Found]]]:
    """Yield groups with one message of each field and level, and their levels.

    Where a file has model levels, its pressure levels, which are few, are left out.
    """
    groups, attributes = found
    for group, each in groups.items():
        if group.kind == PRESSURE and group._replace(kind=HYBRID) in groups:
            continue
        kept = _one_of_each(each)
        if group.kind == SURFACE:
            yield group, NO_LEVELS, kept
            continue
        levels = np.array(sorted(_levels(kept)))
        if group.kind == PRESSURE:
            vertical = pressure_levels(levels)
        else:
            vertical = reader.hybrid(np.rint(levels).astype(np.int64), attributes)
        index = {float(levels[at]): k for k, at in enumerate(vertical.order)}
        kept = [
            replace(one, message=one.message._replace(level=index[one.level]))
            for one in kept
            if one.level in index
        ]
        yield group, vertical, kept


def _levels(found: Sequence[_Found]) -> set[float]:
    """Return the levels of an analysis: those of the wind, and in between those of temperature.

    A level from which a message was lost is kept: its values follow from its neighbours.
    """
    wind = {one.level for one in found if one.field.name in ("UWND", "VWND")}
    if not wind:
        return {one.level for one in found}
    air = {one.level for one in found if one.field.name == "TEMP"}
    return wind | {level for level in air if min(wind) < level < max(wind)}


def _one_of_each(found: Sequence[_Found]) -> list[_Found]:
    """Return the best message of each field and level: by rank, instants and short ranges first."""
    best: dict[tuple[str, float], _Found] = {}
    for one in found:
        key = (one.field.name, one.level)
        if key not in best or _order(one) < _order(best[key]):
            best[key] = one
    # One name of a field on all levels, where the product has it under two.
    number = defaultdict[str, int](int)
    for name, _ in best:
        number[name] += 1
    spared = {name for name, other in _SPARED if 0 < number[name] <= number[other]}
    return [one for one in best.values() if one.field.name not in spared]


def _order(found: _Found) -> tuple[int, int, int]:
    return (found.field.rank, *preference(found.message))


def _reference(
    path: str,
    identity: str,
    group: _Group,
    vertical: Vertical,
    found: Sequence[_Found],
    form: str,
) -> AnalysisRef:
    digest = hashlib.sha256()
    ordered = sorted(found, key=lambda one: (one.message.name, one.message.level))
    for one in ordered:
        digest.update(f"{one.message.name} {one.message.level} ".encode() + one.digest)
    messages = tuple(one.message for one in ordered)
    first = min(message.offset for message in messages)
    return AnalysisRef(
        path=path,
        time=group.time,
        forecast_hour=group.forecast_hour,
        offset=first,
        nbytes=sum(message.nbytes for message in messages),
        grid=with_levels(group.grid, vertical),
        checksum=f"{identity}-{first}",
        content=digest.hexdigest()[:16],
        format=form,
        messages=messages,
    )


def _with_constant_terrain(refs: list[AnalysisRef], product: Product) -> list[AnalysisRef]:
    """Make terrain that a file holds at only some of its times apply to all of them."""
    kept, constant = list[AnalysisRef](), dict[MetGrid, AnalysisRef]()
    ground: dict[MetGrid, list[AnalysisRef]] = defaultdict(list)
    for ref in refs:
        (kept if ref.grid.levels else ground[ref.grid]).append(ref)
    for grid, each in ground.items():
        terrain = {ref: _terrain(ref, product) for ref in each}
        alone = {ref for ref, held in terrain.items() if len(held) == len(ref.messages)}
        kept.extend(ref for ref in each if ref not in alone)
        with_terrain = [ref for ref, held in terrain.items() if held]
        if with_terrain and (alone or len(with_terrain) < len(each)):
            first = min(with_terrain, key=lambda ref: (ref not in alone, ref.time))
            constant[grid] = replace(
                first,
                time=np.datetime64("NaT", "m"),
                forecast_hour=0,
                offset=terrain[first][0].offset,
                messages=terrain[first],
            )
    return [*kept, *constant.values()]


def _terrain(ref: AnalysisRef, product: Product) -> tuple[Message, ...]:
    return tuple(one for one in ref.messages if product.surface[one.name].name == _TERRAIN)


def _some(names: Iterable[str]) -> str:
    known = sorted(names)
    return ", ".join(known[:_SHOWN]) + (", …" if len(known) > _SHOWN else "")
