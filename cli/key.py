# SPDX-License-Identifier: Apache-2.0
"""`pset key`: make, list and show the private keys of an organisation."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final

import click

from cli.command import PsetGroup
from cli.context import CliContext, pass_context
from cli.errors import CommandError
from cli.output import details, table
from sdk.passphrases import PASSPHRASE_FILE_VARIABLE

if TYPE_CHECKING:
    from sdk.signers import StoredKey

ROLES: Final = ("admin", "ledger", "issue", "vote", "recovery")
TYPES: Final = ("ed25519", "p256", "bls")

_PURPOSES: Final = {
    "admin": "controls the DID: keep it off line",
    "ledger": "signs what the organisation submits",
    "issue": "signs credentials",
    "vote": "signs a validator's votes",
    "peer": "a validator's name towards the others",
    "tls": "a validator's TLS certificates",
    "recovery": "signs when a network has to be recovered",
}


@click.group(
    "key",
    cls=PsetGroup,
    examples="""
        $ pset key generate admin --role admin --as bontle
        $ pset key list --as bontle
    """,
)
def key() -> None:
    """Keys of the organisation named with --as.

    Private keys never leave their files (mode 0600); the ledger knows the public halves. A development
    network keeps them in DIR/keys/ORG, every other one in ~/.pset/keys/ORG.
    """


@key.command(
    "generate",
    examples="""
        $ pset key generate admin --role admin --as bontle            # controls the DID
        $ pset key generate ledger --role ledger --as bontle          # submits
        $ pset key generate issue-2026 --role issue --as nmu --encrypt
    """,
)
@click.argument("name")
@click.option("--role", type=click.Choice(ROLES), required=True, help="What the key is for.")
@click.option(
    "--type", "key_type", type=click.Choice(TYPES), help="Default: bls for vote, otherwise ed25519."
)
@click.option("--signer", metavar="URI", help="Make it in a hardware module: pkcs11:…")
@click.option(
    "--encrypt",
    is_flag=True,
    help=f"Ask for a passphrase; given when {PASSPHRASE_FILE_VARIABLE} is set.",
)
@pass_context
def generate(
    context: CliContext,
    name: str,
    role: str,
    key_type: str | None,
    signer: str | None,
    encrypt: bool,
) -> None:
    """Make a key called NAME.

    NAME becomes the key's id in the DID document. An existing key is never written over.
    """
    from ledger.model.keys import KeyRole, KeyType

    if signer is not None:
        _refuse_signer(signer)
    wanted = key_type or ("bls" if role == "vote" else "ed25519")
    encrypted = encrypt or bool(os.environ.get(PASSPHRASE_FILE_VARIABLE))
    ask = context.passphrase("Passphrase of the new key", confirm=True) if encrypted else None
    store = context.key_store()
    made = store.generate(name, KeyRole.from_label(role), KeyType.from_label(wanted), ask)
    context.output.result(
        "Key", key_data(made), [f"made      {role} key {name}", details(_rows(made))]
    )


def _refuse_signer(uri: str) -> None:
    from sdk.signers import signer

    if uri.startswith("pkcs11:"):
        signer(uri)  # says why not
    raise CommandError(
        f"--signer {uri}: a key is made in a hardware module or, without --signer, in a file",
        code="KEY_URI_UNKNOWN",
        remedy="Leave --signer out.",
    )


@key.command("list", examples="$ pset key list --as qcto -o json")
@pass_context
def list_keys(context: CliContext) -> None:
    """The organisation's keys, without their secrets."""
    store = context.key_store()
    keys = store.list()
    rows = [
        (item.name, item.role.label, item.key_type.label, "yes" if item.encrypted else "no")
        for item in keys
    ]
    text: list[Any] = [table(("name", "role", "type", "encrypted"), rows)] if keys else []
    context.output.result(
        "KeyList",
        {"directory": str(store.directory), "keys": [key_data(item) for item in keys]},
        text or f"no keys in {store.directory}",
    )


@key.command("show", examples="$ pset key show ledger --as qcto")
@click.argument("name")
@pass_context
def show(context: CliContext, name: str) -> None:
    """One key: role, type and public half."""
    store = context.key_store()
    found = [item for item in store.list() if item.name == name]
    if not found:
        store.load(name)  # says why not: no such name, no such file
    context.output.result("Key", key_data(found[0]), details(_rows(found[0])))


def key_data(item: StoredKey) -> dict[str, Any]:
    """The members of a key in JSON; never a secret."""
    return {
        "name": item.name,
        "role": item.role.label,
        "type": item.key_type.label,
        "key_id": item.key_id,
        "public_key": public_key_text(item),
        "recipient": None,
        "encrypted": item.encrypted,
        "file": str(item.path),
    }


def public_key_text(item: StoredKey) -> str:
    """The public key as a Multikey (base58btc), as DID documents show it."""
    from ledger.model.multibase import encode_multikey

    return encode_multikey(item.key_type, item.public_key)


def _rows(item: StoredKey) -> list[tuple[str, Any]]:
    role = item.role.label
    return [
        ("role", f"{role}: {_PURPOSES[role]}"),
        ("type", item.key_type.label),
        ("public key", public_key_text(item)),
        ("file", f"{item.path} ({'encrypted' if item.encrypted else 'not encrypted'})"),
    ]
