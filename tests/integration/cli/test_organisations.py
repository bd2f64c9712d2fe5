# SPDX-License-Identifier: Apache-2.0
"""An organisation's way onto the ledger and its keys there: key, org and did commands."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.pset_runs import Pset

KEY = "00112233445566778899aabbccddeeff"


@pytest.fixture(scope="module")
def request_file(pset: Pset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The request of `ekt`, whose keys were made for it; endorsed by the first test."""
    file = tmp_path_factory.mktemp("requests") / "ekt.request.json"
    for role in ("admin", "ledger", "issue"):
        pset.done("key", "generate", role, "--role", role, "--as", "ekt")
    make_request(pset, "ekt", file, "admin", "ledger", "issue")
    return file


def make_request(pset: Pset, short_name: str, file: Path, *keys: str) -> dict[str, object]:
    named = [word for key in keys for word in ("--key", key)]
    return pset.done(
        "org",
        "request",
        "--short-name",
        short_name,
        "--name",
        "Ekurhuleni Trades (sample)",
        "--type",
        "provider",
        *named,
        "--out",
        str(file),
    )


def head(pset: Pset) -> int:
    return int(pset.done("ledger", "head")["height"])


def test_a_dry_run_says_yes_and_sends_nothing(pset: Pset, request_file: Path) -> None:
    root = pset.done("ledger", "head")["state_root"]
    ended = pset("org", "endorse", str(request_file), "--as", "qcto", "--dry-run")
    assert ended.exit == 0
    assert (ended.data["name"], ended.data["code"], ended.data["dry_run"]) == ("APPLIED", 1, True)
    assert pset("org", "show", "ekt").error["code"] == "ORGANISATION_UNKNOWN"
    assert pset.done("ledger", "head")["state_root"] == root


def test_a_dry_run_says_no_with_the_code_and_exit_of_the_real_command(
    pset: Pset, request_file: Path
) -> None:
    dry = pset("org", "endorse", str(request_file), "--as", "bontle", "--dry-run")
    real = pset("org", "endorse", str(request_file), "--as", "bontle")
    assert dry.exit == real.exit == 3
    assert dry.error["code"] == real.error["code"] == "NOT_AUTHORISED"
    assert dry.data["applied"] is real.data["applied"] is False
    assert dry.data["code"] == real.data["code"] == 205
    assert real.error["transaction_id"] == real.data["transaction_id"]


def test_endorse_show_and_list(pset: Pset, request_file: Path, tmp_path: Path) -> None:
    made = pset.done("org", "endorse", str(request_file), "--as", "qcto", "--code", "qcto=SDP-0200")
    assert made["did"] == json.loads(request_file.read_bytes())["did"]
    assert (made["name"], made["applied"], len(made["transaction_id"])) == ("APPLIED", True, 64)
    assert made["height"] > 0
    proof = tmp_path / "ekt.proof"
    shown = pset("org", "show", "qcto:SDP-0200", "--proof", str(proof))
    assert (shown.envelope["kind"], shown.envelope["verified"]) == ("Organisation", True)
    assert shown.envelope["height"] >= made["height"]
    assert shown.envelope["as_of"].endswith("Z")
    assert shown.data["vouched_by_name"] == "qcto"
    assert {
        name: shown.data[name] for name in ("did", "short_name", "type", "codes", "status")
    } == {
        "did": made["did"],
        "short_name": "ekt",
        "type": "provider",
        "codes": {"qcto": "SDP-0200"},
        "status": "active",
    }
    assert pset.done("org", "show", made["did"]) == shown.data
    checked = pset.done("ledger", "check-proof", str(proof))
    assert {entry["key"] for entry in checked["entries"]} == {
        "code/qcto/SDP-0200",
        f"organisation/{made['did']}",
    }
    names = [item["short_name"] for item in pset.done("org", "list")["organisations"]]
    assert names[-1] == "ekt"
    assert len(names) == 10
    found = pset.done("org", "list", "--type", "provider")["organisations"]
    assert [item["short_name"] for item in found] == ["gaa", "ekt"]
    assert "did:pset:" not in pset.words("org", "list", "--type", "provider").stdout
    assert "qcto" in pset.words("org", "list", "--type", "provider").stdout


def test_the_same_again_is_refused_and_says_why(pset: Pset, request_file: Path) -> None:
    ended = pset("org", "endorse", str(request_file), "--as", "qcto")
    assert (ended.exit, ended.error["code"]) == (3, "ORGANISATION_EXISTS")
    words = pset.words("org", "endorse", str(request_file), "--as", "qcto")
    assert words.stdout == ""
    assert words.stderr.startswith("ERROR   ORGANISATION_EXISTS\n")
    assert "\nNEXT    " in words.stderr


def test_who_holds_a_power(pset: Pset) -> None:
    found = pset.done("org", "list", "--power", "accredit-provider")["organisations"]
    assert [item["short_name"] for item in found] == ["che", "umalusi", "qcto"]
    assert pset.done("org", "list", "--power", "train")["organisations"] == []
    assert pset("org", "list", "--power", "magic").error["code"] == "WORD_UNKNOWN"
    assert pset("org", "list", "--type", "magic").error["code"] == "WORD_UNKNOWN"


