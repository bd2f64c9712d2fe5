# SPDX-License-Identifier: Apache-2.0
"""`pset` as a process of its own, in a directory with a home of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
SECONDS_MAX = 120
_PROGRAM = (sys.executable, "-c", "from cli.main import main; main()")


@dataclass(frozen=True, slots=True)
class PsetProcess:
    """A shell of a user who has nothing configured."""

    directory: Path

    @property
    def environment(self) -> dict[str, str]:
        """That of this process without our variables."""
        held = {name: value for name, value in os.environ.items() if not name.startswith("PSET_")}
        held["PYTHONPATH"] = os.pathsep.join((str(ROOT), str(ROOT / "proto")))
        held["PSET_HOME"] = str(self.directory / "home")
        return held

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A command until its end."""
        return subprocess.run(
            [*_PROGRAM, *arguments],
            cwd=self.directory,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=SECONDS_MAX,
        )

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """A command that goes on; its output is a pipe."""
        return subprocess.Popen(
            [*_PROGRAM, *arguments],
            cwd=self.directory,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def json(self, *arguments: str, exit_code: int = 0) -> dict[str, Any]:
        """The `data` of a command that ends with this exit code."""
        ended = self.run(*arguments, "-o", "json")
        assert ended.returncode == exit_code, ended
        data: dict[str, Any] = json.loads(ended.stdout)["data"]
        return data

    def error(self, *arguments: str, exit_code: int) -> dict[str, Any]:
        """The error object of a command that ends with this exit code."""
        ended = self.run(*arguments, "-o", "json")
        assert ended.returncode == exit_code, ended
        error: dict[str, Any] = json.loads(ended.stderr)
        return error
