"""What the verbs share: exit codes, one-line errors, the project argument, output as JSON."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import click
from click.shell_completion import CompletionItem

from stilt.cli.answers import Answer, begin_answer, current_answer
from stilt.errors import (
    ConfigValidationError,
    SimulationError,
    StiltError,
    UsageError,
    WeatherWarning,
)
from stilt.interrupts import interruptible
from stilt.roots import shown

if TYPE_CHECKING:
    from stilt.model import Model
    from stilt.project.inputs import Project

Verb = TypeVar("Verb", bound=Callable[..., Any])

EXIT_COMPLETE, EXIT_FAILED, EXIT_USAGE, EXIT_INTERRUPTED = 0, 1, 2, 3

NO_RECEPTORS = "receptors.csv lists no receptor: write a line for each, below the columns' names."
INTERRUPTED_HINT = "Interrupted. What is finished is kept: run the same command again to go on."


def require_registered(model: Model) -> None:
    """Stop where no receptor is listed, unless some were registered before.

    Raises:
        UsageError: there is nothing to compute.
    """
    if not model.receptors and not model.status()["total"]:
        raise UsageError(NO_RECEPTORS)


class Interrupted(KeyboardInterrupt):
    """Ctrl-C where another sentence than :data:`INTERRUPTED_HINT` is true."""


class Commands(click.Group):
    """The group of all verbs: turns exceptions into one line on stderr and an exit code."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Verbs in the order in which a user meets them, not by name."""
        return list(self.commands)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the verbs with the whole first sentence of each, which click would cut off."""
        rows = [
            (name, " ".join((verb.help or "").partition("\n\n")[0].split()))
            for name, verb in self.commands.items()
        ]
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def main(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Run a verb; always ends in SystemExit with 0, 1, 2 or 3."""
        from stilt.execution.setup import own_process

        own_process()
        kwargs["standalone_mode"] = False
        given = args[0] if args else kwargs.get("args")
        answer = begin_answer(self, sys.argv[1:] if given is None else given)
        with interruptible(), _own_warnings_plain(answer):
            code = self._code(answer, given, *args, **kwargs)
            if answer is not None:
                code = _printed(answer, code)
            sys.exit(code)

    def _code(
        self, answer: Answer | None, given: Sequence[str] | None, *args: Any, **kwargs: Any
    ) -> int:
        def broken_off(text: str) -> None:
            click.echo(text, err=True)
            if answer is not None:
                answer.error = text.removeprefix("Error: ")

        try:
            _refuse_inexpressible([*(sys.argv[1:] if given is None else given), _current_folder()])
            code = super().main(*args, **kwargs)
        except click.ClickException as error:
            error.show()
            if isinstance(error, click.NoSuchOption) and error.option_name[1:2].isdigit():
                click.echo("Put -- before an id that begins with a minus sign.", err=True)
            if answer is not None:
                answer.error = error.format_message()
            return EXIT_USAGE
        except (click.Abort, KeyboardInterrupt) as error:
            # click takes any EOFError for the end of what a person types.
            if isinstance(error.__cause__, EOFError):
                raise error.__cause__ from None
            known = isinstance(error.__cause__, Interrupted)
            broken_off(str(error.__cause__) if known else INTERRUPTED_HINT)
            return EXIT_INTERRUPTED
        except BrokenPipeError:
            _discard_stdout()
            return EXIT_COMPLETE
        except StiltError as error:
            broken_off(f"Error: {_one_line(error)}")
            wrong_input = not isinstance(error, SimulationError) or isinstance(
                error, (ConfigValidationError, UsageError)
            )
            return EXIT_USAGE if wrong_input else EXIT_FAILED
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
            broken_off(f"Error: {_one_line(error)}")
            return EXIT_USAGE
        except OSError as error:
            from stilt.execution.failures import disk_sentence

            sentence = disk_sentence(error)
            if sentence is None:
                raise
            broken_off(f"Error: {sentence}")
            return EXIT_USAGE if isinstance(error, PermissionError) else EXIT_FAILED
        return code if isinstance(code, int) else EXIT_COMPLETE


def _current_folder() -> str:
    """Return the current folder.

    Raises:
        UsageError: it has been removed.
    """
    try:
        return os.getcwd()
    except FileNotFoundError as error:
        raise UsageError("The current folder has been removed: change to another one.") from error


def _refuse_inexpressible(paths: Iterable[str]) -> None:
    """Refuse paths whose bytes are no text in this environment, with which libraries cannot work.

    Raises:
        UsageError: Python has read some of their bytes as halves of characters.
    """
    for path in paths:
        try:
            path.encode()
        except UnicodeEncodeError as error:
            shown = path.encode(errors="replace").decode()
            raise UsageError(
                f"'{shown}' has letters that the encoding of this environment, "
                f"{sys.getfilesystemencoding()}, does not have: set PYTHONUTF8=1 (or "
                "LC_ALL=C.UTF-8) and run again, or rename it."
            ) from error


def _printed(answer: Answer, code: int) -> int:
    """Print the JSON document of a command that has ended; returns its exit code."""
    try:
        click.echo(answer.text(code))
        sys.stdout.flush()
    except BrokenPipeError:
        _discard_stdout()
    return code


