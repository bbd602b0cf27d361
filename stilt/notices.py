"""Sentences that the user must see, however logging is configured."""

from __future__ import annotations

import logging
import sys


def notice(logger: logging.Logger, text: str, *arguments: object) -> None:
    """Log a warning, and print it on stderr where no handler of the logger shows warnings.

    Prefect, in a process that runs its flows, leaves the terminal to the command line's own lines.

    Args:
        logger: of the calling module.
        text: one sentence, with the placeholders of :mod:`logging`.
        arguments: values of the placeholders.
    """
    logger.warning(text, *arguments)
    if logger.isEnabledFor(logging.WARNING) and logging.lastResort and not _is_shown(logger):
        record = logger.makeRecord(logger.name, logging.WARNING, __file__, 0, text, arguments, None)
        logging.lastResort.handle(record)


def _is_shown(logger: logging.Logger) -> bool:
    """Return whether a handler, or Python's own without any, shows warnings of a logger."""
    found = 0
    current: logging.Logger | None = logger
    while current is not None:
        if any(handler.level <= logging.WARNING for handler in current.handlers):
            return True
        found += len(current.handlers)
        current = current.parent if current.propagate else None
    return found == 0


class OwnLines(logging.Handler):
    """Shows records on stderr that no handler of the root logger would."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print the message of a record."""
        if not any(handler.level <= record.levelno for handler in logging.getLogger().handlers):
            print(record.getMessage(), file=sys.stderr)
