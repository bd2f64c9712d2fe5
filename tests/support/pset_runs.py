# SPDX-License-Identifier: Apache-2.0
"""Running `pset` in the test's own process, and what came of it."""

from __future__ import annotations

import json
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

from cli.context import CliContext
from cli.main import pset


@dataclass(frozen=True, slots=True)
class Run:
    """A command that has ended."""

    exit: int
    stdout: str
    stderr: str

    @property
    def envelopes(self) -> list[dict[str, Any]]:
        """Every JSON object on stdout."""
        return [json.loads(line) for line in self.stdout.splitlines() if line]

    @property
    def envelope(self) -> dict[str, Any]:
        (only,) = self.envelopes
        return only

    @property
    def data(self) -> dict[str, Any]:
        data: dict[str, Any] = self.envelope["data"]
        return data

    @property
    def error(self) -> dict[str, Any]:
        """The error object on stderr; the only thing there."""
        error: dict[str, Any] = json.loads(self.stderr)
        assert error["kind"] == "Error"
        return error


@dataclass(frozen=True, slots=True)
class Pset:
    """`pset` on one network, with a home of its own."""

    network: Path
    home: Path

    def words(self, *arguments: str) -> Run:
        """Run, printing for people."""
        return run("--home", str(self.home), "--network", str(self.network), *arguments)

    def __call__(self, *arguments: str) -> Run:
        """Run, printing JSON."""
        return self.words(*arguments, "-o", "json")

    def done(self, *arguments: str) -> dict[str, Any]:
        """The `data` of a run that must end with 0."""
        ended = self(*arguments)
        assert ended.exit == 0, ended
        return ended.data


def run(*arguments: str) -> Run:
    """Run `pset` with these arguments."""
    stdout, stderr = StringIO(), StringIO()
    with redirect_stdout(stdout), redirect_stderr(stderr):
        code = pset.main(list(arguments), standalone_mode=False, obj=CliContext())
    return Run(int(code), stdout.getvalue(), stderr.getvalue())
