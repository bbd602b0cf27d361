"""What a text on the command line names, and what `stilt explain` says where nothing failed."""

from __future__ import annotations

from types import SimpleNamespace

import pandas as pd
import pytest

from stilt.cli.explain import _without_failures
from stilt.cli.ids import ids_or_place, one_id
from stilt.errors import UsageError

IDS = [
    "m_202301010000_-113.3_40.6_30", "m_202301010000_-113.3_40.6_300", "m_202301010100_0_0_5",
    "m_202301010200_0_0_5",
]  # fmt: skip


def model_of(ids: list[str]) -> SimpleNamespace:
    places = pd.DataFrame({"location_id": ["0_0_5"], "site": ["WBB"]}, dtype=object)
    index = SimpleNamespace(sql=lambda query: places)
    simulations = SimpleNamespace(
        ids=lambda location_ids=None: [
            one for one in ids if location_ids is None or one.endswith(tuple(location_ids))
        ]
    )
    return SimpleNamespace(simulations=simulations, index=index, project="p")


@pytest.mark.parametrize(
    ("text", "place"),
    [(IDS[0], 0), ("202301010000_-113.3_40.6_30", 0), ("40.6_300", 1), ("202301010100", 2)],
)
def test_an_id_a_receptor_or_a_part_of_one_id_names_a_simulation(text, place) -> None:
    assert one_id(model_of(IDS), text) == IDS[place]


@pytest.mark.parametrize(
    ("ids", "text", "said"),
    [
        (IDS, "40.6_30", "'40.6_30' is a part of 2 ids"),
        (IDS, "elsewhere", f"'elsewhere' is no part of an id in this project, such as {IDS[0]}."),
        (
            IDS,
            "WBB",
            "'WBB' is a place, with simulations of its own: `stilt plot p --location WBB`",
        ),
        (IDS, "WBB", f"such as {IDS[2]}"),
        ([], "m", "No simulation is registered"),
    ],
)
def test_else_a_sentence_says_why(ids, text, said) -> None:
    with pytest.raises(UsageError, match=said):
        one_id(model_of(ids), text)


@pytest.mark.parametrize(
    ("text", "named"),
    [("WBB", IDS[2:]), ("0_0_5", IDS[2:]), (IDS[0], IDS[:1]), ("40.6_300", [IDS[1]])],
)
def test_a_place_names_all_simulations_there(text, named) -> None:
    assert ids_or_place(model_of(IDS), text) == named


def test_an_id_that_begins_with_a_minus_sign_needs_two_before_it(stilt, tmp_path) -> None:
    told = stilt("explain", tmp_path, "-111.85_40.77_30")
    assert told.exit_code == 2
    assert "Put -- before an id that begins with a minus sign." in told.stderr


@pytest.mark.parametrize(
    ("counts", "going_on", "said"),
    [
        ((0, 0), False, "Nothing has been run"),
        ((168, 34), False, "134 of 168 simulations are not complete: `stilt run p` goes on"),
        ((168, 34), True, "not complete, and are being run: `stilt status --watch p` follows"),
        ((2, 2), False, "No failure is rec"),
    ],
)
def test_where_nothing_failed_explain_says_what_is_left(counts, going_on, said) -> None:
    total, completed = counts
    seen = SimpleNamespace(
        counts=SimpleNamespace(total=total, completed=completed), going_on=going_on
    )
    assert said in _without_failures(seen, "p")
