"""The result of one check."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """Whether something is well, doubtful or wrong."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True)
class Finding:
    """The result of one check.

    Attributes:
        subject: what was looked at, in a word or two.
        verdict: a ``problem`` prevents runs from completing; a ``warning`` may.
        found: one sentence on what is there.
        advice: one sentence on what to do; empty when all is well.
    """

    subject: str
    verdict: Verdict
    found: str
    advice: str = ""


def fine(subject: str, found: str) -> Finding:
    """Return a finding of something that is as it should be."""
    return Finding(subject, Verdict.OK, found)


def warning(subject: str, found: str, advice: str) -> Finding:
    """Return a finding of something that may do harm."""
    return Finding(subject, Verdict.WARNING, found, advice)


def problem(subject: str, found: str, advice: str) -> Finding:
    """Return a finding about something that prevents runs from completing."""
    return Finding(subject, Verdict.PROBLEM, found, advice)
