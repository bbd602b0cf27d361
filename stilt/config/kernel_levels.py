"""Whether the numbers of an averaging kernel can be what they are said to be."""

from __future__ import annotations

from collections.abc import Sequence

# Edges of layers that are counted down from the surface may end a little below zero.
LEAST_HPA, MOST_HPA = -1.0, 1200.0
# Far above any column averaging kernel, and below the size of fill values.
MOST_KERNEL = 90.0
_SHARES, _TOP_KM = 1.1, 120.0


def kernel_fault(
    levels: Sequence[float], values: Sequence[float], coordinate: str
) -> tuple[str, str] | None:
    """Return which of levels and values cannot be, and why; None where they can.

    Beyond its levels a kernel is constant, so that levels in another unit would turn it into one
    number without a trace.

    Args:
        levels: where the kernel is given, hPa or m above ground.
        values: the kernel there.
        coordinate: ``pressure_hpa`` or ``height_m``.
    """
    wrong = next((value for value in values if abs(value) > MOST_KERNEL), None)
    if wrong is not None:
        return "values", (
            f"{wrong:g} is no value of a column averaging kernel, which is about 1: leave out "
            "missing levels, and divide percent by 100"
        )
    if not levels:
        return None
    lowest, highest = min(levels), max(levels)
    if coordinate == "pressure_hpa":
        if highest > MOST_HPA:
            return "levels", f"{highest:g} is no pressure in hPa: divide Pa by 100"
        if lowest < LEAST_HPA:
            return "levels", f"{lowest:g} is no pressure in hPa"
        if len(levels) > 1 and highest <= _SHARES:
            return "levels", (
                f"reach only {highest:g} hPa: if they are shares of the surface pressure, multiply "
                "them by it"
            )
    elif len(levels) > 1 and highest <= _TOP_KM:
        return (
            "levels",
            f"reach only {highest:g} m above ground: if they are in km, multiply by 1000",
        )
    return None
