# SPDX-License-Identifier: Apache-2.0
"""`pset accreditation` against a real validator."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cli.wording import SOUTH_AFRICA
from sdk.networks import read_network
from sdk.proof_files import check_proof
from tests.support.pset_runs import Pset

POWER = "issue-statement-of-results"
SCOPE = ("--qualification", "91761", "--site", "2")


def today() -> date:
    return datetime.now(SOUTH_AFRICA).date()


def days_ago(count: int) -> str:
    return (today() - timedelta(days=count)).isoformat()


def grant(pset: Pset, *more: str, site: str = "2") -> str:
    made = pset.done(
        *("accreditation", "grant", "gaa", "--power", "train", "--power", POWER),
        *("--qualification", "91761", "--site", site, "--from", days_ago(730), "--as", "qcto"),
        *more,
    )
    return str(made["grant_id"])


def check(pset: Pset, *more: str, org: str = "gaa") -> tuple[int, dict[str, Any]]:
    ended = pset("accreditation", "check", org, "--power", POWER, *SCOPE, *more)
    assert ended.envelope["verified"] is True
    return ended.exit, ended.data


@pytest.fixture(scope="module")
def granted(pset: Pset) -> str:
    return grant(pset)


def test_a_grant_without_until_lasts_five_years_less_a_day(pset: Pset, granted: str) -> None:
    shown = pset.done("accreditation", "show", granted)
    first = today() - timedelta(days=730)
    assert shown["valid_from"] == first.isoformat()
    last = date.fromisoformat(shown["valid_until"])
    assert last + timedelta(days=1) == first.replace(year=first.year + 5)
    assert shown["powers"] == [POWER, "train"]
    assert shown["scope"]["qualifications"] == ["za:saqa:q:91761"]
    assert (shown["grantor_name"], shown["grantee_name"]) == ("qcto", "gaa")
    assert shown["pending"] is False


def test_a_term_beyond_the_rule_is_refused_and_grants_nothing(pset: Pset) -> None:
    before = pset.done("accreditation", "list", "ttc")
    refused = pset(
        *("accreditation", "grant", "gaa", "--power", "train", *SCOPE),
        *("--from", days_ago(0), "--until", "2099-01-01", "--as", "qcto"),
    )
    assert refused.exit == 3
    assert refused.error["code"] == refused.data["name"] == "TERM_TOO_LONG"
    assert refused.data["applied"] is False
    assert pset.done("accreditation", "list", "ttc") == before


def test_dry_run_grants_nothing(pset: Pset, granted: str) -> None:
    before = pset.done("accreditation", "list", "gaa")
    arguments = ("accreditation", "grant", "gaa", "--power", "train", "--from", days_ago(0))
    dry = pset(*arguments, *SCOPE, "--as", "qcto", "--dry-run")
    assert (dry.exit, dry.data["name"], dry.data["dry_run"]) == (0, "APPLIED", True)
    refused = pset(*arguments, "--qualification", "91761", "--as", "gaa", "--dry-run")
    assert (refused.exit, refused.data["name"]) == (3, "SELF_GRANT")
    assert pset.done("accreditation", "list", "gaa") == before


@pytest.mark.parametrize(
    ("more", "code"),
    [
        (("--until", days_ago(800)), "TERM_REVERSED"),
        (("--qualification", "electrician"), "USAGE"),
        (("--from", "tomorrow"), "USAGE"),
    ],
)
def test_bad_input_is_refused_before_anything_is_sent(
    pset: Pset, more: tuple[str, ...], code: str
) -> None:
    head = pset.done("ledger", "head")["height"]
    ended = pset(
        *("accreditation", "grant", "gaa", "--power", "train", "--from", days_ago(730)),
        *("--as", "qcto", *more),
    )
    assert (ended.exit, ended.error["code"]) == (2, code)
    assert pset.done("ledger", "head")["height"] == head


def test_check_answers_yes_with_the_chain_to_the_root(pset: Pset, granted: str) -> None:
    code, data = check(pset)
    assert (code, data["allowed"], data["code"]) == (0, True, "ALLOWED")
    chain = data["chain"]
    assert [link["power"] for link in chain][-1] == POWER
    assert [(link["status_then"], link["status_now"]) for link in chain] == [("active",) * 2] * 3
    assert set(chain[0]) >= {"name", "power", "scope", "valid", "status_then", "status_now"}
    shown = pset.done("accreditation", "show", granted)
    assert data["until"] == shown["valid_until"]


@pytest.mark.parametrize(
    ("more", "org", "code"),
    [
        (("--on", days_ago(800)), "gaa", "ACCREDITATION_NOT_VALID_THEN"),
        (("--site", "9"), "gaa", "ACCREDITATION_OUT_OF_SCOPE"),
        ((), "ttc", "ACCREDITATION_OUT_OF_SCOPE"),
        (("--qualification", "4711"), "gaa", "QUALIFICATION_NOT_REGISTERED"),
    ],
)
def test_check_answers_no_with_the_reason(
    pset: Pset, granted: str, more: tuple[str, ...], org: str, code: str
) -> None:
    ended, data = check(pset, *more, org=org)
    assert (ended, data["allowed"], data["code"]) == (1, False, code)


def test_check_refuses_a_power_that_nobody_knows(pset: Pset) -> None:
    ended = pset("accreditation", "check", "gaa", "--power", "trane")
    assert (ended.exit, ended.error["code"], ended.stdout) == (2, "POWER_UNKNOWN", "")


def test_check_says_yes_or_no_first(pset: Pset, granted: str) -> None:
    yes = pset.words("accreditation", "check", "gaa", "--power", POWER, *SCOPE)
    assert yes.stdout.startswith("YES ")
    assert "Qualifications Authority" in yes.stdout
    no = pset.words("accreditation", "check", "nmu", "--power", POWER, *SCOPE)
    assert no.stdout.startswith("NO ")
    assert no.exit == 1


def test_list_filters_by_qualification_status_and_day(pset: Pset, granted: str) -> None:
    def ids(*more: str) -> list[str]:
        held = pset.done("accreditation", "list", *more)["accreditations"]
        return [item["id"] for item in held]

    assert granted in ids("gaa")
    assert granted in ids("--qualification", "91761", "--status", "active")
    assert granted not in ids("--qualification", "4711")
    assert granted not in ids("gaa", "--status", "void")
    assert granted in ids("qcto", "--granted")
    # On that day nobody had recorded it yet, though its term includes the day.
    assert ids("gaa", "--at", days_ago(1)) == []
    assert len(ids()) > len(ids("gaa"))


def test_proof_file_of_a_list_holds(pset: Pset, granted: str, tmp_path: Path) -> None:
    file = tmp_path / "list.proof"
    pset.done("accreditation", "list", "gaa", "--proof", str(file))
    checked = check_proof(file.read_bytes(), read_network(pset.network).trust_root)
    assert checked.state is not None


def test_suspension_takes_the_power_away_until_it_is_lifted(pset: Pset) -> None:
    grant_id = grant(pset, site="1")
    arguments = ("--power", POWER, "--qualification", "91761", "--site", "1")
    suspended = pset.done(
        *("accreditation", "suspend", grant_id, "--reason", "quality-failure", "--as", "qcto")
    )
    assert suspended["event"] == "suspended"
    no = pset("accreditation", "check", "gaa", *arguments)
    assert (no.exit, no.data["code"]) == (1, "ACCREDITATION_NOT_VALID_THEN")
    pset.done("accreditation", "reinstate", grant_id, "--reason", "voluntary", "--as", "qcto")
    assert pset("accreditation", "check", "gaa", *arguments).exit == 0
    events = pset.done("accreditation", "show", grant_id, "--history")["events"]
    assert [event["kind"] for event in events] == ["suspended", "reinstated"]
    assert [event["by_name"] for event in events] == ["qcto", "qcto"]
    assert "events" not in pset.done("accreditation", "show", grant_id)


def test_withdrawal_leaves_what_was_before(pset: Pset) -> None:
    grant_id = grant(pset, site="3") if _add_site(pset, "3") else ""
    arguments = ("--power", POWER, "--qualification", "91761", "--site", "3")
    withdrawn = pset.done(
        *("accreditation", "withdraw", grant_id, "--effective", days_ago(0)),
        *("--reason", "ceased-operations", "--as", "qcto"),
    )
    assert withdrawn["event"] == "withdrawn"
    assert pset("accreditation", "check", "gaa", *arguments).exit == 1
    before = pset("accreditation", "check", "gaa", *arguments, "--on", days_ago(1))
    assert before.exit == 0
    assert before.data["chain"][-1]["status_now"] == "withdrawn"
    again = pset(
        *("accreditation", "withdraw", grant_id, "--effective", days_ago(0)),
        *("--reason", "ceased-operations", "--as", "qcto"),
    )
    assert (again.exit, again.error["code"]) == (3, "GRANT_ENDED")


def _add_site(pset: Pset, code: str) -> bool:
    pset.done(
        *("org", "add-site", "gaa", "--code", code, "--name", "Third site (sample)"),
        *("--province", "EC", "--as", "gaa"),
    )
    return True


def test_a_withdrawal_in_the_past_is_refused(pset: Pset, granted: str) -> None:
    ended = pset(
        *("accreditation", "withdraw", granted, "--effective", days_ago(1)),
        *("--reason", "voluntary", "--as", "qcto"),
    )
    assert (ended.exit, ended.error["code"]) == (3, "EFFECTIVE_IN_PAST")
    assert pset.done("accreditation", "show", granted)["status"] == "active"


class TestWithdrawalFromTheBeginning:
    def command(self, grant_id: str, org: str, *more: str) -> tuple[str, ...]:
        return (
            *("accreditation", "withdraw", grant_id, "--ab-initio", "--effective", days_ago(730)),
            *("--reason", "fraud-finding", "--as", org, *more),
        )

    def test_takes_two_parties(self, pset: Pset) -> None:
        grant_id = grant(pset)
        opened = pset.words(*self.command(grant_id, "qcto"))
        assert opened.exit == 0
        assert "the grant is unchanged" in opened.stdout
        assert f"pset accreditation withdraw {grant_id} --ab-initio" in opened.stdout
        assert "--as saqa" in opened.stdout
        pending = pset.done("accreditation", "show", grant_id)
        assert (pending["status"], pending["pending"]) == ("active", True)
        confirmed = pset.done(*self.command(grant_id, "saqa"))
        assert confirmed["event"] == "ab-initio-confirmed"
        shown = pset.done("accreditation", "show", grant_id, "--history")
        assert (shown["status"], shown["pending"]) == ("void", False)
        kinds = [event["kind"] for event in shown["events"]]
        assert kinds == ["ab-initio-opened", "ab-initio-confirmed"]

    def test_nobody_else_may_confirm(self, pset: Pset) -> None:
        grant_id = grant(pset)
        pset.done(*self.command(grant_id, "qcto"))
        refused = pset(*self.command(grant_id, "che"))
        assert (refused.exit, refused.error["code"]) == (3, "NOT_GRANTOR")
        assert pset.done("accreditation", "show", grant_id)["status"] == "active"

    def test_repeated_under_the_same_key_gives_the_first_receipt(self, pset: Pset) -> None:
        grant_id = grant(pset)
        key = ("--idempotency-key", "ab" * 16)
        first = pset.done(*self.command(grant_id, "qcto", *key))
        again = pset.done(*self.command(grant_id, "qcto", *key))
        assert again | {"as_of": None} == first | {"as_of": None}
        assert pset.done("accreditation", "show", grant_id)["version"] == 2


def test_an_unknown_grant_is_named_and_nothing_is_sent(pset: Pset) -> None:
    for verb in ("show", "suspend", "withdraw"):
        more = () if verb == "show" else ("--reason", "error", "--as", "qcto")
        effective = ("--effective", days_ago(0)) if verb == "withdraw" else ()
        ended = pset("accreditation", verb, "g0", *more, *effective)
        assert (ended.exit, ended.error["code"]) == (2, "GRANT_UNKNOWN")


def test_a_dry_run_names_no_grant(pset: Pset) -> None:
    """The id is made of the transaction's, and the real one will be another."""
    ended = pset(
        *("accreditation", "grant", "gaa", "--power", "issue-statement-of-results"),
        *("--qualification", "91761", "--from", "2026-01-01", "--as", "qcto", "--dry-run"),
    )
    assert (ended.exit, ended.data["name"]) == (0, "APPLIED")
    assert "grant_id" not in ended.data