def _discard_stdout() -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextmanager
def _own_warnings_plain(answer: Answer | None) -> Iterator[None]:
    """Print warnings about weather as sentences, without the place in the code."""
    with warnings.catch_warnings():
        warnings.simplefilter("always", WeatherWarning)
        show = warnings.showwarning

        def show_plain(message: Warning | str, category: type[Warning], *place: Any) -> None:
            if issubclass(category, WeatherWarning):
                click.echo(str(message), err=True)
                if answer is not None:
                    answer.warnings.append(str(message))
            else:
                show(message, category, *place)

        warnings.showwarning = show_plain  # type: ignore[assignment]
        yield


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())


def complete_folder(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Let the shell offer its folders."""
    del ctx, param
    return [CompletionItem(incomplete, type="dir")]


def project_argument(*, required: bool = False) -> Callable[[Verb], Verb]:
    """The PROJECT argument, a folder or a URL.

    Without it, ``--output-dir`` or the current directory is the root.
    """
    metavar = "PROJECT" if required else "[PROJECT]"
    return click.argument(
        "project", required=required, metavar=metavar, shell_complete=complete_folder
    )


output_dir_option = click.option(
    "--output-dir", metavar="DIR", help="Folder or URL of results, when not in the project."
)
compute_root_option = click.option(
    "--compute-root", metavar="DIR", help="Where workers compute before results are published."
)
time_format_option = click.option(
    "--time-format",
    metavar="FORMAT",
    help="Form of the times in receptors.csv when the year is not first, as '%d.%m.%Y %H:%M'.",
)
json_option = click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print one JSON document; other lines go to stderr.",
)
listed_option = click.option(
    "--listed", is_flag=True, help="Leave out receptors that receptors.csv no longer lists."
)
skip_option = click.option(
    "--skip-existing/--no-skip-existing",
    default=None,
    help="Keep outputs that exist, or compute them again.  [default: the config's skip_existing]",
)


def project_root(project: str | None, output_dir: str | None, *, outputs: bool = False) -> str:
    """The project to work on, checked to be one.

    Args:
        project: the argument; None falls back to `output_dir`, then to the current directory.
        output_dir: the option of that name.
        outputs: accept an output root, a directory with ``simulations/``, too.

    Raises:
        UsageError: there is no config.yaml there (nor outputs), or the URL cannot be used.
    """
    root = project or output_dir or "."
    if "://" in root:
        from stilt.project.home import require_project

        return require_project(root, outputs=outputs)
    path = Path(root).expanduser().resolve()
    if (path / "config.yaml").is_file():
        return str(path)
    if outputs and (path / "simulations").is_dir():
        return str(path)
    if path.is_file():
        raise UsageError(
            f"'{path}' is a file: a project is a folder, so give the one that it is in, "
            f"{shown(path.parent)}."
        )
    kind = "project or output root" if outputs else "project directory"
    raise UsageError(
        f"'{path}' does not look like a STILT {kind} (no config.yaml found). "
        "`stilt init DIR` makes one."
    )


def open_model(
    project: str | None,
    output_dir: str | None,
    *,
    compute_root: str | None = None,
    outputs: bool = False,
    time_format: str | None = None,
) -> Model:
    """The model of a project that :func:`project_root` has found."""
    root = project_root(project, output_dir, outputs=outputs)
    from stilt.model import Model

    return Model(
        project=root, output_dir=output_dir, compute_root=compute_root, time_format=time_format
    )


def open_files(project: str | None, output_dir: str | None) -> Project:
    """Folders and index of a project or output root; loads much less than :func:`open_model`."""
    root = project_root(project, output_dir, outputs=True)
    from stilt.project.inputs import Project

    return Project(root, output_dir=output_dir)


def time_range(start: str | None, end: str | None) -> tuple[str, str]:
    """Return the range of times that ``--from`` and ``--to`` choose, either of them alone too."""
    return start or "1900-01-01", end or "2200-01-01"


def print_json(value: Any) -> None:
    """Make a value the ``result`` of the JSON document that is printed when the command ends."""
    answer = current_answer.get()
    assert answer is not None, "--json was not among the arguments"
    answer.result = value


def warn_in_json(sentences: Iterable[str]) -> None:
    """Add to the ``warnings`` of the JSON document."""
    answer = current_answer.get()
    assert answer is not None, "--json was not among the arguments"
    answer.warnings.extend(sentences)


def unlisted_text(number: int) -> list[str]:
    """Say that results of receptors which are not listed now are still used; nothing for none."""
    if not number:
        return []
    return [
        f"{number:,} result(s) are of receptors that receptors.csv no longer lists: they stay in "
        "means, pictures, tables and exports, unless these are made with --listed (listed=True in "
        "Python)."
    ]


def counts_line(counts: Mapping[str, int]) -> str:
    """``total=3  completed=1  running=0  pending=1  failed=1``."""
    labels = ("total", "completed", "running", "pending", "failed")
    return "  ".join(f"{label}={counts[label]}" for label in labels)


def exit_code(counts: Mapping[str, int]) -> int:
    """0 when everything is complete, else 1."""
    return EXIT_COMPLETE if counts["completed"] == counts["total"] else EXIT_FAILED
