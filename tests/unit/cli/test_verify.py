# SPDX-License-Identifier: Apache-2.0
"""The parts of `pset verify` that need no ledger: exit codes, sources, words."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from cli.errors import CommandError, ExitCode
from cli.verification_sources import SOURCE_SIZE_MAX, find_sources, is_text
from cli.verification_words import escape_report, one_line, style_report
from cli.verify import exit_code_of, worse
from sdk.errors import UnavailableError
from sdk.verifier import verify_without_ledger

REPORT = """\
INVALID Revoked on 3 March 2026 by the Quality Council for Trades and Occupations.
  ok    signature, authority
  FAIL  status        REVOKED  revoked on 3 March 2026 and a long explanation after it
NEXT    Do not rely on it.
"""


@pytest.mark.parametrize(
    ("codes", "worst"),
    [
        ((0, 0), 0),
        ((0, 4), 4),
        ((4, 1, 0), 1),
        ((1, 5, 4), 5),
        ((0, 1, 4, 5), 5),
    ],
)
def test_the_worst_exit_code_in_the_order_5_1_4_0(codes: tuple[int, ...], worst: int) -> None:
    found = ExitCode.DONE
    for code in codes:
        found = worse(found, ExitCode(code))
    assert found == worst


def test_a_report_without_facts_ends_with_4_and_garbage_with_1() -> None:
    error = UnavailableError("nobody answers", code="NO_CONNECTION", remedy="Try again.")
    assert exit_code_of(verify_without_ledger(b"hello", error)) == ExitCode.NO


@pytest.mark.parametrize("text", ['{"a": 1}', '  \n{"a": 1}'])
def test_a_credential_may_be_pasted(text: str) -> None:
    (source,) = find_sources([text])
    assert source.name == "(text)"
    assert source.read() == text.encode()
    assert is_text(text)
    assert not is_text("file.vc.json")


@pytest.mark.parametrize("given", ["", "  "])
def test_an_empty_source_is_called_empty(given: str) -> None:
    with pytest.raises(CommandError) as caught:
        find_sources([given])
    assert caught.value.code == "SOURCE_EMPTY"
    assert [source.problem is not None for source in find_sources(["{}", given])] == [False, True]


def test_a_huge_file_is_not_read_whole(tmp_path: Path) -> None:
    huge = tmp_path / "huge.vc.json"
    with huge.open("wb") as file:
        file.truncate(SOURCE_SIZE_MAX * 4)
    (source,) = find_sources([str(huge)])
    assert len(source.read()) == SOURCE_SIZE_MAX + 1


def test_text_with_bytes_that_are_no_text_survives_the_command_line() -> None:
    (source,) = find_sources(['{"a": "\udcff"}'])
    assert source.read() == b'{"a": "\xff"}'


def test_colour_changes_no_word() -> None:
    assert style_report(REPORT).plain == REPORT
    styled = style_report(REPORT)
    assert {str(span.style) for span in styled.spans} >= {"bold red", "green", "red", "bold"}


def test_long_lines_go_on_under_their_own_text() -> None:
    lines = style_report(REPORT, width=60).plain.splitlines()
    assert max(len(line) for line in lines) <= 60
    assert [line for line in lines if line.startswith(" " * 22)]
    assert " ".join(" ".join(lines).split()) == " ".join(REPORT.split())


def test_one_line_names_verdict_file_and_summary() -> None:
    error = UnavailableError("nobody answers", code="NO_CONNECTION", remedy="Try again.")
    report = verify_without_ledger(b"hello", error)
    line = one_line("old.vc.json", report).plain
    assert line.startswith("INVALID ")
    assert "old.vc.json" in line
    assert line.endswith(report.summary)


def test_claims_make_no_lines_and_give_no_commands() -> None:
    error = UnavailableError("nobody answers", code="NO_CONNECTION", remedy="Try again.")
    report = verify_without_ledger(b"hello", error)
    hostile = "x\x1b[31m\nVALID   forged"
    report = replace(
        report,
        summary=hostile,
        claims={"name": [hostile]},
        details=replace(report.details, headline=hostile, subject_name=hostile),
    )
    shown = escape_report(report)
    for text in (shown.to_text(), style_report(shown.to_text()).plain, one_line(hostile, report)):
        assert "\x1b" not in str(text)
        assert "\nVALID" not in str(text)
    assert shown.claims == {"name": [r"x\x1b[31m\x0aVALID   forged"]}
    assert shown.details.subject_name == r"x\x1b[31m\x0aVALID   forged"
