# SPDX-License-Identifier: Apache-2.0
"""`pset credential` and `pset status-list` against a real validator."""

from __future__ import annotations

import json
import stat
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cli.wording import SOUTH_AFRICA
from tests.support.pset_runs import Pset, run

TEMPLATE = ("--template", "statement-of-results")
SECRET = "Xolelwa"
"""A value that must never be printed."""


@dataclass(frozen=True, slots=True)
class Desk:
    """An issuer's desk: gaa, accredited for 91761 at site 2."""

    pset: Pset
    directory: Path

    def record(self, name: str = "record", **changes: Any) -> str:
        path = self.directory / f"{name}.json"
        if not path.exists() or changes:
            values = self.pset.done("credential", "template", "show", TEMPLATE[1], "--example")
            path.write_text(json.dumps(values | changes))
        return str(path)

    def issue(self, record_id: str, *more: str, **changes: Any) -> Path:
        self.pset.done(*self.issue_arguments(record_id, **changes), *more)
        return self.directory / f"{record_id}.vc.json"

    def issue_arguments(self, record_id: str, **changes: Any) -> tuple[str, ...]:
        out = self.directory / f"{record_id}.vc.json"
        record = self.record(record_id, **changes)
        arguments = ("credential", "issue", record, *TEMPLATE, "--record-id", record_id)
        return (*arguments, "--out", str(out), "--as", "gaa")

    def change(self, action: str, *record_ids: str, reason: str = "error") -> dict[str, Any]:
        named = [word for record_id in record_ids for word in ("--record-id", record_id)]
        return self.pset.done("credential", action, *named, "--reason", reason, "--as", "gaa")

    def verdict(self, document: Path) -> tuple[int, str, str | None]:
        ended = self.pset("verify", str(document))
        return ended.exit, ended.data["verdict"], ended.data["code"]


@pytest.fixture(scope="module")
def desk(pset: Pset, tmp_path_factory: pytest.TempPathFactory) -> Desk:
    first = datetime.now(SOUTH_AFRICA).date() - timedelta(days=400)
    pset.done(
        *("accreditation", "grant", "gaa", "--power", "issue-statement-of-results"),
        *("--qualification", "91761", "--site", "2", "--from", first.isoformat()),
        *("--as", "qcto"),
    )
    return Desk(pset, tmp_path_factory.mktemp("desk"))


class TestTemplate:
    def test_list_has_those_of_the_network(self, pset: Pset) -> None:
        listed = pset("credential", "template", "list")
        assert listed.envelope["verified"] is True
        held = {item["name"]: item for item in listed.data["templates"]}
        assert held["statement-of-results"]["power"] == "issue-statement-of-results"
        assert held["occupational-certificate"]["published_by"] == "qcto"

    def test_example_is_a_file_that_can_be_issued(self, desk: Desk, tmp_path: Path) -> None:
        printed = desk.pset.words("credential", "template", "show", TEMPLATE[1], "--example")
        file = tmp_path / "learner.json"
        file.write_text(printed.stdout)
        assert desk.pset("credential", "check", str(file), *TEMPLATE).exit == 0
        # The JSON form of the same is taken as well.
        wrapped = desk.pset("credential", "template", "show", TEMPLATE[1], "--example")
        file.write_text(wrapped.stdout)
        assert desk.pset("credential", "check", str(file), *TEMPLATE).exit == 0

    def test_show_names_every_field(self, pset: Pset, tmp_path: Path) -> None:
        arguments = ("credential", "template", "show", "statement-of-results@1")
        ended = pset(*arguments, "--proof", str(tmp_path / "template.proof"))
        assert ended.envelope["verified"] is True
        assert (tmp_path / "template.proof").exists()
        shown = ended.data
        names = {field["name"] for field in shown["fields"]}
        assert names >= {"given_name", "family_name", "birth_date", "qualification", "site"}
        assert names >= {"assessed", "modules"}
        assert shown["computed"][0]["name"] == "age_over_18"
        assert (
            "issue-statement-of-results"
            in pset.words("credential", "template", "show", "statement-of-results").stdout
        )

    @pytest.mark.parametrize(
        ("name", "code"),
        [("certificate-of-bravery", "RESOURCE_UNKNOWN"), ("za:saqa:q:91761", "TEMPLATE_UNKNOWN")],
    )
    def test_what_is_no_template_is_refused(self, pset: Pset, name: str, code: str) -> None:
        ended = pset("credential", "template", "show", name)
        assert (ended.exit, ended.error["code"]) == (2, code)

    def test_without_any_network_those_of_the_software_are_shown(self, tmp_path: Path) -> None:
        home = ("--home", str(tmp_path))
        listed = run(*home, "credential", "template", "list", "-o", "json")
        names = [item["name"] for item in listed.data["templates"]]
        assert names == ["occupational-certificate", "statement-of-results"]
        assert "verified" not in listed.envelope
        shown = run(*home, "credential", "template", "show", "statement-of-results", "-o", "json")
        assert shown.data["url"] is None
        proof = (*("--proof", str(tmp_path / "p")), "-o", "json")
        unproven = run(*home, "credential", "template", "list", *proof)
        assert (unproven.exit, unproven.stdout) == (4, "")
        assert not (tmp_path / "p").exists()
        # A network that was named and is missing is an error, not a reason to guess.
        named = run(*home, "--network", "za", "credential", "template", "list", "-o", "json")
        assert (named.exit, named.error["code"]) == (4, "NO_TRUST_ROOT")


