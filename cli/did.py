# SPDX-License-Identifier: Apache-2.0
"""`pset did`: DID documents, every key a DID ever had, and putting a new key in an old one's place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from cli.command import PsetGroup
from cli.context import CliContext, pass_context
from cli.errors import CommandError, ExitCode
from cli.output import details, table
from cli.parameters import DAY, DURATION, ORGANISATION
from cli.reading import at_option, proof_option
from cli.wording import SOUTH_AFRICA, show_instant
from cli.writing import (
    WriteOptions,
    find_first_receipt,
    show_receipt,
    submit,
    write_options,
)

if TYPE_CHECKING:
    from sdk.client import LedgerClient
    from sdk.results import DidHistory, DidKey, Receipt, When
    from sdk.signers import Signer

ROLES: Final = ("admin", "ledger", "issue", "recovery")


@click.group(
    "did",
    cls=PsetGroup,
    examples="""
        $ pset did show qcto
        $ pset did show did:pset:za:3vQ…beL --at 2026-05-14
        $ pset did rotate-key qcto --role issue --new-key issue-2027 --as qcto
    """,
)
def did() -> None:
    """DID documents and the keys in them. DID may also be an organisation's short name or code."""


@did.command(
    "show",
    examples="""
        $ pset did show qcto -o json                 # the W3C document
        $ pset did show qcto --at 2026-05-14
        $ pset did show qcto --history               # every key it ever had
    """,
)
@click.argument("subject", metavar="DID", type=ORGANISATION)
@at_option
@click.option("--history", is_flag=True, help="The record: every key, with its times.")
@proof_option
@pass_context
def show(context: CliContext, subject: str, at: When, history: bool, proof: Path | None) -> None:
    """The DID document, now or at a time."""
    if history and at is not None:
        raise click.UsageError("--history shows all times; leave out --at")
    with context.client() as client:
        name = resolve_did(client, subject)
        if history:
            recorded = client.did_history(name)
            context.output.read(
                "DidHistory", recorded.value.to_dict(), recorded, _history_text(recorded.value)
            )
            context.save_proof(proof, recorded)
            return
        proven = client.did_document(name, at=at)
    document = proven.value
    context.output.read("DidDocument", dict(document), proven, _document_text(document))
    context.save_proof(proof, proven)


def resolve_did(client: LedgerClient, subject: str) -> str:
    """The DID meant: itself, or that of the organisation named."""
    if subject.startswith("did:"):
        return subject
    return client.organisation(subject).value.did


def _document_text(document: Mapping[str, Any]) -> list[Any]:
    purposes = {
        "authentication": "submits",
        "assertionMethod": "issues",
        "capabilityInvocation": "controls",
    }
    rows: list[Sequence[Any]] = []
    for method in document["verificationMethod"]:
        words = [word for name, word in purposes.items() if method["id"] in document.get(name, ())]
        fragment = str(method["id"]).partition("#")[2]
        rows.append((fragment, ", ".join(words), method["publicKeyMultibase"]))
    services = [
        (str(item["id"]).partition("#")[2], f"{item['type']}  {item['serviceEndpoint']}")
        for item in document.get("service", ())
    ]
    text: list[Any] = [str(document["id"]), table(("key", "what it does", "public key"), rows)]
    return [*text, details(services)] if services else text


def _history_text(held: DidHistory) -> list[Any]:
    rows = [
        (
            key.key_id,
            key.role,
            key.type,
            show_instant(key.valid_from),
            show_instant(key.valid_until) if key.valid_until else "open",
            show_instant(key.compromised_since) if key.compromised_since else "",
            key.public_key,
        )
        for key in held.keys
    ]
    columns = ("key", "role", "type", "valid from", "until", "compromised since", "public key")
    first = [
        ("DID", held.did),
        ("version", held.version),
        ("created", show_instant(held.created)),
        ("updated", show_instant(held.updated)),
        ("deactivated", None if held.deactivated is None else show_instant(held.deactivated)),
    ]
    return [details(first), table(columns, rows)]


