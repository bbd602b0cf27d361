"""What a command answers with ``--json``: one JSON document on stdout, of one shape."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import click

from stilt.version import __version__


@dataclass
class Answer:
    """The document that a command prints with ``--json``.

    Attributes:
        command: the command's words, such as ``weather list``; empty for ``stilt`` alone.
        result: what the command found or did; its shape is that of the command.
        warnings: sentences about what looks wrong but does not stop anything.
        error: one sentence when the command broke off, else None.
    """

    command: str
    result: Any = None
    warnings: list[str] = field(default_factory=list)
    error: str | None = None

    def text(self, exit_code: int) -> str:
        """Return the document as indented JSON."""
        document = {
            "command": self.command,
            "version": __version__,
            "exit_code": exit_code,
            "error": self.error,
            "warnings": self.warnings,
            "result": self.result,
        }
        return json.dumps(document, indent=2, default=str)


current_answer: ContextVar[Answer | None] = ContextVar("current_answer", default=None)
"""That of the command that runs, when it was asked for JSON."""


def begin_answer(group: click.Group, arguments: Sequence[str]) -> Answer | None:
    """Return the answer to fill if the arguments ask for JSON, and make it the current one."""
    ours = list(arguments)
    if "--" in ours:
        ours = ours[: ours.index("--")]
    answer = Answer(_command_words(group, ours)) if "--json" in ours else None
    current_answer.set(answer)
    return answer


def _command_words(group: click.Group, arguments: Sequence[str]) -> str:
    """Return the names of the command and its group in a list of arguments."""
    words: list[str] = []
    command: click.Command | None = group
    for argument in arguments:
        if isinstance(command, click.Group) and argument in command.commands:
            command = command.commands[argument]
            words.append(argument)
    return " ".join(words)
