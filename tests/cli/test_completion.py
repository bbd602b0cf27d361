"""The scripts for shells, and what they are offered."""

import os
import pty
import select
import shutil
import subprocess
import sys
import time
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


# What a shell is told before the first Tab: no start files of the user, no terminal tricks.
STARTS = {
    "bash": (
        ["bash", "--noprofile", "--norc", "-i"],
        "bind 'set enable-bracketed-paste off'; bind 'set bell-style none'; source ./script",
    ),
    "zsh": (
        ["zsh", "-f", "-i"],
        "unsetopt zle_bracketed_paste prompt_cr prompt_sp; autoload -U compinit; "
        "compinit -u -D; source ./script",
    ),
}
PATIENCE_S = 60.0


class Terminal:
    """An interactive shell on a pseudo terminal that finds the command of this environment."""

    def __init__(self, shell: str, folder: Path) -> None:
        program, start = STARTS[shell]
        variables = {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(folder), "TERM": "dumb", "PS1": "> ", "COLUMNS": "200",
            "PYTHONWARNINGS": "ignore",
        }  # fmt: skip
        self.terminal, inside = pty.openpty()
        # No plain fork: threads of JAX may run in this process.
        self.process = subprocess.Popen(
            program, cwd=folder, env=variables, start_new_session=True,
            stdin=inside, stdout=inside, stderr=inside,
        )  # fmt: skip
        os.close(inside)
        self.type(f"{start}; echo rea''dy\n")
        self.read_until("ready")

    def type(self, keys: str) -> None:
        os.write(self.terminal, keys.encode())

    def read_until(self, text: str) -> str:
        seen = ""
        deadline = time.monotonic() + PATIENCE_S
        while text not in seen:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.terminal], [], [], left)[0]:
                raise TimeoutError(f"{text!r} did not appear, but {seen!r}")
            seen += os.read(self.terminal, 4096).decode()
        return seen

    def completes(self, words: str, wanted: str) -> None:
        """Type words and a Tab, wait until the line has what is wanted, and clear it."""
        self.type(f"{words}\t")
        self.read_until(wanted)
        self.type("\x15")

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.terminal)


@pytest.fixture
def beside(case: Path, stilt, tmp_path_factory) -> Path:
    """A folder with a project `case` that has simulations."""
    stilt("register", case)
    folder = tmp_path_factory.mktemp("shell")
    (folder / "case").symlink_to(case)
    return folder


@pytest.mark.parametrize("shell", STARTS)
def test_tab_completes_in_a_real_shell(shell: str, stilt, beside: Path) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    (beside / "script").write_text(stilt("completion", shell).stdout)
    terminal = Terminal(shell, beside)
    try:
        terminal.completes("stilt expl", "ain ")
        terminal.completes("stilt status --ver", "ify ")
        terminal.completes("stilt run ./ca", "se/")
        terminal.completes(f"stilt explain case {ONE[:-9]}", ONE[-9:])
    finally:
        terminal.close()


def test_fish_offers_commands_options_folders_and_ids(stilt, beside: Path) -> None:
    if shutil.which("fish") is None:
        pytest.skip("fish is not installed")
    (beside / "script").write_text(stilt("completion", "fish").stdout)
    asked = ("expl", "status --ver", "run ./ca", "explain case toy_202301011200")
    lines = "; ".join(f'complete -C "stilt {words}"' for words in asked)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["fish", "--no-config", "-c", f"source ./script; {lines}"],
        cwd=beside, env={**os.environ, "PATH": path, "HOME": str(beside)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    answers = [line.split("\t")[0] for line in done.stdout.splitlines()]
    assert answers == ["explain", "--verify", "./case/", ONE]


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