class TestCheck:
    def test_names_field_and_rule_but_never_the_value(self, desk: Desk) -> None:
        bad = desk.record("bad", given_name=SECRET + "\u202e", birth_date="2999-01-01", site="")
        ended = desk.pset("credential", "check", bad, *TEMPLATE)
        assert (ended.exit, ended.data["ok"]) == (1, False)
        found = {(error["field"], error["code"]) for error in ended.data["errors"]}
        assert found >= {
            ("given_name", "TEXT_MALFORMED"),
            ("birth_date", "DATE_IN_FUTURE"),
            ("site", "REQUIRED"),
        }
        words = desk.pset.words("credential", "check", bad, *TEMPLATE)
        assert SECRET not in ended.stdout + ended.stderr + words.stdout + words.stderr

    def test_with_an_organisation_asks_for_its_accreditation(self, desk: Desk) -> None:
        record = desk.record()
        yes = desk.pset("credential", "check", record, *TEMPLATE, "--as", "gaa")
        assert (yes.exit, yes.data["decision"]["allowed"]) == (0, True)
        no = desk.pset("credential", "check", record, *TEMPLATE, "--as", "ttc")
        assert (no.exit, no.data["decision"]["code"]) == (1, "ACCREDITATION_OUT_OF_SCOPE")

    @pytest.mark.parametrize(
        ("content", "code"),
        [
            (b"[]", "RECORD_MALFORMED"),
            (b"{", "RECORD_MALFORMED"),
            (b'{"a": 1, "a": 2}', "RECORD_MALFORMED"),
            (b"\xff", "RECORD_MALFORMED"),
            (None, "RECORD_UNREADABLE"),
        ],
    )
    def test_what_is_no_record_is_refused(
        self, desk: Desk, tmp_path: Path, content: bytes | None, code: str
    ) -> None:
        file = tmp_path / "input.json"
        if content is not None:
            file.write_bytes(content)
        ended = desk.pset("credential", "check", str(file), *TEMPLATE)
        assert (ended.exit, ended.error["code"]) == (2, code)


