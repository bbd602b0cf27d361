"""What a submission to SLURM is made of, each by itself."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stilt import ModelConfig
from stilt.errors import UsageError
from stilt.execution.orders import WorkOrder
from stilt.execution.places import Folders
from stilt.execution.plan import Batch, share_of
from stilt.execution.slurm.options import SlurmOptions
from stilt.execution.slurm.script import array_script, memory_mb, seconds_needed
from stilt.execution.slurm.spool import Spool
from stilt.execution.summary import BatchSummary
from stilt.slurm_queue import _numbers

CONFIG = ModelConfig(
    mets={"m": {"directory": "/met", "file_format": "%Y%m%d_%H", "file_tres": "1h"}},
    n_hours=-24, numpar=1000,
)  # fmt: skip


def script(**options: object) -> list[str]:
    text = array_script(
        SlurmOptions.read(options), folder=Path("/case/.stilt/slurm/1f"), name="case", n_tasks=8,
        seconds=4000.0, memory=2500,
    )  # fmt: skip
    return text.splitlines()


def test_a_script_says_all_that_sbatch_needs() -> None:
    lines = script()
    assert lines[0] == "#!/bin/bash"
    assert "#SBATCH --job-name=stilt-case" in lines
    assert "#SBATCH --array=0-7" in lines
    assert "#SBATCH --time=0-01:15:00" in lines
    assert "#SBATCH --mem=2500M" in lines
    assert "#SBATCH --output=/case/.stilt/slurm/1f/logs/%A_%a.log" in lines
    assert lines[-1].startswith("exec ")
    assert lines[-1].endswith("-m stilt array-worker /case/.stilt/slurm/1f --cpus 1")


def test_options_of_sbatch_pass_through_and_overrule_estimates() -> None:
    lines = script(
        partition="normal", time="02:00:00", mem_per_cpu="4G", exclusive=True, hint=False,
        comment="a few words", cpus_per_task=4, array_parallelism=3, job_name="tower",
        setup="module load python\nulimit -s unlimited", qos=None,
    )  # fmt: skip
    for line in (
        "--partition=normal", "--time=02:00:00", "--mem-per-cpu=4G", "--exclusive",
        '--comment="a few words"', "--cpus-per-task=4", "--array=0-7%3", "--job-name=tower",
    ):  # fmt: skip
        assert f"#SBATCH {line}" in lines
    assert not [line for line in lines if "--mem=" in line or "hint" in line or "qos" in line]
    assert lines[-3:-1] == ["module load python", "ulimit -s unlimited"]
    assert lines[-1].endswith("--cpus 4")


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"array": "0-3"}, "execution.array"),
        ({"output": "x"}, "execution.output"),
        ({"cpus_per_task": 0}, "whole number from 1"),
        ({"array_parallelism": "many"}, "whole number"),
        ({"setup": 3}, "lines of shell"),
        ({"poll_interval": 0}, "seconds"),
        ({"gres": ["gpu:1", "x"]}, "one value"),
    ],
)
def test_options_that_cannot_be_are_refused(options: dict, word: str) -> None:
    with pytest.raises(UsageError, match=word):
        SlurmOptions.read(options)


def test_estimates_grow_with_the_work() -> None:
    # 1000 particles x 1440 min x 1.2 us + 0.5 s, three times, for 100 simulations, and the start.
    assert seconds_needed(CONFIG, 800, 8) == pytest.approx(120 + 3 * 100 * (1.728 + 0.5))
    assert seconds_needed(CONFIG, 801, 8) > seconds_needed(CONFIG, 800, 8)
    larger = CONFIG.model_copy(update={"numpar": 10_000})
    assert memory_mb(larger, 1) > memory_mb(CONFIG, 1) >= 2048
    assert memory_mb(CONFIG, 4) == 4 * memory_mb(CONFIG, 1)


@pytest.mark.parametrize(
    ("text", "numbers"),
    [("3", [3]), ("0-2,7%4", [0, 1, 2, 7]), ("", []), ("4294967294-x", []), ("10-11", [10, 11])],
)
def test_numbers_of_tasks_are_read_as_slurm_writes_them(text: str, numbers: list[int]) -> None:
    assert _numbers(text) == numbers


def filled(folder: Path, number: int) -> Spool:
    spool = Spool(folder)
    batches = [Batch(f"b-{n}", (f"sim{n}",)) for n in range(number)]
    spool.fill([WorkOrder(batch, Folders("/case"), None) for batch in batches])
    return spool


def test_every_order_is_taken_once(tmp_path: Path) -> None:
    spool = filled(tmp_path / "spool", 5)
    taken = []
    for task in (3, 0, 3, 1, 0):
        number, order = spool.take(task, 0)
        spool.end(number, BatchSummary(order.batch.id, n_complete=1))
        taken.append(order.batch.id)
    assert taken == [f"b-{n}" for n in range(5)]
    assert spool.take(1, 0) is None
    assert spool.ended_numbers() == set(range(5))
    assert {each.task for each in spool.taken()} == {0, 1, 3}
    assert spool.summary(3).batch_id == "b-3"
    assert sorted(spool.orders()) == list(range(5))


def test_orders_that_are_taken_while_they_are_read_are_not_missed(tmp_path: Path) -> None:
    spool = filled(tmp_path / "spool", 100)
    begun = Event()

    def take_all() -> None:
        begun.wait()
        while found := spool.take(0, 0):
            spool.end(found[0], BatchSummary("b"))

    with ThreadPoolExecutor(1) as pool:
        taking = pool.submit(take_all)
        begun.set()
        while not taking.done():
            assert list(spool.orders()) == list(range(100))


def test_a_task_that_slurm_begins_again_goes_on_with_its_own_order(tmp_path: Path) -> None:
    spool = filled(tmp_path / "spool", 3)
    first, _ = spool.take(0, 0)
    assert spool.take(1, 0)[0] != first
    again, _ = spool.take(0, 0)
    assert again == first
    spool.end(first, BatchSummary("b-0"))
    assert spool.take(0, 0)[0] not in (first, 1)


IDS = st.integers(0, 400).map(
    lambda n: [f"m_2023071518{i % 60:02d}_-112_{40 + i / 1000:g}_5" for i in range(n)]
)


@given(IDS, st.integers(1, 50))
def test_shares_are_a_partition_of_nearly_equal_sizes(ids: list[str], n_shares: int) -> None:
    shares = [share_of(reversed(ids), number, n_shares) for number in range(1, n_shares + 1)]
    assert sorted(sim_id for share in shares for sim_id in share) == sorted(set(ids))
    sizes = [len(share) for share in shares]
    assert max(sizes) - min(sizes) <= 1
