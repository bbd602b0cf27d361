"""The scripts for shells, and what they are offered."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from stilt.cli.completion import SHELLS
from stilt.project.database import Database

ONE = "toy_202301011200_-111.85_40.77_5"


@pytest.mark.parametrize("shell", SHELLS)
def test_a_script_is_printed_that_the_shell_reads(stilt, shell: str, tmp_path: Path) -> None:
    done = stilt("completion", shell)
    assert done.exit_code == 0
    assert "_STILT_COMPLETE" in done.stdout
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    script = tmp_path / "script"
    script.write_text(done.stdout)
    subprocess.run([shell, "-n", str(script)], check=True)


def offered(words: str, folder: Path) -> list[str]:
    """What the shell would offer after some words, the last of them incomplete."""
    variables = {
        **os.environ,
        "_STILT_COMPLETE": "bash_complete",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split(" ")) - 1),
    }
    code = "from stilt.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=variables, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return [line for line in done.stdout.splitlines() if line]


def test_commands_options_folders_and_ids_are_offered(stilt, case: Path) -> None:
    assert "plain,status" in offered("stilt sta", case)
    assert "plain,--verify" in offered("stilt status --ver", case)
    assert "plain,show" in offered("stilt weather s", case)
    assert offered("stilt run ./ca", case) == ["dir,./ca"]
    assert offered(f"stilt explain {case} toy", case) == []
    stilt("register", case)
    assert f"plain,{ONE}" in offered(f"stilt explain {case} toy_2023", case)
    assert offered(f"stilt explain {case} other", case) == []


def test_ids_of_many_are_those_that_failed(case: Path) -> None:
    import click

    from stilt.cli.completion import complete_simulation
    from stilt.model import Model

    lines = [f"2023-01-01 12:00,-111.85,{lat / 1000:.3f},5" for lat in range(40000, 40300)]
    (case / "receptors.csv").write_text("\n".join(["time,longitude,latitude,altitude", *lines]))
    ids = Model(project=case).register_pending()

    def fail_last(connection) -> None:
        connection.execute("UPDATE simulations SET reason = 'TIMEOUT' WHERE sim_id = ?", [ids[-1]])

    Database(case / ".stilt" / "index.duckdb").write(fail_last)
    context = click.Context(click.Command("explain"))
    context.params["project"] = str(case)
    found = complete_simulation(context, click.Argument(["sim_id"]), "toy")
    assert ids[-1] not in sorted(ids)[:200]
    assert len(found) == 200
    assert ids[-1] in [each.value for each in found]
