import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from stilt.cli import cli
from stilt.cli.common import INTERRUPTED_HINT, Commands, Interrupted
from stilt.errors import ConfigValidationError, MeteorologyError, UsageError
from stilt.roots import local_folder

VERBS = [
    *("init", "observe", "check", "run", "status", "explain", "plot", "report"),
    *("compact", "export", "migrate", "register", "weather"),
    *("push-worker", "pull-worker", "serve", "rebuild", "ui", "deploy", "demo"),
    *("doctor", "completion", "submit", "array-worker"),
]


def test_every_promised_verb_is_there() -> None:
    assert set(VERBS) == set(cli.commands)


@pytest.mark.parametrize("verb", VERBS)
def test_help_has_a_sentence_and_examples(stilt, verb: str) -> None:
    result = stilt(verb, "--help")
    assert result.exit_code == 0
    assert f"Usage: stilt {verb}" in result.output
    assert f"  stilt {verb}" in result.output.split("Examples:")[1]
    for option in cli.commands[verb].params:
        if isinstance(option, click.Option):
            assert option.help, f"{option.name} of {verb} has no help"


def test_no_arguments_print_the_help(stilt) -> None:
    result = stilt()
    assert result.exit_code == 0
    assert "Examples:" in result.output
    assert "Exit codes:" in result.output


def test_python_dash_m_is_the_same_command() -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "stilt", "--version"], capture_output=True, text=True, check=True
    )
    assert shown.stdout.startswith("stilt, version ")


HELP = """
import sys
from click.testing import CliRunner
from stilt.cli import cli
assert CliRunner().invoke(cli, ["--help"]).exit_code == 0
heavy = {"prefect", "jax", "pandas", "numpy", "matplotlib", "duckdb"} & set(sys.modules)
assert not heavy, heavy
"""


def test_the_command_line_is_light() -> None:
    packages = least_seconds_of_a_core("import click.testing, pydantic_settings, yaml")
    assert least_seconds_of_a_core(HELP) < 2.5 * packages


def least_seconds_of_a_core(code: str) -> float:
    """Return the least time of three processes that run code; the first may write bytecode."""
    code += "\nimport time; print(time.process_time())"
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    return min(
        float(
            subprocess.run(
                [sys.executable, "-c", code], env=environment, capture_output=True, text=True,
                check=True,
            ).stdout
        )
        for _ in range(3)
    )  # fmt: skip


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (UsageError("Wrong\ninput."), 2, "Error: Wrong input.\n"),
        (ConfigValidationError("Unknown key."), 2, "Error: Unknown key.\n"),
        (MeteorologyError("No weather."), 1, "Error: No weather.\n"),
        (FileNotFoundError("No receptors available."), 2, "Error: No receptors available.\n"),
        (KeyboardInterrupt(), 3, "Interrupted"),
        (click.UsageError("Give a project."), 2, "Error: Give a project."),
    ],
)
def test_a_mistake_is_one_line_and_an_exit_code(error: BaseException, code: int, text: str) -> None:
    group = Commands(name="stilt")

    @group.command()
    def verb() -> None:
        raise error

    result = CliRunner().invoke(group, ["verb"])
    assert result.exit_code == code
    assert text in result.stderr
    assert "Traceback" not in result.output


def test_ctrl_c_is_told_of_as_what_it_means_to_the_verb() -> None:
    group = Commands(name="stilt")

    @group.command()
    @click.argument("known", type=bool)
    def verb(known: bool) -> None:
        raise Interrupted("No longer watched.") if known else KeyboardInterrupt

    told = [CliRunner().invoke(group, ["verb", each]) for each in ("true", "false")]
    assert [each.exit_code for each in told] == [3, 3]
    assert [each.stderr.split("\n")[-2] for each in told] == [
        "No longer watched.",
        INTERRUPTED_HINT,
    ]


def test_an_end_of_file_where_nobody_types_is_no_interrupt() -> None:
    group = Commands(name="stilt")

    @group.command()
    def verb() -> None:
        raise EOFError("No data left in file")

    result = CliRunner().invoke(group, ["verb"])
    assert isinstance(result.exception, EOFError)
    assert "Interrupted" not in result.output


def test_a_path_that_the_environment_cannot_express_is_a_mistake() -> None:
    result = CliRunner().invoke(cli, ["run", b"f\xc3\xa4lle".decode("ascii", "surrogateescape")])
    assert result.exit_code == 2
    assert result.stderr.startswith("Error: 'f??lle' has letters that the encoding of this environ")


def test_a_verb_chooses_its_exit_code() -> None:
    group = Commands(name="stilt")

    @group.command()
    def verb() -> int:
        return 1

    assert CliRunner().invoke(group, ["verb"]).exit_code == 1


def test_unknown_verbs_and_options_are_usage_errors(stilt) -> None:
    assert stilt("frobnicate").exit_code == 2
    assert stilt("run", "--frobnicate").exit_code == 2
    assert stilt("register").exit_code == 2
    assert stilt("run", ".", "--n-workers", "0").exit_code == 2


