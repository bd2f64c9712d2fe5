# SPDX-License-Identifier: Apache-2.0
"""The reader of the data-driven format, and what it compares."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.transcripts.describe import quote
from tests.support.transcripts.format import (
    Argument,
    TranscriptError,
    parse_command,
    parse_transcript,
    without_log,
)
from tests.support.transcripts.suites import run_transcript

TEXT = """\
# a comment
one 1 drop=(2, 3) flag= name=value "raw"
first line
# no comment here
----
# nor here
    indented

two \\
  2
----
----
above

below
----
----
three
----
"""


def test_commands_are_read() -> None:
    one, two, three = parse_transcript(TEXT)
    assert (one.line, one.command, one.bare()) == (2, "one", ["1", '"raw"'])
    assert one.named() == {"drop": ("2", "3"), "flag": ("",), "name": ("value",)}
    assert one.input == "first line\n# no comment here"
    assert one.expected == "# nor here\n    indented\n"
    assert (two.command, two.bare(), two.input) == ("two", ["2"], "")
    assert two.expected == "above\n\nbelow\n"
    assert (three.command, three.arguments, three.expected) == ("three", (), "")


def test_values_in_parentheses() -> None:
    _, arguments = parse_command("x a=(1,2) b=() c=((1,2),3) d=4")
    assert arguments == (
        Argument("a", ("1", "2")),
        Argument("b"),
        Argument("c", ("(1,2)", "3")),
        Argument("d", ("4",)),
    )


@pytest.mark.parametrize(
    "text", ["one\ninput", "one\n----\n----\nopen", "one a=(1\n----", "one )\n----"]
)
def test_what_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(TranscriptError):
        parse_transcript(text)


def test_an_argument_twice_is_refused() -> None:
    (directive,) = parse_transcript("one a=1 a=2\n----\nok")
    with pytest.raises(TranscriptError):
        directive.named()


@pytest.mark.parametrize(
    ("output", "kept"),
    [
        ("INFO 1 leads\n", "ok\n"),
        ("ok\n", "ok\n"),
        ("> 1 x\n  DEBUG y\n  z\n", "> 1 x\n  z\n"),
        ("INFORMED\n  WARNING\n", "INFORMED\n  WARNING\n"),
        ("1 INFO\n", "1 INFO\n"),
    ],
)
def test_only_lines_of_a_log_are_left_out(output: str, kept: str) -> None:
    assert without_log(output) == kept


@pytest.mark.parametrize(
    ("data", "literal"),
    [
        (b"", '""'),
        (b'"foo"', r'"\"foo\""'),
        (b"a\\\n\t\x00\x7f", r'"a\\\n\t\x00\x7f"'),
        ("é\u200b".encode(), '"é\\u200b"'),
        (b"\xff\xc3", r'"\xff\xc3"'),
    ],
)
def test_data_is_quoted(data: bytes, literal: str) -> None:
    assert quote(data) == literal


def test_the_first_difference_ends_a_file(tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    path.write_text(
        "simple\nv1\n----\nvoters=(1)\n1: StateProbe match=0 next=1\n\nsimple\nv2\n----\nok\n"
    )
    count, difference = run_transcript(path, "confchange")
    assert count == 1
    assert difference is not None
    assert (difference.place, difference.expected) == ("x.txt:7", "ok\n")
    assert difference.actual.startswith("voters=(1 2)\n")
