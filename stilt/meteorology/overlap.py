"""Which analysis is used where several files hold one valid time, as overlapping forecasts do."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from datetime import datetime

import numpy as np

from stilt.config.forecasts import ForecastChoice
from stilt.meteorology.arl_format import minute_text
from stilt.meteorology.records import AnalysisRef

Preference = tuple[int, str, str]
EVERY_FORECAST = ForecastChoice()
"""No limits: the shortest forecast for each time."""


def preference(path: str, forecast_hour: int) -> Preference:
    """Return the sorting key of analyses of one time; the first is used.

    The shortest forecast, which is that of the newest cycle, comes first; of equal ones that of
    the file whose name sorts first.
    """
    return max(forecast_hour, 0), os.path.basename(path), path


def choose_by_time(
    refs: Iterable[AnalysisRef], choice: ForecastChoice = EVERY_FORECAST
) -> tuple[list[AnalysisRef], dict[np.datetime64, list[AnalysisRef]]]:
    """Choose one analysis of each valid time.

    Args:
        refs: what there is.
        choice: the forecasts that may be used.

    Returns:
        Those chosen, sorted by time, and the others of each time that has several.
    """
    chosen: dict[np.datetime64, AnalysisRef] = {}
    others: dict[np.datetime64, list[AnalysisRef]] = {}
    for ref in refs:
        if choice.text and not choice.admits(ref.time.astype(datetime), ref.forecast_hour):
            continue
        kept = chosen.setdefault(ref.time, ref)
        if kept is ref:
            continue
        if preference(ref.path, ref.forecast_hour) < preference(kept.path, kept.forecast_hour):
            chosen[ref.time], ref = ref, kept
        others.setdefault(ref.time, []).append(ref)
    return [chosen[time] for time in sorted(chosen)], others


def overlap_text(
    used: Sequence[AnalysisRef],
    passed_over: Sequence[AnalysisRef],
    choice: ForecastChoice = EVERY_FORECAST,
) -> str:
    """Say in one sentence which files' analyses are used where several hold one time.

    Args:
        used: the analyses of a window.
        passed_over: further analyses of the same times.
        choice: the forecasts that may be used.

    Returns:
        The sentence, with the last such time as example; "" when there is none and the choice
        has no limits.
    """
    if not passed_over:
        return _choice_text(used, choice)
    last = max(passed_over, key=lambda ref: ref.time)
    taken = next(ref for ref in used if ref.time == last.time)
    number = len({ref.time for ref in passed_over})
    rule = "the shortest forecast is used"
    if max(taken.forecast_hour, 0) == max(last.forecast_hour, 0):
        rule = "the shortest forecast is used, of equal ones the first file by name"
    if choice.text:
        rule = f"with {choice.words}, {rule}"
    return (
        f"{number} of the {len(used)} analyses needed are in more than one file; of each {rule}: "
        f"{minute_text(taken.time)} from {taken.path} (forecast hour {taken.forecast_hour}), "
        f"not {last.path} (forecast hour {last.forecast_hour})."
    )


def _choice_text(used: Sequence[AnalysisRef], choice: ForecastChoice) -> str:
    """Say which forecasts a choice has taken; "" for one without limits."""
    if not choice.text or not used:
        return ""
    hours = [max(ref.forecast_hour, 0) for ref in used]
    began = [ref.time - np.timedelta64(hour, "h") for ref, hour in zip(used, hours, strict=True)]
    return (
        f"With {choice.words}, the {len(used)} analyses needed are forecast hours {min(hours)} to "
        f"{max(hours)} of cycles that began from {minute_text(min(began))} to "
        f"{minute_text(max(began))}."
    )
