# SPDX-License-Identifier: Apache-2.0
"""The suites of etcd's transcripts, and how one file of them is run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tests.support.transcripts.confchange import ConfChangeTranscript
from tests.support.transcripts.format import (
    Directive,
    as_output,
    parse_transcript,
    without_log,
)
from tests.support.transcripts.interaction import InteractionTranscript
from tests.support.transcripts.quorum import QuorumTranscript
from tests.support.vectors import vector_path

DIRECTORY = "etcd-raft"


class Transcript(Protocol):
    """The commands of one suite over what they act on."""

    def handle(self, directive: Directive) -> str:
        """What a command prints."""
        ...


SUITES: dict[str, Callable[[], Transcript]] = {
    "quorum": QuorumTranscript,
    "confchange": ConfChangeTranscript,
    "interaction": InteractionTranscript,
}


@dataclass(frozen=True, slots=True)
class Difference:
    """A command that printed something else."""

    place: str
    text: str
    expected: str
    actual: str

    def __str__(self) -> str:
        return f"{self.place}: {self.text}\nexpected:\n{self.expected}printed:\n{self.actual}"


def transcript_paths(suite: str) -> list[Path]:
    """The files of a suite, in the order of their names. Skips where there are no vectors."""
    return sorted(vector_path(DIRECTORY, suite).glob("*.txt"))


def run_transcript(path: Path, suite: str) -> tuple[int, Difference | None]:
    """Run a file to its end or to the first difference; how many commands went well.

    Lines of a log are left out of the comparison, on both sides.
    """
    transcript = SUITES[suite]()
    directives = parse_transcript(path.read_text("utf-8"))
    for count, directive in enumerate(directives):
        actual = without_log(as_output(transcript.handle(directive)))
        expected = without_log(directive.expected)
        if actual != expected:
            place = f"{path.name}:{directive.line}"
            return count, Difference(place, directive.text, expected, actual)
    return len(directives), None
