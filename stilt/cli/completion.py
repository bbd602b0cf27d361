"""`stilt completion`: have the shell complete commands, options, projects and simulation ids."""

from __future__ import annotations

from contextlib import suppress

import click
from click.shell_completion import CompletionItem, get_completion_class

from stilt.cli.common import json_option, print_json
from stilt.roots import local_output_root

SHELLS = ("bash", "zsh", "fish")
_SOME_IDS = """s.sim_id IN (
    SELECT sim_id FROM simulations WHERE starts_with(sim_id, ?)
    ORDER BY coalesce(reason, '') = '', sim_id LIMIT 200)"""

START_FILES = {"bash": "~/.bashrc", "zsh": "~/.zshrc", "fish": "~/.config/fish/config.fish"}
_LINES = {
    "bash": 'eval "$(stilt completion bash)"',
    "zsh": 'eval "$(stilt completion zsh)"',
    "fish": "stilt completion fish | source",
}


@click.command(
    epilog="""\b
Examples:
  eval "$(stilt completion bash)"         # in ~/.bashrc
  eval "$(stilt completion zsh)"          # in ~/.zshrc, after compinit
  stilt completion fish | source          # in ~/.config/fish/config.fish
"""
)
@click.argument("shell", type=click.Choice(SHELLS))
@json_option
def completion(shell: str, as_json: bool) -> None:
    """Print what makes SHELL complete the command line of `stilt` with the Tab key.

    Commands, options, folders and simulation ids are completed. Bash must be 4.4 or later.
    """
    kind = get_completion_class(shell)
    assert kind is not None
    root = click.get_current_context().find_root().command
    completer = kind(root, {}, "stilt", "_STILT_COMPLETE")
    text = completer.source_template % completer.source_vars()
    if as_json:
        print_json({"script": text, "line": _LINES[shell], "start_file": START_FILES[shell]})
    else:
        click.echo(text)


def complete_simulation(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Offer simulation ids of the project that stands before; of more than 200, those that failed.

    Nothing is offered where there is no project, or its index cannot be read: a Tab key has nobody
    to tell.
    """
    del param
    project = ctx.params.get("project") or "."
    found: list[str] = []
    with suppress(Exception):
        root = local_output_root(project, None)
        if not (root / ".stilt" / "index.duckdb").is_file():
            return []
        from stilt.project.inputs import Project

        # Of a URL what is known here, without asking there.
        found = Project(root).index.ids(_SOME_IDS, [incomplete])
    return [CompletionItem(sim_id) for sim_id in found]
