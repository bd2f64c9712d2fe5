# SPDX-License-Identifier: Apache-2.0
"""Completion: the scripts, and what PowerShell is answered."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from cli.main import pset


@pytest.mark.parametrize(
    ("shell", "mark"),
    [
        ("bash", "complete -o nosort -F"),
        ("zsh", "#compdef pset"),
        ("fish", "complete --no-files --command pset"),
        ("powershell", "Register-ArgumentCompleter -Native -CommandName pset"),
    ],
)
def test_a_script_for_each_shell(shell: str, mark: str) -> None:
    result = CliRunner().invoke(pset, ["completion", shell])
    assert result.exit_code == 0
    assert mark in result.stdout
    assert "_PSET_COMPLETE" in result.stdout
    data = json.loads(CliRunner().invoke(pset, ["completion", shell, "-o", "json"]).stdout)["data"]
    assert mark in data["script"]


def test_the_powershell_script_has_balanced_braces() -> None:
    script = CliRunner().invoke(pset, ["completion", "powershell"]).stdout
    assert script.count("{") == script.count("}")
    assert script.count("(") == script.count(")")


def complete(words: str, incomplete: str) -> list[str]:
    environment = {
        "_PSET_COMPLETE": "powershell_complete",
        "COMP_WORDS": words,
        "COMP_INCOMPLETE": incomplete,
    }
    result = CliRunner().invoke(pset, [], env=environment)
    assert result.exit_code == 0, result.output
    return result.stdout.splitlines()


@pytest.mark.parametrize(
    ("words", "incomplete", "found"),
    [
        ("pset netw", "netw", "network"),
        ("pset network ", "", "up"),
        ("pset network u", "u", "use"),
        ("pset explain --", "--", "--all"),
        ("pset org show --", "--", "--network"),
        ("pset key generate x --role ", "", "ledger"),
    ],
)
def test_powershell_is_answered_value_and_help(words: str, incomplete: str, found: str) -> None:
    answers = [line.partition("\t")[0] for line in complete(words, incomplete)]
    assert found in answers
    assert all(value.startswith(incomplete) for value in answers)


def test_no_shell_but_those() -> None:
    assert CliRunner().invoke(pset, ["completion", "cmd"]).exit_code == 2
