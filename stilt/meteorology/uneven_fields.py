"""Analyses of one meteorology that lack fields which its others have, as when a file is missing."""

from __future__ import annotations

from collections.abc import Iterable

from stilt.config import ModelConfig
from stilt.errors import MeteorologyError
from stilt.meteorology.arl_format import minute_text
from stilt.meteorology.formats import field_names
from stilt.meteorology.records import AnalysisRef
from stilt.meteorology.stand_ins import StandIn, stand_ins


def uneven_fields(
    name: str, refs: Iterable[AnalysisRef], config: ModelConfig, *, each_file: bool = False
) -> str:
    """Say in one sentence what some analyses lack and most have; "" for nothing.

    Args:
        name: of the meteorology.
        refs: its analyses.
        config: settings that decide which fields count.
        each_file: look into every file; else only into one of those that look alike by the number
            of their parts, records and messages.
    """
    alike: dict[object, dict[tuple[str, str], AnalysisRef]] = {}
    for ref in refs:
        alike.setdefault(_outline(ref, each_file), {})[str(ref.time), ref.path] = ref
    lacking: dict[tuple[StandIn, ...], list[AnalysisRef]] = {}
    for each in alike.values() if len(alike) > 1 else ():
        one = next(iter(each.values()))
        try:
            lacks = stand_ins(field_names(one), one.grid.vertical_flag, config)
        except MeteorologyError:
            continue
        lacking.setdefault(lacks, []).extend(each.values())
    if len(lacking) < 2:
        return ""
    usual = max(lacking, key=lambda lacks: (len(lacking[lacks]), -len(lacks)))
    fewer = {
        lacks: found for lacks, found in lacking.items() if lacks != usual and {*lacks} - {*usual}
    }
    if not fewer:
        return ""
    number, total = (sum(map(len, group.values())) for group in (fewer, lacking))
    lacks, found = min(fewer.items(), key=lambda item: item[1][0].time)
    first = min(found, key=lambda ref: ref.time)
    more = [text for text in lacks if text not in usual]
    return (
        f"{number} of the {total} analyses of {name}, such as that of {minute_text(first.time)}, "
        f"lack{'s' if number == 1 else ''} what the others have: {'; '.join(map(str, more))}."
    )


def _outline(ref: AnalysisRef, each_file: bool) -> object:
    """Return what analyses with the same fields have in common."""
    names = frozenset(m.name for part in ref.parts or (ref,) for m in part.messages)
    return ref.n_records, len(ref.parts), names, ref.paths if each_file else ()
