"""Simulations that an answer leaves out because they have no results."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from stilt.notices import notice
from stilt.roots import shown

if TYPE_CHECKING:
    from stilt.selection import Owner

logger = logging.getLogger(__name__)


def tell_of_omitted(
    owner: Owner, wanted: Sequence[str], there: Collection[str], lack: str, therefore: str
) -> None:
    """Say in one sentence how many of the wanted simulations are not there.

    Args:
        owner: the project.
        wanted: ids of the selected simulations.
        there: ids of those with results.
        lack: what the others do not have, after "no".
        therefore: what follows for the answer.
    """
    known = set(there)
    absent = [sim_id for sim_id in wanted if sim_id not in known]
    if absent:
        tell_how_many(owner, len(absent), len(wanted), absent[0], lack, therefore)


def tell_how_many(
    owner: Owner, absent: int, wanted: int, example: str, lack: str, therefore: str
) -> None:
    """Say the same where the simulations were counted.

    Args:
        owner: the project.
        absent, wanted: how many of the selected simulations have no result, and how many there are.
        example: id of one without.
        lack, therefore: as for :func:`tell_of_omitted`.
    """
    notice(
        logger, "%d of %d simulations have no %s, %s for example, and %s: `stilt explain %s` says "
        "why some failed.", absent, wanted, lack, example, therefore, shown(owner.files.place),
    )  # fmt: skip
