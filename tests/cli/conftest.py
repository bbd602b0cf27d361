from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from stilt.cli import cli


@pytest.fixture
def stilt() -> Callable[..., Result]:
    """Call the command line: ``stilt("init", path)``."""

    def call(*arguments: object) -> Result:
        return CliRunner().invoke(cli, [str(argument) for argument in arguments])

    return call


@pytest.fixture
def case(tmp_path: Path) -> Path:
    """A project whose weather does not exist."""
    (tmp_path / "met").mkdir()
    (tmp_path / "config.yaml").write_text(
        "mets:\n"
        "  toy:\n"
        f"    directory: {tmp_path / 'met'}\n"
        "    file_format: '%Y%m%d_%H'\n"
        "    file_tres: 1h\n"
        "n_hours: -3\n"
        "numpar: 10\n"
    )
    (tmp_path / "receptors.csv").write_text(
        "time,longitude,latitude,altitude\n"
        "2023-01-01 12:00:00,-111.85,40.77,5\n"
        "2023-01-01 13:00:00,-111.85,40.77,5\n"
    )
    return tmp_path
