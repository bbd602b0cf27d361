"""Tries whether a file system's locks hold: ``python -m stilt.project.lock_trial FOLDER``.

Start it in the same folder on every machine, or several times on one, at the same time. Each
process writes to one index file in turns, as workers of a project do; the last to end has counted
everybody's turns. Where locks do not reach all processes, turns are lost or the file is damaged.
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from stilt.errors import StiltError
from stilt.project.database import Database
from stilt.project.owners import new_owner

if TYPE_CHECKING:
    import duckdb

TURNS = 200


def take_turns(folder: Path, turns: int = TURNS) -> str:
    """Write to the trial's index file again and again; returns what came of it.

    Args:
        folder: where the file is made; the same for all processes.
        turns: how often this process writes.

    Raises:
        StiltError: the file lost turns, or cannot be used any more.
    """
    database = Database(folder / "lock-trial.duckdb")
    owner = new_owner()
    for turn in range(turns):
        database.write(partial(_turn, owner, turn))
    kept, counted, mine, processes = database.read(partial(_result, owner))
    if kept != counted or mine != turns:
        raise StiltError(
            f"Locks do not hold in {folder}: of {turns} turns {mine} are left, and {counted} were "
            f"counted where {kept} are kept. Do not let several processes share a project there."
        )
    return f"{turns} turns, none lost; {counted} turns of {processes} process(es) so far."


def _turn(owner: str, turn: int, connection: duckdb.DuckDBPyConnection) -> None:
    """Add to a count that was read in the same transaction, and leave a row."""
    rows = connection.execute("SELECT value FROM meta WHERE key = 'count'").fetchall()
    count = int(rows[0][0]) + 1 if rows else 1
    connection.execute("INSERT OR REPLACE INTO meta VALUES ('count', ?)", [str(count)])
    connection.execute("INSERT INTO meta VALUES (?, ?)", [f"turn {owner} {turn}", owner])


def _result(owner: str, connection: duckdb.DuckDBPyConnection) -> tuple[int, int, int, int]:
    """Turns kept, turns counted, turns of one owner, number of owners."""
    found = connection.execute(
        """
        SELECT count(*), (SELECT value::INTEGER FROM meta WHERE key = 'count'),
               count(*) FILTER (value = ?), count(DISTINCT value)
        FROM meta WHERE key LIKE 'turn %'""",
        [owner],
    ).fetchall()
    kept, counted, mine, processes = found[0]
    return int(kept), int(counted or 0), int(mine), int(processes)


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3) or not Path(sys.argv[1]).is_dir():
        sys.exit("Give a folder: python -m stilt.project.lock_trial FOLDER [TURNS]")
    try:
        print(take_turns(Path(sys.argv[1]), *map(int, sys.argv[2:])))
    except StiltError as error:
        sys.exit(f"Error: {error}")
