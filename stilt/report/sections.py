"""Sections of a report as HTML."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

import numpy as np
import pandas as pd

from stilt.report.facts import Effort, Failures
from stilt.report.weather import MetCover, stretches

STATES = ("completed", "running", "pending", "failed")
STRIP_WIDTH = 1000.0
SHOWN_GAPS = 12


def status_section(counts: Mapping[str, Any], remark: str = "") -> str:
    """Return how many simulations are in which state, and a remark on all of them."""
    total = counts["total"]
    if not total:
        return (
            "<p>No simulation is registered: <code>stilt run</code> registers and computes "
            "those of receptors.csv.</p>"
        )
    parts = "".join(
        f'<span class="{state}" style="flex-grow:{counts[state]}" '
        f'title="{counts[state]:,} {state}"></span>'
        for state in STATES
        if counts[state]
    )
    cards = "".join(
        f'<div class="card {state}"><b>{counts[state]:,}</b><span>{state}</span></div>'
        for state in STATES
    )
    notes = []
    if counts["stale"]:
        notes.append(
            f"{counts['stale']:,} of the {counts['pending']:,} pending "
            f"{'is' if counts['stale'] == 1 else 'are'} stale: the outputs were made with another "
            "configuration or other weather."
        )
    if counts["empty"]:
        notes.append(
            f"{counts['empty']:,} of the {counts['completed']:,} completed "
            f"{'has' if counts['empty'] == 1 else 'have'} no influence on any footprint's grid."
        )
    notes += [remark] if remark else []
    return (
        f'<div class="bar" role="img" aria-label="states">{parts}</div>'
        f'<div class="cards">{cards}</div>{paragraphs(notes)}'
    )


def settings_section(settings: Mapping[str, str]) -> str:
    """Return the settings that matter most, in a line each."""
    rows = "".join(
        f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>"
        for name, value in settings.items()
    )
    return f'<table class="plain">{rows}</table>'


def failures_section(failures: Failures, project: str) -> str:
    """Return failures by reason, what to do, and the first of them."""
    if not failures.number:
        return "<p>No failure is recorded.</p>"
    reasons = "".join(
        f"<tr><td>{number:,}</td><td><code>{escape(reason)}</code></td>"
        f"<td>{escape(failures.remedies[reason])}</td></tr>"
        for reason, number in failures.counts.items()
    )
    rows = "".join(
        f"<tr><td><code>{escape(str(row['sim_id']))}</code></td>"
        f"<td><code>{escape(str(row['reason']))}</code></td>"
        f"<td>{escape(str(row['detail'] or ''))}</td></tr>"
        for row in failures.shown
    )
    left = failures.number - len(failures.shown)
    more = f"<p>{left:,} more are not listed here.</p>" if left else ""
    return (
        "<table><thead><tr><th>number</th><th>reason</th><th>what to do</th></tr></thead>"
        f"<tbody>{reasons}</tbody></table>"
        f"<details><summary>The failed simulations</summary><div class='wide'><table><thead><tr>"
        f"<th>simulation</th><th>reason</th><th>detail</th></tr></thead><tbody>{rows}</tbody>"
        f"</table></div>{more}</details>"
        f"<p><code>stilt explain {escape(project)}</code> has more on each.</p>"
    )


def effort_section(effort: Effort) -> str:
    """Return speed and cost of what has been computed; no speed where no run is recorded."""
    if not effort.made:
        return "<p>Nothing has been computed yet.</p>"
    rows = {}
    number = effort.followed
    if number and effort.run_hours and effort.first is not None and effort.last is not None:
        workers = effort.worker_hours / effort.run_hours
        rows = {
            "speed": f"{effort.rate_per_hour:,.0f} simulations an hour, from the start of a run to "
            f"its last result, with {workers:.1f} workers busy on average",
            "one simulation": f"{seconds_text(3600 * effort.worker_hours / number)} of a worker "
            "(mean)",
            "all": f"{number:,} simulations followed in {hours_text(effort.run_hours)} of runs, "
            f"{effort.first:%Y-%m-%d %H:%M} to {effort.last:%Y-%m-%d %H:%M} UTC",
            "a thousand of them": f"{hours_text(1000 * effort.worker_hours / number)} of a worker",
        }
    rows |= {
        "on disk": f"{bytes_text(effort.trajectory_bytes)} of particles, "
        f"{bytes_text(effort.footprint_bytes)} of footprints; for a thousand simulations "
        f"{bytes_text(1000 * (effort.trajectory_bytes + effort.footprint_bytes) / effort.made)}",
        "computed by": "; ".join(f"{n:,} by {maker}" for maker, n in effort.made_by.items())
        or "not recorded",
        "machines": ", ".join(f"{host} ({count:,})" for host, count in effort.hosts.items()),
    }
    return settings_section({k: v for k, v in rows.items() if v}) + _parts(effort.parts)


def _parts(parts: Mapping[str, float]) -> str:
    """Return a bar of where the time went."""
    total = sum(parts.values())
    if total <= 0:
        return ""
    ordered = sorted(parts.items(), key=lambda item: -item[1])
    bar = "".join(
        f'<span class="part{number % 8}" style="flex-grow:{spent / total:.5f}"></span>'
        for number, (_, spent) in enumerate(ordered)
    )
    names = "".join(
        f'<li><i class="part{number % 8}"></i>{escape(part)} {100 * spent / total:.0f} %</li>'
        for number, (part, spent) in enumerate(ordered)
        if spent / total >= 0.005
    )
    return (
        f"<h3>Where the time of the workers went</h3><div class='bar'>{bar}</div>"
        f"<ul class='key'>{names}</ul>"
    )


def weather_section(covers: Sequence[MetCover]) -> str:
    """Return for each meteorology which of the hours needed its files hold."""
    if not covers:
        return "<p>Without config.yaml nothing is known of the weather.</p>"
    return "".join(_cover(cover) for cover in covers)


def _cover(cover: MetCover) -> str:
    needed, lacking = len(cover.hours), int((~cover.covered).sum())
    if not needed:
        return f"<h3>{escape(cover.name)}</h3><p>No receptor needs weather.</p>"
    share = 100 * (needed - lacking) / needed
    # Nearly all is not all.
    text = "all" if not lacking else f"{min(share, 99.9):.1f} %"
    gaps = stretches(cover.hours, ~cover.covered)
    listed = ", ".join(_stretch_text(*gap) for gap in gaps[:SHOWN_GAPS])
    more = f" and {len(gaps) - SHOWN_GAPS} more stretches" if len(gaps) > SHOWN_GAPS else ""
    notes = [
        f"{cover.files:,} file{'s' * (cover.files != 1)} in {cover.where} hold {text} of the "
        f"{needed:,} hours that the receptors need."
    ]
    if gaps:
        notes.append(f"Not covered (UTC): {listed}{more}.")
    if cover.left_out:
        notes.append(f"{cover.left_out:,} of the receptors' times were not looked at.")
    problems = "".join(
        f"<li>{escape(text)}{_likewise(count - 1)}</li>" for text, count in cover.problems.items()
    )
    lists = f"<ul>{problems}</ul>" if problems else ""
    return f"<h3>{escape(cover.name)}</h3>{_strip(cover)}{paragraphs(notes)}{lists}"


def _likewise(number: int) -> str:
    return f" {number:,} more receptor times lack weather in the same way." if number else ""


def _strip(cover: MetCover) -> str:
    """Return a picture of the hours from first to last: covered, lacking, not needed."""
    first, last = cover.hours[0], cover.hours[-1]
    whole = max(float((last - first) / np.timedelta64(1, "h")) + 1, 1.0)

    def bars(chosen: Any, kind: str) -> Iterable[str]:
        for begin, end in stretches(cover.hours, chosen):
            left = (begin - pd.Timestamp(first)) / pd.Timedelta(hours=1) / whole * STRIP_WIDTH
            wide = ((end - begin) / pd.Timedelta(hours=1) + 1) / whole * STRIP_WIDTH
            yield (
                f'<rect class="{kind}" x="{left:.2f}" y="0" width="{max(wide, 1.5):.2f}" '
                f'height="22"><title>{_stretch_text(begin, end)} UTC</title></rect>'
            )

    drawn = "".join([*bars(cover.covered, "covered"), *bars(~cover.covered, "lacking")])
    ends = f"<span>{_hour_text(first)}</span><span>{_hour_text(last)} UTC</span>"
    return (
        f'<svg class="strip" viewBox="0 0 {STRIP_WIDTH:.0f} 22" preserveAspectRatio="none" '
        f'role="img" aria-label="hours of weather">{drawn}</svg><div class="ends">{ends}</div>'
    )


def _hour_text(hour: Any) -> str:
    return f"{pd.Timestamp(hour):%Y-%m-%d %H:%M}"


def _stretch_text(begin: pd.Timestamp, end: pd.Timestamp) -> str:
    return _hour_text(begin) if begin == end else f"{_hour_text(begin)} to {_hour_text(end)}"


def paragraphs(texts: Iterable[str]) -> str:
    """Return plain sentences, a paragraph each."""
    return "".join(f"<p>{escape(text)}</p>" for text in texts)


def hours_text(hours: float) -> str:
    """Return a length of time as text."""
    return f"{hours:,.1f} hours" if hours >= 1 else seconds_text(3600 * hours)


def seconds_text(seconds: float) -> str:
    """Return a length of time below an hour or so as text."""
    return f"{seconds / 60:.1f} minutes" if seconds >= 90 else f"{seconds:.3g} s"


def bytes_text(number: float) -> str:
    """Return a size as text."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if number < 1000:
            return f"{number:.3g} {unit}"
        number /= 1000
    return f"{number:.3g} TB"