@did.command(
    "rotate-key",
    examples="""
        $ pset key generate issue-2027 --role issue --as nmu
        $ pset did rotate-key nmu --role issue --new-key issue-2027 --overlap 7d --as nmu
        $ pset did rotate-key nmu --role ledger --new-key ledger-2 --compromised-since 2026-11-02
    """,
)
@click.argument("subject", metavar="DID", type=ORGANISATION)
@click.option("--role", type=click.Choice(ROLES), required=True, help="Of both keys.")
@click.option("--new-key", required=True, metavar="NAME", help="In the key store.")
@click.option("--old-key", metavar="ID", help="Which to retire, when several have the role.")
@click.option(
    "--compromised-since",
    type=DAY,
    metavar="DATE",
    help="From this day on nothing that the old key signed counts.",
)
@click.option(
    "--overlap", type=DURATION, metavar="DUR", help="How long the old key stays valid; default 0."
)
@write_options
@pass_context
def rotate_key(
    context: CliContext,
    subject: str,
    role: str,
    new_key: str,
    old_key: str | None,
    compromised_since: date | None,
    overlap: timedelta | None,
    write: WriteOptions,
) -> ExitCode:
    """Retire a key of a DID and put a new one in its place. Signed with the admin key.

    What the old key signed before stays valid, unless it was compromised by then.
    """
    from sdk.operations import NewKey, RotateKey

    if compromised_since is not None and overlap is not None:
        raise click.UsageError("a compromised key gets no --overlap")
    context.act_for(subject)
    store = context.key_store()
    offered = {item.name: item for item in store.list()}.get(new_key)
    if offered is not None and offered.role.label != role:
        raise CommandError(
            f"{new_key} is a key of the role {offered.role.label}, not {role}",
            code="KEY_ROLE_WRONG",
            remedy=f"Make one with `pset key generate NAME --role {role}`.",
        )
    signer = store.load(new_key, context.passphrase(f"Passphrase of {new_key}"))
    since = None
    if compromised_since is not None:
        since = datetime.combine(compromised_since, time(), SOUTH_AFRICA)
    with context.client(write, role="admin") as client:
        name = resolve_did(client, subject)
        held = client.did_history(name).value
        first = find_first_receipt(client, write)
        if first is not None and _is_rotated_to(held, first, role, signer):
            line = f"{role} key gave way to {signer.key_id}"
            names = {"did": name, "new_key": signer.key_id}
            show_receipt(context, first, done=line, data=names)
            return ExitCode.DONE
        retired = _find_retired(held, role, old_key)
        return submit(
            context,
            client,
            RotateKey(
                did=name,
                expected_version=held.version,
                retired_key_id=retired.key_id,
                new_key=NewKey.prove(name, role, signer),
                overlap=overlap or timedelta(),
                compromised_since=since,
            ),
            write,
            done=f"{role} key {retired.key_id} gave way to {signer.key_id}",
            data={"did": name, "retired_key": retired.key_id, "new_key": signer.key_id},
        )


def _is_rotated_to(held: DidHistory, first: Receipt, role: str, signer: Signer) -> bool:
    """Whether the receipt is of a change of this DID and the key is in place already."""
    from ledger.model.multibase import encode_multikey
    from sdk.signers import get_key_type

    public_key = encode_multikey(get_key_type(signer), signer.public_key)
    return first.result.get("did") == held.did and any(
        (key.role, key.public_key) == (role, public_key) for key in held.keys
    )


def _find_retired(held: DidHistory, role: str, wanted: str | None) -> DidKey:
    now = datetime.now(UTC)
    valid = [
        key
        for key in held.keys
        if key.role == role
        and (key.valid_until is None or key.valid_until > now)
        and key.compromised_since is None
    ]
    if wanted is not None:
        valid = [key for key in valid if key.key_id == wanted]
    if len(valid) == 1:
        return valid[0]
    if not valid:
        raise CommandError(
            f"{held.did} has no valid {role} key" + (f" called {wanted}" if wanted else ""),
            code="KEY_UNKNOWN",
            remedy="See `pset did show --history`.",
        )
    names = ", ".join(key.key_id for key in valid)
    raise CommandError(
        f"several keys have the role {role}: {names}",
        code="KEY_ROTATION_UNCLEAR",
        remedy="Name the one to retire with --old-key.",
    )