def test_before_it_was_vouched_for_nobody_knew_it(pset: Pset, request_file: Path) -> None:
    vouched = next(height for height in range(1, head(pset) + 1) if "ekt" in names_at(pset, height))
    assert vouched > 1
    ended = pset("org", "show", "ekt", "--at", str(vouched - 1))
    assert (ended.exit, ended.error["code"]) == (2, "ORGANISATION_UNKNOWN")
    early = pset("org", "show", "ekt", "--at", "2020-01-01")
    assert (early.exit, early.error["code"]) == (2, "ORGANISATION_UNKNOWN")
    assert "not yet on the ledger then" in early.error["text"]
    assert pset("org", "show", "ekt", "--at", "2999-01-01").error["code"] == "AT_IN_FUTURE"


def names_at(pset: Pset, height: int) -> set[str]:
    found = pset.done("org", "list", "--at", str(height))["organisations"]
    return {item["short_name"] for item in found}


def test_sites_idempotency_and_what_became_of_it(pset: Pset, tmp_path: Path) -> None:
    add = ("org", "add-site", "ekt", "--province", "GP", "--idempotency-key", KEY)
    first = pset.done(*add, "--code", "1", "--name", "Boksburg (sample)")
    again = pset.done(*add, "--code", "1", "--name", "Boksburg (sample)")
    assert again | {"as_of": ""} == first | {"as_of": ""}
    other = pset(*add, "--code", "2", "--name", "Benoni (sample)")
    assert (other.exit, other.error["code"]) == (3, "IDEMPOTENCY_KEY_REUSED")
    assert pset.done("org", "show", "ekt")["sites"] == {"1": "Boksburg (sample)"}
    proof = tmp_path / "transaction.proof"
    found = pset("ledger", "tx", KEY, "--as", "ekt", "--proof", str(proof))
    assert found.exit == 0
    assert (found.data["state"], found.data["transaction_id"]) == (
        "applied",
        first["transaction_id"],
    )
    assert pset.done("ledger", "tx", first["transaction_id"])["height"] == first["height"]
    checked = pset.done("ledger", "check-proof", str(proof))["transaction"]
    assert (checked["operation"], checked["name"]) == ("AddSite", "APPLIED")
    assert pset("ledger", "tx", KEY).error["code"] == "NO_ORGANISATION"
    assert pset("ledger", "tx", "12").error["code"] == "TRANSACTION_ID_INVALID"
    unknown = pset("ledger", "tx", "ab" * 32)
    assert (unknown.exit, unknown.data["state"]) == (4, "unknown")


def test_accepted_is_no_promise(pset: Pset) -> None:
    add = (
        "org",
        "add-site",
        "ekt",
        "--province",
        "GP",
        "--code",
        "3",
        "--name",
        "Springs (sample)",
    )
    data = pset.done(*add, "--wait", "accepted")
    assert (data["name"], data["code"], data["applied"]) == ("ACCEPTED", 0, False)
    assert (data["height"], data["index"]) == (-1, -1)


def test_personal_data_is_refused_here_and_by_the_node(pset: Pset) -> None:
    add = ("org", "add-site", "ekt", "--province", "GP", "--code", "4")
    told = ("--name", "Call 082 555 1234")
    here = pset(*add, *told)
    assert (here.exit, here.error["code"], here.data["height"]) == (3, "PERSONAL_DATA", -1)
    there = pset(*add, *told, "--no-client-checks")
    assert (there.exit, there.error["code"]) == (3, "PERSONAL_DATA")
    assert there.error["transaction_id"], "it was sent"
    assert not here.error["transaction_id"], "it was not"
    assert "4" not in pset.done("org", "show", "ekt")["sites"]


def test_another_may_not_add_a_site(pset: Pset) -> None:
    add = ("org", "add-site", "ekt", "--province", "GP", "--code", "5", "--name", "Nigel (sample)")
    ended = pset(*add, "--as", "gaa")
    assert (ended.exit, ended.error["code"]) == (3, "NOT_OWNER")
    assert pset(*add, "--as", "nobody").error["code"] == "KEY_ROLE_NOT_HELD"
    assert "5" not in pset.done("org", "show", "ekt")["sites"]


@pytest.mark.parametrize(
    ("keys", "code"), [(("ledger",), "KEY_ROLE_MISSING"), (("admin", "nothing"), "KEY_NOT_FOUND")]
)
def test_a_request_that_nobody_could_endorse_is_not_written(
    pset: Pset, request_file: Path, tmp_path: Path, keys: tuple[str, ...], code: str
) -> None:
    file = tmp_path / "bad.json"
    named = [word for key in keys for word in ("--key", key)]
    ended = pset(
        *("org", "request", "--short-name", "ekt", "--name", "Ekt (sample)", "--type", "provider"),
        *named,
        *("--out", str(file)),
    )
    assert (ended.exit, ended.error["code"]) == (2, code)
    assert not file.exists()


