# SPDX-License-Identifier: Apache-2.0
"""The frame of every command: flags in any place, exit codes, JSON and words, help."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from cli.command import Entry, PsetGroup, RootGroup
from cli.context import CliContext, Settings, pass_context
from cli.errors import CommandError, ExitCode
from sdk.errors import (
    CallerError,
    KeyAccessError,
    NotVerifiedError,
    PsetError,
    RefusedError,
    TrustError,
    UnavailableError,
)
from sdk.results import Verdict

SEEN: list[Settings] = []


@click.group("thing", cls=PsetGroup, help="Things.", examples="$ pset thing show x")
def thing() -> None:
    """A group to test with."""


@thing.command("show", examples="$ pset thing show x   # two  blanks stay")
@click.argument("name")
@click.option("--deep", is_flag=True)
@pass_context
def show_thing(context: CliContext, name: str, deep: bool) -> ExitCode | None:
    """Show a thing."""
    SEEN.append(context.settings)
    logging.getLogger("psetledger.client").info("node=n1 fault=busy")
    context.output.progress("looking")
    context.output.result("Thing", {"name": name, "deep": deep}, f"thing {name}")
    return ExitCode.NO if name == "missing" else None


RAISED: list[BaseException] = []


@thing.command("fail", examples="$ pset thing fail")
def fail_thing() -> None:
    """Fail."""
    raise RAISED[0]


pset = RootGroup({"Tests": {"thing": Entry(__name__, "thing", "Things.")}}, help="Tests.")


@pytest.fixture(autouse=True)
def lazy_entries(monkeypatch: pytest.MonkeyPatch) -> None:
    def get_command(ctx: click.Context, name: str) -> click.Command | None:
        return thing if name == "thing" else None

    monkeypatch.setattr(pset, "get_command", get_command)
    SEEN.clear()
    RAISED.clear()


def run(*arguments: str) -> Result:
    return CliRunner().invoke(pset, list(arguments), catch_exceptions=False)


@pytest.mark.parametrize(
    "arguments",
    [
        ("--home", "h", "-o", "json", "--timeout", "10m", "thing", "show", "x"),
        ("thing", "--home", "h", "-o", "json", "--timeout", "10m", "show", "x"),
        ("thing", "show", "--home", "h", "x", "--timeout", "10m", "--output", "json"),
        ("--home", "h", "thing", "--timeout=10m", "show", "x", "-ojson"),
    ],
)
def test_a_global_flag_may_stand_anywhere(arguments: tuple[str, ...]) -> None:
    result = run(*arguments)
    assert result.exit_code == 0
    assert json.loads(result.stdout) == {
        "kind": "Thing",
        "version": 1,
        "data": {"name": "x", "deep": False},
    }
    assert (SEEN[0].home, SEEN[0].timeout) == (Path("h"), timedelta(minutes=10))


def test_the_last_of_two_flags_wins_and_verbosity_adds_up() -> None:
    result = run("-v", "-o", "json", "thing", "show", "x", "-o", "table", "-v")
    assert result.stdout == "thing x\n"
    assert SEEN[0].verbose == 2


def test_options_may_follow_arguments() -> None:
    assert json.loads(run("thing", "show", "x", "--deep", "-o", "json").stdout)["data"]["deep"]


def test_progress_goes_to_stderr_and_is_silent_with_quiet_and_with_json() -> None:
    assert run("thing", "show", "x").stderr == "looking\n"
    assert not run("thing", "show", "x", "-q").stderr
    assert not run("thing", "show", "x", "-o", "json").stderr


def test_what_the_sdk_logs_is_shown_with_v_only() -> None:
    assert run("thing", "show", "x", "-v").stderr == (
        "INFO psetledger.client node=n1 fault=busy\nlooking\n"
    )
    assert run("thing", "show", "x").stderr == "looking\n"


def test_a_command_ends_with_the_exit_code_it_returns() -> None:
    assert run("thing", "show", "missing").exit_code == 1


def refused() -> RefusedError:
    return RefusedError("no", code="SELF_GRANT", remedy="r", receipt=None, transaction_id="ab" * 32)


def not_verified(verdict: Verdict) -> NotVerifiedError:
    class Report:
        def __init__(self) -> None:
            self.verdict = verdict

    return NotVerifiedError("x", code="REVOKED", remedy="r", report=Report())


@pytest.mark.parametrize(
    ("make", "code", "exit_code"),
    [
        (lambda: CallerError("x", code="KEY_EXISTS", remedy="r"), "KEY_EXISTS", 2),
        (lambda: KeyAccessError("x", code="KEY_NOT_FOUND", remedy="r"), "KEY_NOT_FOUND", 2),
        (
            lambda: KeyAccessError("x", code="KEY_FILE_MALFORMED", remedy="r"),
            "KEY_FILE_MALFORMED",
            5,
        ),
        (lambda: PsetError("x", code="NO_TRUST_ROOT", remedy="r"), "NO_TRUST_ROOT", 4),
        (lambda: CallerError("x", code="NO_TRUST_ROOT", remedy="r"), "NO_TRUST_ROOT", 4),
        (refused, "SELF_GRANT", 3),
        (
            lambda: UnavailableError("x", code="UNREACHABLE", remedy="r", phase="unknown"),
            "UNREACHABLE",
            4,
        ),
        (
            lambda: TrustError("x", code="PROOF_FAILS", remedy="r", evidence=Path("e")),
            "PROOF_FAILS",
            5,
        ),
        (
            lambda: TrustError("x", code="OTHER_NETWORK", remedy="r", evidence=Path("e")),
            "OTHER_NETWORK",
            4,
        ),
        (lambda: not_verified(Verdict.INVALID), "REVOKED", 1),
        (lambda: not_verified(Verdict.UNKNOWN), "REVOKED", 4),
        (
            lambda: CommandError("x", code="C", remedy="r", exit_code=ExitCode.CANNOT_TELL),
            "C",
            4,
        ),
        (lambda: FileNotFoundError(2, "No such file", "f"), "FILE_UNUSABLE", 2),
        (lambda: OSError(28, "No space left"), "DISK_FULL", 4),
        (lambda: ModuleNotFoundError("no", name="plyvel"), "MODULE_MISSING", 2),
        (lambda: ModuleNotFoundError("no", name="ledger.x"), "INTERNAL", 5),
        (lambda: ZeroDivisionError("q"), "INTERNAL", 5),
        (KeyboardInterrupt, "INTERRUPTED", 130),
    ],
)
def test_every_error_has_its_exit_code(
    make: Callable[[], BaseException], code: str, exit_code: int
) -> None:
    raised = make()
    RAISED.append(raised)
    result = run("thing", "fail", "-o", "json")
    assert (result.exit_code, result.stdout) == (exit_code, "")
    error: dict[str, Any] = json.loads(result.stderr)
    has_evidence = isinstance(raised, TrustError)
    assert (error.pop("evidence") == "e") if has_evidence else "evidence" not in error
    assert list(error) == [
        "kind",
        "version",
        "code",
        "text",
        "remedy",
        "phase",
        "transaction_id",
        "exit",
    ]
    assert (error["kind"], error["code"], error["exit"]) == ("Error", code, exit_code)


def test_an_error_carries_phase_and_transaction() -> None:
    RAISED.append(
        UnavailableError(
            "no answer", code="NO_ANSWER", remedy="wait", phase="pending", transaction_id="cd" * 32
        )
    )
    error = json.loads(run("thing", "fail", "-o", "json").stderr)
    assert (error["phase"], error["transaction_id"]) == ("pending", "cd" * 32)


def test_people_read_code_text_transaction_and_what_to_do() -> None:
    RAISED.append(refused())
    result = run("thing", "fail")
    assert result.stderr.splitlines() == [
        "ERROR   SELF_GRANT",
        "        no",
        f"        transaction {'ab' * 32}",
        "NEXT    r",
    ]


def test_a_traceback_appears_only_when_asked_for() -> None:
    RAISED.append(ZeroDivisionError("q"))
    assert "Traceback" not in run("thing", "fail", "-v").stderr
    assert "Traceback" in run("thing", "fail", "-vv").stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("nothing",),
        ("thing", "nothing"),
        ("thing", "show"),
        ("thing", "show", "x", "--nothing"),
        ("thing", "show", "x", "--timeout", "soon"),
        ("-o", "yaml", "thing", "show", "x"),
    ],
)
def test_a_wrong_call_is_exit_2_in_both_forms(arguments: tuple[str, ...]) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert result.stderr.startswith("ERROR   USAGE\n")
    if "yaml" not in arguments:
        result = run(*arguments, "-o", "json")
        assert result.exit_code == 2
        assert json.loads(result.stderr)["code"] == "USAGE"
    assert not SEEN


def test_a_name_that_is_nearly_right_is_recognised() -> None:
    assert "did you mean thing" in run("thin").stderr


def test_help_keeps_examples_as_written() -> None:
    text = run("thing", "show", "--help").stdout
    assert "\nExamples:\n  $ pset thing show x   # two  blanks stay\n" in text
    assert "--home" not in text
    assert "--home" in run("--help").stdout


@pytest.mark.parametrize("arguments", [(), ("thing",)])
def test_a_group_alone_prints_its_help(arguments: tuple[str, ...]) -> None:
    result = run(*arguments)
    assert result.exit_code == 0
    assert result.stdout.startswith("Usage: pset")