class TestIssue:
    def test_the_same_record_again_gives_the_same_bytes(self, desk: Desk) -> None:
        first = desk.issue("R-same")
        content = first.read_bytes()
        assert stat.S_IMODE(first.stat().st_mode) == 0o600
        first.unlink()
        assert desk.issue("R-same").read_bytes() == content
        assert desk.verdict(first) == (0, "valid", None)

    def test_other_content_under_the_same_record_is_refused(self, desk: Desk) -> None:
        desk.issue("R-other")
        record = desk.record("changed", given_name=SECRET)
        out = desk.directory / "changed.vc.json"
        ended = desk.pset(
            *("credential", "issue", record, *TEMPLATE, "--record-id", "R-other"),
            *("--out", str(out), "--as", "gaa"),
        )
        assert (ended.exit, ended.error["code"]) == (2, "RECORD_EXISTS")
        assert not out.exists()
        assert SECRET not in ended.stdout + ended.stderr

    def test_bad_values_are_all_named_and_nothing_is_issued(self, desk: Desk) -> None:
        record = desk.record("worse", birth_date="14 May 2002", given_name="")
        out = desk.directory / "worse.vc.json"
        arguments = ("credential", "issue", record, *TEMPLATE, "--record-id", "R-worse")
        for more in ((), ("--dry-run",)):
            ended = desk.pset(*arguments, "--out", str(out), "--as", "gaa", *more)
            assert ended.exit == 1
            codes = {error["code"] for error in ended.data["errors"]}
            assert codes == {"DATE_MALFORMED", "REQUIRED"}
            assert ended.error["exit"] == 1
        assert not out.exists()
        found = desk.pset("credential", "find", "--record-id", "R-worse", "--as", "gaa")
        assert (found.exit, found.error["code"]) == (1, "RECORD_UNKNOWN")

    @pytest.mark.parametrize("more", [(), ("--dry-run",)])
    def test_without_accreditation_nothing_is_signed(
        self, desk: Desk, more: tuple[str, ...]
    ) -> None:
        out = desk.directory / "not.vc.json"
        ended = desk.pset(
            *("credential", "issue", desk.record(), *TEMPLATE, "--record-id", "R-not"),
            *("--out", str(out), "--as", "ttc", *more),
        )
        assert (ended.exit, ended.error["code"]) == (3, "ACCREDITATION_OUT_OF_SCOPE")
        assert not out.exists()

    def test_dry_run_ends_as_issuing_would(self, desk: Desk) -> None:
        desk.issue("R-dry-known")
        other = desk.record("other-dry", given_name="Another")
        for record, record_id, code in (
            (other, "R-dry-known", "RECORD_EXISTS"),
            (other, "", "RECORD_ID_MALFORMED"),
        ):
            for more in ((), ("--dry-run",)):
                ended = desk.pset(
                    *("credential", "issue", record, *TEMPLATE, "--record-id", record_id),
                    *("--out", str(desk.directory / "no.vc.json"), "--as", "gaa", *more),
                )
                assert (ended.exit, ended.error["code"]) == (2, code)

    def test_dry_run_leaves_no_trace(self, desk: Desk, tmp_path: Path) -> None:
        head = desk.pset.done("ledger", "head")["height"]
        store = tmp_path / "none" / "issuer.db"
        ended = desk.pset(
            *("credential", "issue", desk.record(), *TEMPLATE, "--record-id", "R-dry"),
            *("--out", str(tmp_path / "dry.vc.json"), "--store", str(store)),
            *("--as", "gaa", "--dry-run"),
        )
        assert (ended.exit, ended.data["code"], ended.data["dry_run"]) == (0, "ALLOWED", True)
        assert list(tmp_path.iterdir()) == []
        assert desk.pset.done("ledger", "head")["height"] == head

    def test_store_lies_with_the_network_and_is_private(self, desk: Desk) -> None:
        desk.issue("R-store")
        store = desk.pset.network / "stores" / "gaa" / "issuer.db"
        assert stat.S_IMODE(store.stat().st_mode) == 0o600
        assert stat.S_IMODE(store.parent.stat().st_mode) == 0o700
        # The short name and the DID mean the same store.
        did = desk.pset.done("org", "show", "gaa")["did"]
        found = desk.pset.done("credential", "find", "--record-id", "R-store", "--as", did)
        assert found["record_id"] == "R-store"


