"""Which analyses a run of the transport asks for, and how each of them is prepared."""

from __future__ import annotations

from collections.abc import Sequence

from stilt.config import ModelConfig
from stilt.meteorology.prepare import SURFACES, PreparationOptions
from stilt.meteorology.records import AnalysisPair, AnalysisRef
from stilt.meteorology.turbulence import TurbulenceOptions
from stilt.transport.clock import SweepClock, minute_of
from stilt.transport.release import Release

Preparation = tuple[AnalysisRef, PreparationOptions, AnalysisPair | None]


def first_minute_of(releases: Sequence[Release], config: ModelConfig) -> int:
    """Return the minute at which a sweep of these releases begins."""
    minutes = [minute_of(release.time) for release in releases]
    return max(minutes) if config.n_hours < 0 else min(minutes)


def preparation(
    refs: Sequence[AnalysisRef], index: int, config: ModelConfig, start_minute: int
) -> Preparation:
    """Return how one of a run's analyses is prepared: arguments of :meth:`PreparedStore.get`."""
    options = preparation_options(config, start_minute, minute_of(refs[index].time))
    return refs[index], options, analysis_pair(refs, index, config, start_minute)


def preparation_options(config: ModelConfig, start_minute: int, minute: int) -> PreparationOptions:
    """Return the preparation settings of one analysis; ZISCALE counts hours since the start."""
    factor = 1.0
    if config.zicontroltf:
        scales = config.ziscale_factors(config.n_hours)
        hour = abs(minute - start_minute) // 60
        factor = scales[hour] if hour < len(scales) else 1.0
        if len(set(scales)) == 1 and scales[0] < 0.0:
            factor = scales[0]
    return PreparationOptions(
        z_top_m=config.z_top,
        mixed_layer_scheme=config.kmixd,
        mixed_layer_floor_m=config.kmix0,
        mixed_layer_factor=factor,
        from_fluxes=config.kbls == 1,
        use_ten_metre=config.k10m == 1,
        vertical_motion=config.w_option,
        turbulence=TurbulenceOptions(
            scheme=config.kblt,
            mixing=config.kzmix,
            factor=config.tvmix,
            time_scale_stable_s=config.vscales,
            time_scale_unstable_s=config.vscaleu,
            tke_ratio_day=config.tkerd,
            tke_ratio_night=config.tkern,
            horizontal=config.kdef,
        ),
    )


def analysis_pair(
    refs: Sequence[AnalysisRef], index: int, config: ModelConfig, start_minute: int
) -> AnalysisPair | None:
    """Return the two analyses whose difference gives the motion of surfaces at one of them.

    They are the one that a run meets before it, and itself; the first two analyses of a run share a
    pair, as in HYSPLIT. None where the vertical motion does not depend on the pair.
    """
    if config.w_option not in SURFACES:
        return None
    direction = 1 if config.n_hours > 0 else -1
    clock = SweepClock(start_minute, direction, tuple(minute_of(ref.time) for ref in refs))
    first = index == clock.bracket(0)[0] or not 0 <= index - direction < len(refs)
    later = index + direction if first else index
    return refs[later - direction], refs[later]
