"""Averaging kernels of measurements that no footprint is weighted with."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from stilt.project.observed import KERNELS

if TYPE_CHECKING:
    from stilt.config import FootprintConfig
    from stilt.project.observed import ObservationTables

# Transforms that may weight by height without a table.
OWN_WEIGHTS = {"vertical_operator", "import"}


def unused_kernels(
    tables: ObservationTables,
    footprints: Mapping[str, FootprintConfig],
    subject: str = "No footprint is",
) -> str:
    """Say which tables of kernels no footprint is weighted with, and what to write to use them.

    Args:
        tables: of a project.
        footprints: of its configuration; those with other weights by height count as weighted.
        subject: begins the sentence, with its verb.

    Returns:
        One sentence with lines of config.yaml; "" where there is nothing to say.
    """
    transforms = [each for settings in footprints.values() for each in settings.transforms]
    names = [name for name in tables.names() if tables.kernel_path(name).exists()]
    if not footprints or not names:
        return ""
    if any(each["kind"] in OWN_WEIGHTS or each.get("levels") for each in transforms):
        return ""
    used = {Path(each["table"]).name for each in transforms if each.get("table")}
    unused = [path for name in names if (path := tables.kernel_path(name)).name not in used]
    if not unused:
        return ""
    gases = {name: _gas(tables, name) for name in names}
    several = len({gas for gas in gases.values() if gas}) > 1
    wanted: dict[str, list[str]] = {}
    for path in unused:
        gas = gases[path.stem.removesuffix(KERNELS)]
        # Kernels of two gases in one footprint would multiply.
        footprint = f"x{gas}" if several and gas else next(iter(footprints))
        wanted.setdefault(footprint, []).append(path.name)
    # A receptor of one table has no row in another.
    others = ", others: keep" if len(names) > 1 else ""
    weighs = any(each["kind"] == "pressure_weighting" for each in transforms) and not several
    blocks = "".join(_block(each, files, others, weighs) for each, files in wanted.items())
    note = "# Each gas needs a footprint of its own, with its grid.\n" if several else ""
    each_of = " and ".join(path.stem.removesuffix(KERNELS) for path in unused)
    return (
        f"{subject} weighted with the averaging kernels of {each_of}, so footprints and "
        "enhancements are not those of the measured columns until config.yaml has:\n"
        f"footprints:\n{blocks}{note}"
        "# A receptor without a kernel fails unless the transform has others: keep. Weights by\n"
        "# pressure are those of columns: for points use another footprint, without transforms."
    )


def _gas(tables: ObservationTables, name: str) -> str:
    """Return the gas of a table of soundings, "" where it does not say or has several."""
    table = tables.read(name)
    if "species" not in table:
        return ""
    gases = {str(gas).lower() for gas in table["species"].dropna().unique() if gas}
    return gases.pop() if len(gases) == 1 else ""


def _block(footprint: str, files: list[str], others: str, weighs: bool) -> str:
    """Return the lines of config.yaml that weight one footprint with tables of kernels."""
    lines = [f"{{kind: averaging_kernel, table: observations/{each}{others}}}" for each in files]
    if not weighs:
        lines.append("{kind: pressure_weighting}")
    return f"  {footprint}:\n    transforms:\n" + "".join(f"      - {line}\n" for line in lines)