@pytest.mark.parametrize(
    "verb", ["run", "status", "rebuild", "register", "check", "explain", "serve", "ui"]
)
def test_a_folder_that_is_no_project_is_refused(stilt, tmp_path: Path, verb: str) -> None:
    result = stilt(verb, tmp_path)
    assert result.exit_code == 2
    assert f"Error: '{tmp_path}' does not look like a STILT project" in result.stderr
    assert "no config.yaml found" in result.stderr
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    "verb",
    [
        "run", "status", "check", "register", "push-worker", "pull-worker", "serve", "rebuild",
        "compact", "explain", "report", "plot", "doctor", "ui", "submit", "weather list",
    ],
)  # fmt: skip
def test_a_url_without_a_project_is_named(stilt, tmp_path: Path, verb: str) -> None:
    (tmp_path / "chunk").touch()
    more = ["--chunk", tmp_path / "chunk"] if verb == "push-worker" else []
    result = stilt(*verb.split(), f"file://{tmp_path}/case", *more)
    assert result.exit_code == 2
    assert f"Error: 'file://{tmp_path}/case' does not look like a STILT project" in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_sigterm_ends_with_interrupted(tmp_path: Path) -> None:
    code = (
        "import sys, time, click\n"
        "from stilt.cli.common import Commands\n"
        "group = Commands(name='stilt')\n"
        "@group.command()\n"
        "def verb():\n"
        "    print('ready', flush=True)\n"
        "    time.sleep(60)\n"
        "group.main(['verb'])"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    time.sleep(0.1)
    os.kill(process.pid, signal.SIGTERM)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 3
    assert "Traceback" not in errors


def test_an_interrupted_computation_ends_with_3_whatever_its_threads_do() -> None:
    # What crashed was the clean-up after the command; here that ends with another code.
    code = (
        "import atexit, os, sys, types\n"
        "sys.modules['jax'] = types.ModuleType('jax')\n"
        "atexit.register(os._exit, 139)\n"
        "import stilt.cli as cli\n"
        "@cli.cli.command()\n"
        "def verb():\n"
        "    print('half a line', end='')\n"
        "    raise KeyboardInterrupt\n"
        "cli.main(['verb'])"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ended.returncode == 3
    assert ended.stdout == "half a line"
    assert "Interrupted." in ended.stderr


@pytest.mark.parametrize("code", [0, 1])
def test_a_command_ends_without_the_clean_up_of_python_but_says_all(code: int) -> None:
    script = (
        "import atexit, sys\n"
        "import stilt.cli as cli\n"
        "class Kept:\n"
        "    def __init__(self):\n"
        "        self.itself = self\n"
        "    def __del__(self):\n"
        "        print('cleaned up')\n"
        "@cli.cli.command()\n"
        "def verb():\n"
        "    Kept()\n"
        "    atexit.register(print, 'last words', end='')\n"
        f"    return {code}\n"
        "sys.argv = ['stilt', 'verb']\n"
        "cli.main()"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (ended.returncode, ended.stdout, ended.stderr) == (code, "last words", "")


@pytest.mark.parametrize("verb", ["check", "run", "register"])
def test_day_first_times_need_their_format(stilt, case: Path, verb: str) -> None:
    path = case / "receptors.csv"
    path.write_text("time,longitude,latitude,altitude\n10.05.2019 06:00,-111.85,40.77,5\n")
    result = stilt(verb, case)
    assert result.exit_code == 2
    assert result.output.count("\n") <= 2
    assert f"Error: {path}, line 2, column 'time': time '10.05.2019 06:00'" in result.output
    assert "--time-format" in result.output
    result = stilt(verb, case, "--time-format", "%H:%M")
    assert result.exit_code == 2
    assert "does not hold year, month and day" in result.output
    if verb != "run":
        result = stilt(verb, case, "--time-format", "%d.%m.%Y %H:%M", "--json")
        assert "201905100600_-111.85_40.77_5" in result.output


@pytest.mark.parametrize(("encoding", "word"), [("utf-16", "UTF-16"), ("latin-1", "Latin-1")])
@pytest.mark.parametrize("name", ["config.yaml", "receptors.csv", "ids.txt"])
def test_files_that_are_not_in_utf_8_are_named(stilt, case, name: str, encoding: str, word: str):
    path = case / name
    text = path.read_text() if path.exists() else "toy_202301011200_-111.85_40.77_5\n"
    path.write_bytes(f"{text}# Zürich\n".encode(encoding))
    arguments = ["push-worker", case, "--chunk", path] if name == "ids.txt" else ["check", case]
    result = stilt(*arguments)
    assert result.exit_code == 2, result.output
    assert result.output.startswith(f"Error: {path}")
    assert word in result.output
    assert "UTF-8" in result.output


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs a shell's <&- and /proc")
def test_closed_streams_and_a_removed_folder_are_no_tracebacks(tmp_path):
    stilt = f"{sys.executable} -m stilt"

    def shell(text):
        return subprocess.run(["sh", "-c", text], cwd=tmp_path, capture_output=True, check=False)

    assert shell(f"{stilt} init {tmp_path}/case <&- >&- 2>&-").returncode == 0
    assert (tmp_path / "case" / "config.yaml").exists()
    silent = shell(f"{stilt} status {tmp_path}/case >&-")
    assert (silent.returncode, silent.stderr) == (0, b"")
    gone = shell(f"mkdir gone && cd gone && rmdir ../gone && {stilt} status {tmp_path}/case")
    assert gone.returncode == 2
    assert gone.stderr == b"Error: The current folder has been removed: change to another one.\n"


def test_a_folder_with_a_dollar_in_its_name_is_found(tmp_path, monkeypatch):
    monkeypatch.setenv("WHERE", "elsewhere")
    (tmp_path / "it costs $WHERE").mkdir()
    assert local_folder(tmp_path / "it costs $WHERE") == tmp_path / "it costs $WHERE"
    assert local_folder(tmp_path / "$WHERE") == tmp_path / "elsewhere"
