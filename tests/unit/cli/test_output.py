# SPDX-License-Identifier: Apache-2.0
"""What goes to stdout and stderr, in words and as JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, date, datetime
from io import StringIO
from typing import Any

import pytest
from rich.text import Text

from cli.errors import ErrorReport
from cli.output import Output, details, table

AS_OF = datetime(2026, 5, 14, 7, 14, tzinfo=UTC)


@dataclass
class Answer:
    height: int = 1842
    as_of: datetime = AS_OF
    verified: bool = True


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


def make(**wanted: Any) -> tuple[Output, StringIO, StringIO]:
    stdout = wanted.pop("stdout", None) or StringIO()
    stderr = StringIO()
    return Output(stdout=stdout, stderr=stderr, **wanted), stdout, stderr


def test_a_result_is_one_line_of_json_for_a_pipe_and_indented_on_a_terminal() -> None:
    output, stdout, _ = make(json_wanted=True)
    output.result("Thing", {"day": date(2026, 5, 14), "set": frozenset({"b", "a"})}, "words")
    assert stdout.getvalue() == (
        '{"kind": "Thing", "version": 1, "data": {"day": "2026-05-14", "set": ["a", "b"]}}\n'
    )
    output, stdout, _ = make(json_wanted=True, stdout=Terminal())
    output.result("Thing", {"a": 1})
    assert stdout.getvalue().count("\n") > 3
    assert json.loads(stdout.getvalue())["data"] == {"a": 1}


def test_several_results_are_several_lines() -> None:
    output, stdout, _ = make(json_wanted=True)
    for number in range(3):
        output.result("Thing", {"number": number})
    found = [json.loads(line)["data"]["number"] for line in stdout.getvalue().splitlines()]
    assert found == [0, 1, 2]


def test_a_read_says_height_time_and_that_it_is_verified() -> None:
    output, stdout, _ = make(json_wanted=True)
    output.read("Thing", {}, Answer())
    envelope = json.loads(stdout.getvalue())
    assert list(envelope) == ["kind", "version", "verified", "height", "as_of", "data"]
    assert (envelope["verified"], envelope["height"]) == (True, 1842)
    assert envelope["as_of"] == "2026-05-14T07:14:00Z"


@pytest.mark.parametrize(
    ("verified", "word"), [(True, "proven at height 1,842"), (False, "NOT VERIFIED at height")]
)
def test_people_read_it_too(verified: bool, word: str) -> None:
    output, stdout, _ = make()
    output.read("Thing", {}, Answer(verified=verified), "the thing")
    first, last = stdout.getvalue().splitlines()
    assert first == "the thing"
    assert last.startswith(word)
    assert "14 May 2026, 09:14" in last


def test_words_are_not_printed_with_json() -> None:
    output, stdout, stderr = make(json_wanted=True)
    output.words("words")
    output.hint("hint")
    with output.working("work"):
        pass
    assert (stdout.getvalue(), stderr.getvalue()) == ("", "")


def test_progress_is_said_on_stderr_unless_quiet() -> None:
    output, stdout, stderr = make()
    with output.working("work"):
        output.progress("more")
    assert (stdout.getvalue(), stderr.getvalue()) == ("", "work …\nmore\n")
    output, _, stderr = make(quiet=True)
    with output.working("work"):
        output.progress("more")
    assert not stderr.getvalue()


def test_a_table_shows_values_as_they_are() -> None:
    """No markup, no cut values, no blanks at the end; nothing is a dash."""
    output, stdout, _ = make()
    long = "z6Mk" + "x" * 60
    output.words(table(("name", "key"), [("[bold]a[/bold]", long), ("b", None)]))
    assert stdout.getvalue().splitlines() == [
        "name            key",
        f"[bold]a[/bold]  {long}",
        "b               –",
    ]


def test_details_leave_out_what_is_none() -> None:
    output, stdout, _ = make()
    output.words(details([("name", "gaa"), ("successor", None), ("sites", ["1", "2"])]))
    assert stdout.getvalue().splitlines() == ["name   gaa", "sites  1", "       2"]


def test_colour_only_on_a_terminal_and_never_when_refused() -> None:
    output, stdout, _ = make(color=False, stdout=Terminal())
    output.read("Thing", {}, Answer(), table(("name",), [("x",)]))
    assert "\x1b[" not in stdout.getvalue().replace("\x1b[1m", "").replace("\x1b[2m", "").replace(
        "\x1b[0m", ""
    )
    output, stdout, _ = make()
    output.read("Thing", {}, Answer(), table(("name",), [("x",)]))
    assert "\x1b" not in stdout.getvalue()


def test_an_error_is_wrapped_for_people() -> None:
    output, stdout, stderr = make()
    output.error(ErrorReport("CODE", "word " * 30, "do this", None, None, 2))
    lines = stderr.getvalue().splitlines()
    assert not stdout.getvalue()
    assert lines[0] == "ERROR   CODE"
    assert all(line.startswith("        word") for line in lines[1:-1])
    assert max(map(len, lines)) <= 100
    assert lines[-1] == "NEXT    do this"


HOSTILE = "evil\x1b[2J\x9b1m\u202egnp\x7f\nVALID   forged\udcff"
SHOWN = r"evil\x1b[2J\x9b1m\u202egnp\x7f"


def test_what_files_say_does_not_reach_the_terminal_as_a_command() -> None:
    output, stdout, stderr = make()
    rows = [("name", HOSTILE), (HOSTILE, Text(HOSTILE))]
    output.result("Thing", {}, [HOSTILE, Text(HOSTILE, style="bold"), details(rows)])
    output.words(table(("name",), [(HOSTILE,)]))
    output.progress(HOSTILE)
    output.error(ErrorReport(HOSTILE, HOSTILE, HOSTILE, None, HOSTILE, 2))
    for text in (stdout.getvalue(), stderr.getvalue()):
        assert SHOWN in text
        assert not set(text) & set("\x1b\x9b\u202e\x7f\udcff")
    # A cell, an error and a remedy are no place for a line of its own.
    cells = [line for line in stdout.getvalue().splitlines() if line.startswith("name")]
    assert cells[0].endswith(r"\x0aVALID   forged\udcff")
    assert not [line for line in stderr.getvalue().splitlines()[1:] if line.startswith("VALID")]


def test_json_keeps_the_value_and_sends_no_control() -> None:
    output, stdout, stderr = make(json_wanted=True, stdout=Terminal())
    output.result("Thing", {"name": HOSTILE})
    output.error(ErrorReport("CODE", HOSTILE, "", None, None, 2))
    assert json.loads(stdout.getvalue())["data"]["name"] == HOSTILE
    assert json.loads(stderr.getvalue())["text"] == HOSTILE
    assert not set(stdout.getvalue() + stderr.getvalue()) & set("\x1b\x9b\u202e\x7f\udcff")