class TestFindAndShow:
    def test_find_writes_the_credential_again(self, desk: Desk, tmp_path: Path) -> None:
        issued = desk.issue("R-find")
        out = tmp_path / "again.vc.json"
        found = desk.pset.done(
            *("credential", "find", "--record-id", "R-find", "--out", str(out), "--as", "gaa")
        )
        assert found["file"] == str(out)
        assert set(found) >= {"credential_id", "status_url", "status_index"}
        assert out.read_bytes() == issued.read_bytes()

    def test_find_without_a_store_makes_none(self, desk: Desk) -> None:
        ended = desk.pset("credential", "find", "--record-id", "R-find", "--as", "nmu")
        assert (ended.exit, ended.error["code"]) == (2, "STORE_NOT_FOUND")
        assert not (desk.pset.network / "stores" / "nmu").exists()

    def test_show_says_first_that_nothing_was_checked(self, desk: Desk) -> None:
        issued = desk.issue("R-show")
        shown = desk.pset.words("credential", "show", str(issued))
        assert shown.stdout.startswith("NOT CHECKED")
        assert "family_name" in shown.stdout
        decoded = desk.pset.done("credential", "show", str(issued))
        assert decoded["checked"] is False
        assert decoded["document"] == json.loads(issued.read_bytes())

    def test_show_reads_other_documents_too(self, desk: Desk, tmp_path: Path) -> None:
        other = tmp_path / "other.json"
        other.write_text('{"hello": "world"}')
        shown = desk.pset.words("credential", "show", str(other))
        assert shown.exit == 0
        assert shown.stdout.startswith("NOT CHECKED")
        assert "world" in shown.stdout
        other.write_text("hello")
        ended = desk.pset("credential", "show", str(other))
        assert (ended.exit, ended.error["code"]) == (2, "DOCUMENT_MALFORMED")


