"""With --json every command prints one document of one shape, also when it breaks off."""

import json

import click
import pytest

from stilt.cli import cli
from stilt.version import __version__

KEYS = ["command", "version", "exit_code", "error", "warnings", "result"]


def leaves(group: click.Group, words: tuple[str, ...] = ()):
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from leaves(command, (*words, name))
        else:
            yield (*words, name), command


@pytest.mark.parametrize(("words", "command"), list(leaves(cli)), ids=lambda one: str(one))
def test_every_command_has_json(words, command) -> None:
    assert "--json" in [name for each in command.params for name in each.opts]


def read(result) -> dict:
    answer = json.loads(result.stdout)
    assert list(answer) == KEYS
    assert answer["version"] == __version__
    assert answer["exit_code"] == result.exit_code
    return answer


def test_a_command_answers_with_its_result(stilt, case) -> None:
    answer = read(stilt("status", case, "--json"))
    assert answer["command"] == "status"
    assert answer["error"] is None
    assert answer["result"]["total"] == 0
    assert read(stilt("register", case, "--json"))["result"]["registered"][0].startswith("toy_")


def test_init_answers_with_its_files(stilt, tmp_path) -> None:
    result = read(stilt("init", tmp_path / "new", "--json"))["result"]
    assert result["files"] == [str(tmp_path / "new" / f) for f in ("config.yaml", "receptors.csv")]


def test_a_command_of_a_group_has_both_names(stilt, case) -> None:
    assert read(stilt("weather", "cache", case, "--json"))["command"] == "weather cache"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("status", "/nowhere"), "'/nowhere' does not look like a STILT project"),
        (("status", "--frobnicate"), "No such option"),
        (("explain",), "Missing argument"),
    ],
)
def test_a_mistake_is_in_the_document_and_on_stderr(stilt, arguments, sentence) -> None:
    result = stilt(*arguments, "--json")
    answer = read(result)
    assert sentence in answer["error"]
    assert answer["result"] is None
    assert answer["exit_code"] == 2
    assert sentence in result.stderr


def test_without_json_nothing_changes(stilt, case) -> None:
    assert stilt("status", case).stdout.startswith("total")


def test_a_json_after_two_dashes_is_no_option(stilt, case) -> None:
    result = stilt("status", "--", "--json")
    assert result.exit_code == 2
    assert result.stdout == ""


def test_other_lines_go_to_stderr(stilt, case, tmp_path) -> None:
    chunk = tmp_path / "ids"
    chunk.write_text("")
    result = stilt("push-worker", case, "--chunk", chunk, "--json")
    assert read(result)["result"]["total"] == 0
    assert "0 of 0 simulation(s) complete." in result.stderr


def test_warnings_are_told_too() -> None:
    import warnings

    from click.testing import CliRunner

    from stilt.cli.common import Commands, json_option, print_json
    from stilt.errors import WeatherWarning

    group = Commands(name="stilt")

    @group.command()
    @json_option
    def verb(as_json: bool) -> None:
        warnings.warn("The weather is odd.", WeatherWarning, stacklevel=1)
        print_json([as_json])

    result = CliRunner().invoke(group, ["verb", "--json"])
    answer = json.loads(result.stdout)
    assert (answer["warnings"], answer["result"]) == (["The weather is odd."], [True])
    assert "The weather is odd." in result.stderr
