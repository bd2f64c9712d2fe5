# SPDX-License-Identifier: Apache-2.0
"""Every `pset …` command and every extra that a text of the software names exists."""

from __future__ import annotations

import ast
import configparser
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from cli.context import CliContext
from cli.main import pset

ROOT = Path(__file__).resolve().parents[3]
PACKAGES = ("cli", "sdk", "psetcloud", "ledger", "consensus", "proto/psetledger")
COMMAND = re.compile(r"[`$] ?(pset(?: [^`$\n|]+))")
EXTRA = re.compile(r"psetledger\[([a-z0-9,-]+)\]")


def texts() -> Iterator[tuple[str, str]]:
    """Every string of the source, docstrings too, the fixed parts of f-strings joined by X."""
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            tree = ast.parse(path.read_bytes())
            inside: set[int] = set()
            for node in ast.walk(tree):
                if isinstance(node, ast.JoinedStr):
                    inside |= {id(part) for part in node.values}
                    text = "".join(
                        part.value
                        if isinstance(part, ast.Constant) and isinstance(part.value, str)
                        else "X"
                        for part in node.values
                    )
                    yield str(path.relative_to(ROOT)), text
                elif (
                    isinstance(node, ast.Constant)
                    and isinstance(node.value, str)
                    and id(node) not in inside
                ):
                    yield str(path.relative_to(ROOT)), node.value


NAMED = sorted({found for _, text in texts() for found in COMMAND.findall(text)})


def find_problem(line: str) -> str:
    """What is wrong with a command line; empty when its commands and long options exist."""
    command: click.Command = pset
    context = click.Context(pset, info_name="pset", obj=CliContext())
    words = iter(line.split("#", maxsplit=1)[0].split()[1:])
    for word in words:
        if not isinstance(command, click.Group) or not re.fullmatch(r"[a-z][a-z-]*", word):
            break
        found = command.get_command(context, word)
        if found is None:
            return f"no command {word}"
        command = found
    known = {name for param in command.get_params(context) for name in param.opts}
    known |= {"--help", "--version"}
    wrong = [word for word in re.findall(r"(?<=\s)--[a-z][a-z-]+", line) if word not in known]
    return f"no option {wrong[0]}" if wrong else ""


def test_the_texts_are_found() -> None:
    assert len(NAMED) > 100
    assert any(line.startswith("pset network down") for line in NAMED)
    assert find_problem("pset network vanish")
    assert find_problem("pset network down --vanish")


@pytest.mark.parametrize("line", NAMED)
def test_a_command_that_is_named_exists(line: str) -> None:
    assert not find_problem(line)


def test_an_extra_that_is_named_exists() -> None:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    extras = set(setup["options.extras_require"])
    named = {
        name for _, text in texts() for found in EXTRA.findall(text) for name in found.split(",")
    }
    assert "node" in named
    assert named <= extras
