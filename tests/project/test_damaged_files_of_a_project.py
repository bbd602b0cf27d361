"""Any file of a project may be cut short or garbled: commands then end in sentences."""

from contextlib import suppress
from pathlib import Path

import pandas as pd
import pytest
import stilt_fakes as fakes
from click.testing import CliRunner

import stilt
from stilt.cli import cli
from stilt.errors import StiltError
from stilt.execution import run_batch
from stilt.project.stored_inputs import keep_time_format

KINDS = {
    "empty": lambda content: b"",
    "half": lambda content: content[: len(content) // 2],
    "letters": lambda content: b"no\n",
    "bytes": lambda content: bytes(range(256)) * 8,
    "json": lambda content: b'{"owner": 1}',
}
FILES = (
    "config.yaml", "receptors.csv", "*_foot.nc", "*_traj.parquet", "index.duckdb",
    "registrations/*.parquet", "folded/*.parquet", "receipts/*.parquet", "observations/*.parquet",
    "time-format.json", "running/*.json",
)  # fmt: skip


@pytest.fixture
def case(tmp_path, faked):
    """Two simulations that are complete, the receipt of the second waiting, and observations."""
    model = stilt.Model(tmp_path / "case", receptors=fakes.receptors(2), config=fakes.config())
    first, second = model.register_pending()
    run_batch(str(model.output_root), [first])
    model.index.fold()
    run_batch(str(model.output_root), [second])
    times = [receptor.time for receptor in model.receptors]
    table = pd.DataFrame(
        {"time": times, "longitude": -111.85, "latitude": 40.77, "altitude": 5.0, "value": 1.0}
    ).assign(sounding_id=["a", "b"], units="ppm", species="co2")
    (model.layout.observations).mkdir()
    table.assign(receptor=[str(one.id) for one in model.receptors]).to_parquet(
        model.layout.observations / "tower.parquet"
    )
    keep_time_format(model.files, "%Y-%m-%d %H:%M:%S")
    model.layout.running.mkdir(exist_ok=True)
    (model.layout.running / "x.json").write_text('{"owner": "a/1/2", "since": "2023-01-01T00:00"}')
    return Path(model.project)


@pytest.mark.parametrize("kind", list(KINDS))
@pytest.mark.parametrize("pattern", FILES)
def test_commands_end_in_sentences(case, tmp_path, pattern, kind):
    path = sorted(found for found in case.rglob(pattern) if not found.is_symlink())[0]
    path.write_bytes(KINDS[kind](path.read_bytes()))
    for verb in (["status"], ["status", "--verify"], ["rebuild"], ["explain"]):
        done = CliRunner().invoke(cli, [*verb, str(case)])
        wrong = done.exception
        assert wrong is None or isinstance(wrong, SystemExit), (verb, done.exc_info)
        assert done.exit_code in (0, 1, 2)
        assert "Traceback" not in done.output

    def observations(model):
        return model.observations

    for use in (
        lambda model: model.footprints["default"].load(), lambda model: model.trajectories.load(),
        lambda model: model.pending(), observations,
    ):  # fmt: skip
        with suppress(StiltError, FileNotFoundError):
            use(stilt.Model(case))