class TestStatus:
    def test_one_transaction_for_many(self, desk: Desk, tmp_path: Path) -> None:
        documents = [desk.issue(f"R-many-{number}") for number in range(3)]
        listed = tmp_path / "ids.txt"
        listed.write_text("R-many-0\n\nR-many-1\r\nR-many-2\nR-many-0\n")
        revoked = desk.pset.done(
            *("credential", "revoke", "--from-file", str(listed)),
            *("--reason", "key-compromise", "--as", "gaa"),
        )
        assert (revoked["transactions"], revoked["records"], revoked["name"]) == (1, 3, "APPLIED")
        assert [desk.verdict(item) for item in documents] == [(1, "invalid", "REVOKED")] * 3
        again = desk.change("revoke", "R-many-0")
        assert again["transaction_id"] == revoked["transaction_id"]

    def test_suspension_may_be_lifted_and_revocation_may_not(self, desk: Desk) -> None:
        document = desk.issue("R-lift")
        desk.change("suspend", "R-lift", reason="enquiry")
        assert desk.verdict(document) == (1, "invalid", "SUSPENDED")
        desk.change("reinstate", "R-lift", reason="cleared")
        assert desk.verdict(document) == (0, "valid", None)
        desk.change("revoke", "R-lift", reason="fraud-finding")
        arguments = ("credential", "suspend", "--record-id", "R-lift", "--reason", "enquiry")
        for more in ((), ("--no-client-checks",)):
            refused = desk.pset(*arguments, "--as", "gaa", *more)
            assert (refused.exit, refused.error["code"]) == (3, "REVOCATION_IS_FINAL")
            assert refused.data["name"] == "REVOCATION_IS_FINAL"
        assert desk.verdict(document) == (1, "invalid", "REVOKED")

    def test_dry_run_changes_nothing(self, desk: Desk) -> None:
        document = desk.issue("R-dry-status")
        arguments = ("--record-id", "R-dry-status", "--reason", "error", "--as", "gaa")
        dry = desk.pset("credential", "revoke", *arguments, "--dry-run")
        assert (dry.exit, dry.data["name"], dry.data["dry_run"]) == (0, "APPLIED", True)
        assert desk.verdict(document) == (0, "valid", None)

    def test_dry_run_ends_as_the_command_would(self, desk: Desk) -> None:
        desk.issue("R-dry-final")
        desk.change("revoke", "R-dry-final")
        for action in ("reinstate", "suspend"):
            arguments = ("--record-id", "R-dry-final", "--reason", "cleared", "--as", "gaa")
            for more in ((), ("--no-client-checks",)):
                real = desk.pset("credential", action, *arguments, *more)
                dry = desk.pset("credential", action, *arguments, *more, "--dry-run")
                assert (dry.exit, dry.error["code"]) == (3, "REVOCATION_IS_FINAL")
                assert (real.exit, real.error["code"]) == (3, "REVOCATION_IS_FINAL")
        arguments = ("--record-id", "R-dry-final", "--reason", "error", "--as", "gaa")
        again = desk.pset.done("credential", "revoke", *arguments, "--dry-run")
        assert (again["transactions"], again["records"], again["unchanged"]) == (0, 1, 1)

    def test_the_options_of_every_write_are_accepted(self, desk: Desk) -> None:
        key = "5a" * 16
        write = ("--idempotency-key", key, "--wait", "accepted")
        desk.issue("R-write", "--wait", "accepted")
        arguments = ("--record-id", "R-write", "--reason", "error", "--as", "gaa", *write)
        revoked = desk.pset.done("credential", "revoke", *arguments)
        found = desk.pset.done("ledger", "tx", key, "--as", "gaa")
        assert found["transaction_id"] == revoked["transaction_id"]
        again = desk.pset.done("credential", "revoke", *arguments)
        assert again["transaction_id"] == revoked["transaction_id"]

    def test_issuing_refuses_a_key_that_it_would_not_use(self, desk: Desk) -> None:
        desk.issue("R-keyed")
        (desk.directory / "R-keyed.vc.json").unlink()
        arguments = desk.issue_arguments("R-keyed")
        ended = desk.pset(*arguments, "--idempotency-key", "5b" * 16)
        assert (ended.exit, ended.error["code"]) == (2, "IDEMPOTENCY_KEY_NOT_TAKEN")
        assert "--record-id" in ended.error["remedy"]
        assert not (desk.directory / "R-keyed.vc.json").exists()

    def test_an_unknown_record_changes_none_of_them(self, desk: Desk) -> None:
        document = desk.issue("R-known")
        ended = desk.pset(
            *("credential", "revoke", "--record-id", "R-known", "--record-id", "R-unknown"),
            *("--reason", "error", "--as", "gaa"),
        )
        assert (ended.exit, ended.error["code"]) == (2, "RECORD_UNKNOWN")
        assert desk.verdict(document) == (0, "valid", None)

    def test_a_record_must_be_named_and_a_reason_be_a_code(self, desk: Desk) -> None:
        none = desk.pset("credential", "revoke", "--reason", "error", "--as", "gaa")
        assert (none.exit, none.error["code"]) == (2, "NO_RECORDS")
        words = ("--record-id", "R-known", "--reason", "we think she cheated")
        free = desk.pset("credential", "revoke", *words, "--as", "gaa")
        assert (free.exit, free.error["code"]) == (2, "USAGE")


class TestStatusList:
    def test_show_has_the_set_entries_and_no_reason(self, desk: Desk, tmp_path: Path) -> None:
        desk.issue("R-listed")
        found = desk.pset.done("credential", "find", "--record-id", "R-listed", "--as", "gaa")
        url, index = found["status_url"], found["status_index"]

        def indexes(*more: str) -> list[int]:
            return [
                item["index"] for item in desk.pset.done("status-list", "show", url, *more)["set"]
            ]

        assert index not in indexes()
        desk.change("revoke", "R-listed", reason="fraud-finding")
        assert index in indexes()
        shown = desk.pset("status-list", "show", url, "--proof", str(tmp_path / "list.proof"))
        assert shown.envelope["verified"] is True
        assert (shown.data["purpose"], shown.data["size"]) == ("revocation", 131_072)
        assert shown.data["set_count"] == len(shown.data["set"])
        assert "fraud" not in shown.stdout
        assert (tmp_path / "list.proof").exists()
        assert "131,072" in desk.pset.words("status-list", "show", url).stdout

    def test_what_is_no_list_is_refused(self, pset: Pset) -> None:
        ended = pset("status-list", "show", "did:web:example.org")
        assert (ended.exit, ended.error["code"]) == (2, "STATUS_LIST_URL")
