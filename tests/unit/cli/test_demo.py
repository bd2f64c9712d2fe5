# SPDX-License-Identifier: Apache-2.0
"""`pset demo` before any network is started: where it may lie, which stories there are."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from cli.demo import network_argument, seconds_to_wait, word_verdict
from cli.story_telling import format_command
from cli.wording import SOUTH_AFRICA
from tests.support.pset_runs import run


def test_a_directory_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    kept = tmp_path / "thesis.txt"
    kept.write_text("mine")
    ended = run("demo", "--dir", str(tmp_path), "-o", "json")
    assert (ended.exit, ended.error["code"]) == (2, "DIRECTORY_NOT_EMPTY")
    assert kept.read_text() == "mine"
    assert list(tmp_path.iterdir()) == [kept]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("--story", "2"), "STORY_UNKNOWN"),
        (("--story", "one"), "STORY_UNKNOWN"),
        (("--nodes", "0"), "USAGE"),
    ],
)
def test_what_cannot_be_told_is_refused_at_once(
    tmp_path: Path, arguments: tuple[str, ...], code: str
) -> None:
    directory = tmp_path / "demo"
    ended = run("demo", "--dir", str(directory), *arguments, "-o", "json")
    assert (ended.exit, ended.error["code"]) == (2, code)
    assert not directory.exists()


@pytest.mark.parametrize(
    ("place", "argument"), [("demo", "./demo"), ("a/b", "a/b"), ("/srv/demo", "/srv/demo")]
)
def test_a_directory_is_never_taken_for_a_name(place: str, argument: str) -> None:
    assert network_argument(Path(place)) == argument


def test_a_command_is_printed_so_that_it_can_be_typed() -> None:
    words = format_command(
        ("org", "request", "--name", "Sample College (sample)"), Path("a b.json")
    )
    assert words == "pset org request --name 'Sample College (sample)' > 'a b.json'"


def test_verdicts_in_words() -> None:
    assert word_verdict("valid", None, is_warned=False) == "VALID"
    assert word_verdict("valid", None, is_warned=True) == "VALID, with a warning"
    assert word_verdict("invalid", "REVOKED", is_warned=False) == "INVALID REVOKED"
    assert word_verdict("unknown", "NO_CONNECTION", is_warned=False) == "CANNOT TELL NO_CONNECTION"


@pytest.mark.parametrize(
    ("clock", "seconds"), [("00:00:00", 0), ("23:59:39", 0), ("23:59:45", 16), ("23:59:59", 2)]
)
def test_a_story_does_not_begin_just_before_midnight(clock: str, seconds: int) -> None:
    now = datetime.fromisoformat(f"2026-12-31T{clock}").replace(tzinfo=SOUTH_AFRICA)
    assert seconds_to_wait(now) == seconds
