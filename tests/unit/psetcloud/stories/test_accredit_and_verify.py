# SPDX-License-Identifier: Apache-2.0
"""The story as data: its commands are commands that exist, its days are relative to today."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import click

from cli.main import pset
from psetcloud.stories.accredit_and_verify import AccreditAndVerify
from psetcloud.stories.steps import Command, Outcome

TODAY = date(2028, 3, 1)


def first_command(directory: Path) -> Command:
    steps = AccreditAndVerify(directory, today=TODAY).tell()
    step = next(steps)
    while not isinstance(step, Command):
        step = steps.send(Outcome())
    return step


def test_days_are_relative_to_the_day_of_telling(tmp_path: Path) -> None:
    story = AccreditAndVerify(tmp_path, today=TODAY)
    assert story.granted_from == date(2026, 3, 2)
    assert story.assessed_before == date(2027, 3, 2)
    arguments = first_command(tmp_path).arguments
    assert arguments[arguments.index("--from") + 1] == "2026-03-02"


def test_the_first_command_is_one_that_the_command_line_takes(tmp_path: Path) -> None:
    command = first_command(tmp_path)
    context = click.Context(pset)
    group = pset.get_command(context, command.arguments[0])
    assert isinstance(group, click.Group)
    verb = group.get_command(context, command.arguments[1])
    assert verb is not None
    made = verb.make_context(command.arguments[1], list(command.arguments[2:]), parent=context)
    assert made.params["org"] == "gaa"
    assert made.params["powers"] == ("train", "assess-internally", "issue-statement-of-results")
    assert made.params["sites"] == ("2",)


def test_nothing_is_written_before_it_is_told(tmp_path: Path) -> None:
    first_command(tmp_path / "demo")
    assert list(tmp_path.iterdir()) == []
