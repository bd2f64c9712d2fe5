# SPDX-License-Identifier: Apache-2.0
"""Every command, walked through: it loads, explains itself with examples, and has the shared options."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from cli.command import PsetCommand, PsetGroup
from cli.main import SECTIONS, pset

ROOT = Path(__file__).resolve().parents[3]
HELP_SECONDS_MAX = 0.5

READS = {
    "ledger get",
    "ledger tx",
    "ledger block",
    "ledger head",
    "org show",
    "org list",
    "did show",
    "schema show",
    "schema list",
    "accreditation list",
    "accreditation show",
    "accreditation check",
    "credential template list",
    "credential template show",
    "status-list show",
    "verify",
}
WRITES = {"org endorse", "org add-site", "did rotate-key", "schema publish"}
EXPECTED = {
    "explain",
    "version",
    "completion",
    "demo",
    "verify",
    "network up",
    "network down",
    "network status",
    "network add",
    "network use",
    "network list",
    "network show",
    "network kill",
    "network start",
    "network isolate",
    "network heal",
    "node start",
    "node stop",
    "node status",
    "ledger get",
    "ledger tx",
    "ledger block",
    "ledger head",
    "ledger check-proof",
    "key generate",
    "key list",
    "key show",
    "org request",
    "org endorse",
    "org show",
    "org list",
    "org add-site",
    "did show",
    "did rotate-key",
    "schema publish",
    "schema show",
    "schema list",
}


def commands() -> Iterator[tuple[str, click.Command]]:
    context = click.Context(pset, info_name="pset")
    for name in pset.list_commands(context):
        command = pset.get_command(context, name)
        assert command is not None
        yield from walk(name, command)


def walk(path: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        for name, inner in command.commands.items():
            yield from walk(f"{path} {name}", inner)


COMMANDS = dict(commands())
LEAVES = {path: item for path, item in COMMANDS.items() if not isinstance(item, click.Group)}


def test_the_frozen_commands_are_there() -> None:
    assert set(LEAVES) >= EXPECTED


@pytest.mark.parametrize("path", COMMANDS)
def test_a_command_explains_itself(path: str) -> None:
    """Help without a network; a first sentence that fits a line; an example that names the command."""
    command = COMMANDS[path]
    assert isinstance(command, PsetCommand | PsetGroup)
    result = CliRunner().invoke(pset, [*path.split(), "--help"])
    assert result.exit_code == 0, result.output
    assert "\nExamples:\n" in result.stdout
    assert f"pset {path.split(maxsplit=1)[0]}" in command.examples
    assert len(command.get_short_help_str(160)) <= 110
    assert max(len(line) for line in command.examples.splitlines()) <= 100


@pytest.mark.parametrize("path", COMMANDS)
def test_no_option_is_spelt_twice(path: str) -> None:
    """A command that took `-o` for itself would hide the global flag."""
    context = click.Context(COMMANDS[path])
    spelt = [
        option
        for param in COMMANDS[path].get_params(context)
        for option in param.opts
        if option.startswith("-")
    ]
    assert len(spelt) == len(set(spelt))


def options(path: str) -> set[str]:
    return {option for param in LEAVES[path].params for option in param.opts}


@pytest.mark.parametrize("path", sorted(READS))
def test_a_read_saves_its_proof(path: str) -> None:
    assert "--proof" in options(path)


@pytest.mark.parametrize("path", sorted(WRITES))
def test_a_write_has_the_options_of_writes(path: str) -> None:
    assert options(path) >= {"--wait", "--idempotency-key", "--dry-run", "--no-client-checks"}


def test_the_overview_names_every_command() -> None:
    text = CliRunner().invoke(pset, ["--help"]).stdout
    for heading, entries in SECTIONS.items():
        assert f"\n{heading}:\n" in text
        for name, entry in entries.items():
            assert name in text
            assert entry.help in text


def test_the_overview_comes_at_once() -> None:
    """The best of three: the machine may be busy."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "proto")))}
    seconds: list[float] = []
    for _ in range(3):
        started = time.monotonic()
        ended = subprocess.run(
            [sys.executable, "-c", "from cli.main import main; main()", "--help"],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        seconds.append(time.monotonic() - started)
        assert ended.returncode == 0, ended.stderr
    assert min(seconds) < HELP_SECONDS_MAX