def test_a_damaged_request_is_refused(pset: Pset, request_file: Path, tmp_path: Path) -> None:
    document = json.loads(request_file.read_bytes())
    file = tmp_path / "changed.json"
    file.write_text(json.dumps(document | {"name": "Another name"}))
    ended = pset("org", "endorse", str(file), "--as", "qcto")
    assert (ended.exit, ended.error["code"]) == (2, "REQUEST_MALFORMED")


def test_rotating_a_key(pset: Pset, request_file: Path) -> None:
    """The store holds both keys then; the one that the ledger knows as valid signs."""
    pset.done("key", "generate", "ledger-2", "--role", "ledger", "--as", "ekt")
    wrong = pset("did", "rotate-key", "ekt", "--role", "issue", "--new-key", "ledger-2")
    assert (wrong.exit, wrong.error["code"]) == (2, "KEY_ROLE_WRONG")
    done = pset.done("did", "rotate-key", "ekt", "--role", "ledger", "--new-key", "ledger-2")
    assert (done["retired_key"], done["new_key"]) == ("ledger", "ledger-2")
    history = pset.done("did", "show", "ekt", "--history")
    held = {key["key_id"]: key for key in history["keys"]}
    assert held["ledger"]["valid_until"] is not None
    assert held["ledger-2"]["valid_until"] is None
    document = pset("did", "show", "ekt")
    assert document.envelope["kind"] == "DidDocument"
    assert document.data["authentication"] == [f"{history['did']}#ledger-2"]
    pset.done(
        *("org", "add-site", "ekt", "--code", "6", "--name", "Brakpan (sample)"),
        *("--province", "GP"),
    )


def test_rotating_a_compromised_key(pset: Pset, request_file: Path) -> None:
    pset.done("key", "generate", "issue-2", "--role", "issue", "--as", "ekt")
    rotate = ("did", "rotate-key", "ekt", "--role", "issue", "--new-key", "issue-2")
    both = pset(*rotate, "--compromised-since", "2026-01-01", "--overlap", "1d")
    assert (both.exit, both.error["code"]) == (2, "USAGE")
    pset.done(*rotate, "--compromised-since", "2026-01-01")
    history = pset.done("did", "show", "ekt", "--history")
    held = {key["key_id"]: key for key in history["keys"]}
    assert held["issue"]["compromised_since"] == held["issue"]["valid_from"], (
        "no earlier than it was"
    )
    gone = pset(*rotate, "--old-key", "issue")
    assert (gone.exit, gone.error["code"]) == (2, "KEY_UNKNOWN")


def test_the_admin_key_rotates_itself(pset: Pset, request_file: Path) -> None:
    pset.done("key", "generate", "admin-2", "--role", "admin", "--as", "ekt")
    pset.done("did", "rotate-key", "ekt", "--role", "admin", "--new-key", "admin-2")
    pset.done("key", "generate", "ledger-3", "--role", "ledger", "--as", "ekt")
    pset.done("did", "rotate-key", "ekt", "--role", "ledger", "--new-key", "ledger-3")
    words = pset.words("did", "show", "ekt", "--history").stdout
    assert "ledger-3" in words
    assert "proven at height" in words


def test_the_same_command_with_the_same_key_answers_the_first_receipt(
    pset: Pset, request_file: Path, tmp_path: Path
) -> None:
    labels = tmp_path / "repeat.json"
    labels.write_text('{"languages": {"en": {"a": "b"}}}')
    named = ("--name", "repeat", "--type", "DisplayBundle", "--as", "qcto")
    publish = ("schema", "publish", str(labels), *named, "--idempotency-key", "5b" * 16)
    first = pset.done(*publish)
    assert pset.done(*publish) == first
    labels.write_text('{"languages": {"en": {"a": "c"}}}')
    other = pset(*publish)
    assert (other.exit, other.error["code"]) == (3, "IDEMPOTENCY_KEY_REUSED")

    pset.done("key", "generate", "ledger-4", "--role", "ledger", "--as", "ekt")
    key = ("--role", "ledger", "--new-key", "ledger-4")
    rotate = ("did", "rotate-key", "ekt", *key, "--idempotency-key", "5c" * 16)
    done = pset.done(*rotate)
    again = pset.done(*rotate)
    assert again["transaction_id"] == done["transaction_id"]
    assert again["height"] == done["height"]


@pytest.mark.parametrize(
    ("content", "word"), [(b"{", "JSON"), (b"[]", "object"), (b'{"a": 1, "a": 2}', "a")]
)
def test_what_is_published_is_read_strictly(
    pset: Pset, tmp_path: Path, content: bytes, word: str
) -> None:
    file = tmp_path / "content.json"
    file.write_bytes(content)
    publish = ("schema", "publish", str(file), "--name", "strict", "--type", "DisplayBundle")
    ended = pset(*publish, "--as", "qcto")
    assert (ended.exit, ended.error["code"]) == (2, "CONTENT_MALFORMED")
    assert word in ended.error["text"]
    assert "line 1 column" not in ended.error["text"]
