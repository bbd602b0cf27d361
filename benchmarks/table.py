"""Results as Markdown and JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.rows import Row

_VERDICT = {True: "met", False: "MISSED", None: "not compared"}


def markdown(rows: Sequence[Row], facts: dict[str, str]) -> str:
    """All tables: the bars, speed and memory of the campaigns, the parts of our runs."""
    lines = [f"{name}: {value}  " for name, value in facts.items()]
    lines += ["", *_table(_HEAD, [_bar_cells(row) for row in rows])]
    lines += ["", *(f"- {row.name}: {row.note}" for row in rows if row.note)]
    campaigns = [row for row in rows if "receptors_per_hour" in row.details.get("ours", {})]
    if campaigns:
        lines += ["", *_table(_SPEED_HEAD, [cells for row in campaigns for cells in _speed(row)])]
    for row in rows:
        if "parts_s" in row.details.get("ours", {}):
            lines += ["", f"{row.figure}: where the time goes", "", *parts_table(row.details)]
    return "\n".join(lines) + "\n"


def parts_table(details: dict[str, Any]) -> list[str]:
    """Seconds of all workers by part, then the wall clock around them."""
    mine = details["ours"]
    total = sum(mine["parts_s"].values())
    cells = [
        [part, f"{seconds:.1f}", f"{100 * seconds / total:.1f} %"]
        for part, seconds in mine["parts_s"].items()
    ]
    cells += [
        ["all workers together", f"{total:.1f}", ""],
        ["wall clock: before the first batch", f"{mine['before_s']:.1f}", ""],
        ["wall clock: batches", f"{mine['batches_s']:.1f}", ""],
        ["wall clock: after the last batch", f"{mine['after_s']:.1f}", ""],
    ]
    return _table(["part", "seconds", "share of the workers' time"], cells)


def write(rows: Sequence[Row], facts: dict[str, str], stem: Path) -> list[Path]:
    """Write ``STEM.md`` and ``STEM.json``."""
    text, data = stem.with_suffix(".md"), stem.with_suffix(".json")
    stem.parent.mkdir(parents=True, exist_ok=True)
    text.write_text(markdown(rows, facts))
    data.write_text(
        json.dumps({"facts": facts, "rows": [asdict(row) for row in rows]}, indent=1) + "\n"
    )
    return [text, data]


_HEAD = ["row", "figure", "ours", "pystilt + HYSPLIT", "ratio", "bar", ""]
_SPEED_HEAD = [
    "row", "side", "receptors per hour", "particle-minutes per second", "peak MB of a process",
]  # fmt: skip


def _bar_cells(row: Row) -> list[str]:
    met = _VERDICT[row.met]
    return [row.name, row.figure, row.ours, row.theirs or "-", row.ratio or "-", row.bar, met]


def _speed(row: Row) -> list[list[str]]:
    out = []
    for side, label in (("ours", "ours"), ("theirs", "pystilt + HYSPLIT")):
        values = row.details[side]
        if values:
            peaks = ", ".join(f"{kind} {mb:.0f}" for kind, mb in sorted(values["peak_mb"].items()))
            out.append(
                [
                    row.name,
                    label,
                    f"{values['receptors_per_hour']:.1f}",
                    f"{values['particle_minutes_per_s']:,.0f}",
                    peaks or "-",
                ]
            )
    return out


def _table(head: Sequence[str], cells: Sequence[Sequence[str]]) -> list[str]:
    rule = ["---"] * len(head)
    return ["| " + " | ".join(line) + " |" for line in (head, rule, *cells)]
