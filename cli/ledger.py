# SPDX-License-Identifier: Apache-2.0
"""`pset ledger`: records, transactions and blocks as they are, with proofs; and checking a proof file."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from cli.command import PsetGroup
from cli.context import CliContext, pass_context
from cli.errors import CommandError, ExitCode
from cli.output import details, table
from cli.reading import FILE_TO_READ, proof_option
from cli.records import lines, plain_record
from cli.state_keys import FORMS, StateKey, describe_state_key, parse_state_key
from cli.wording import show_instant
from ledger.model.limits import STATE_VALUE_SIZE_MAX

if TYPE_CHECKING:
    from ledger.model.verification import VerifiedHead, VerifiedTransaction
    from sdk.proof_files import CheckedProof
    from sdk.results import BlockSummary, TransactionStatus


HEIGHT_MAX: Final = 2**63 - 1


@click.group(
    "ledger",
    cls=PsetGroup,
    examples="""
        $ pset ledger head
        $ pset ledger get short-name/qcto --proof qcto.proof
        $ pset ledger check-proof qcto.proof
    """,
)
def ledger() -> None:
    """The raw truth: records, transactions and blocks, every answer proven."""


_GET_EXAMPLES: Final = """\
$ pset ledger get short-name/qcto
$ pset ledger get parameter/rules -o json
$ pset ledger get did/did:pset:za:3vQ…beL --proof qcto.proof

KEY is one of
"""


@ledger.command("get", examples=_GET_EXAMPLES + "\n".join(f"  {form}" for form in FORMS))
@click.argument("key", metavar="KEY")
@proof_option
@pass_context
def get(context: CliContext, key: str, proof: Path | None) -> ExitCode:
    """The record under KEY. Exit 1 when it is proven that there is none."""
    asked = parse_state_key(key)
    with context.client() as client:
        proven = client.get(asked.key)
    found = read_value(asked, proven.value)
    data = {"key": asked.text, "present": proven.value is not None, **found}
    text = (
        [asked.text, *lines(found["record"], "  ")]
        if proven.value is not None
        else f"{asked.text}: nothing is there, and that is proven"
    )
    context.output.read("Record", data, proven, text)
    context.save_proof(proof, proven)
    return ExitCode.DONE if proven.value is not None else ExitCode.NO


def read_value(key: StateKey, value: bytes | None) -> dict[str, Any]:
    """Members ``type`` and ``record`` of a value of the state; null for one that is absent."""
    if value is None:
        return {"type": None, "record": None}
    if key.record is not None:
        from sdk.reader import decode_record

        return {
            "type": key.record.__name__,
            "record": plain_record(decode_record(key.record, value)),
        }
    assert len(value) <= STATE_VALUE_SIZE_MAX
    if key.text.startswith("parameter/"):
        return {"type": "Parameter", "record": json.loads(value)}
    return {"type": "Bytes", "record": value.hex()}


@ledger.command(
    "tx",
    examples="""
        $ pset ledger tx 9f3c0a…71d2                              # a transaction id, 64 digits
        $ pset ledger tx 000102030405060708090a0b0c0d0e0f --as gaa    # an idempotency key
    """,
)
@click.argument("id_or_key", metavar="ID|KEY")
@proof_option
@pass_context
def transaction(context: CliContext, id_or_key: str, proof: Path | None) -> ExitCode:
    """What became of a transaction: by its id, or by an idempotency key of the acting organisation.

    Exit 0 when it was applied or refused or waits, 4 when the node asked does not know it.
    """
    if len(id_or_key) == 32:
        context.acting()  # a key is its author's
    with context.client() as client:
        status = client.transaction(id_or_key)
    _show_transaction(context, status, id_or_key)
    if status.receipt is not None:
        context.save_proof(proof, _Answer.of_receipt(status))
    return ExitCode.CANNOT_TELL if status.state == "unknown" else ExitCode.DONE


_OUTCOMES: Final = {"applied": "certified", "refused": "certified; nothing was changed"}


def _show_transaction(context: CliContext, status: TransactionStatus, asked: str) -> None:
    receipt = status.receipt
    if receipt is None:
        text = {
            "unknown": f"UNKNOWN   {asked}: this node knows no such transaction; ask again, or"
            " another",
            "pending": f"PENDING   {asked}: waits for its block",
        }[status.state]
        context.output.result("Transaction", {"state": status.state, "receipt": None}, text)
        return
    results = [(name, str(value)) for name, value in receipt.result.items()]
    rows = [
        ("transaction", receipt.transaction_id),
        ("block", f"{receipt.height:,}, place {receipt.index}"),
        ("code", f"{receipt.code} {receipt.name}"),
        ("do", receipt.remedy or None),
        *results,
    ]
    context.output.read(
        "Transaction",
        {"state": status.state, **receipt.to_dict()},
        _Answer.of_receipt(status),
        [f"{status.state.upper():<9} {_OUTCOMES[status.state]}", details(rows)],
    )


@dataclass(frozen=True, slots=True)
class _Answer:
    """Where something that is no `Proven` was read from."""

    height: int
    as_of: datetime
    verified: bool
    proof: bytes = b""

    @classmethod
    def of_receipt(cls, status: TransactionStatus) -> _Answer:
        receipt = status.receipt
        assert receipt is not None
        return cls(receipt.height, receipt.as_of, verified=True, proof=receipt.proof)


@ledger.command(
    "head",
    examples="""
        $ pset ledger head -o json
        $ pset ledger head --proof head.proof      # the certificate, and the validators' record
    """,
)
@proof_option
@pass_context
def head(context: CliContext, proof: Path | None) -> None:
    """The newest certified block."""
    from ledger.model import schema
    from sdk.blocks import summarise_head
    from sdk.reader import StateView

    def question(view: StateView) -> VerifiedHead:
        view.get(schema.validators_key())  # a proof file proves something of the state
        return view.head

    with context.client() as client:
        proven = client.ask(question)
        trust = client.trust
    _show_block(context, "Head", summarise_head(proven.value, trust))
    context.save_proof(proof, proven)


@ledger.command(
    "block",
    examples="""
        $ pset ledger block 7
        $ pset ledger block 7 --proof seven.proof      # all it holds, and its certificate
    """,
)
@click.argument("height", type=click.IntRange(min=1, max=HEIGHT_MAX))
@proof_option
@pass_context
def block(context: CliContext, height: int, proof: Path | None) -> None:
    """One certified block: its transactions and receipts, checked against its header."""
    with context.client() as client:
        held = client.block(height)
    _show_block(context, "Block", held)
    context.save_proof_file(proof, held.proof)


def _show_block(context: CliContext, kind: str, held: BlockSummary) -> None:
    answer = _Answer(held.height, held.time, verified=True)
    context.output.read(kind, held.to_dict(), answer, _block_words(held))


def _block_words(held: BlockSummary) -> list[Any]:
    rows: list[tuple[str, Any]] = [
        ("height", f"{held.height:,}"),
        ("time", show_instant(held.time)),
        ("block hash", held.block_hash),
        ("parent", held.parent_hash),
        ("state root", held.state_root),
        ("receipts root", held.receipts_root),
        ("log root", held.log_root),
        ("proposer", held.proposer),
        ("certified by", ", ".join(held.signers)),
        ("transactions", held.tx_count),
    ]
    text: list[Any] = [details(rows)]
    if held.transactions:
        listed = enumerate(zip(held.transactions, held.codes, strict=True))
        text.append(
            table(
                ("place", "transaction", "receipt"),
                [(place, transaction_id, code) for place, (transaction_id, code) in listed],
            )
        )
    return text


@ledger.command(
    "check-proof",
    examples="""
        $ pset org show qcto --proof qcto.proof
        $ pset ledger check-proof qcto.proof                   # no network is asked
        $ pset --network za ledger check-proof qcto.proof
    """,
)
@click.argument("file", metavar="FILE", type=FILE_TO_READ)
@pass_context
def check_proof(context: CliContext, file: Path) -> None:
    """Check a proof file against the pinned genesis, without any network.

    Validators that came later are believed where this computer has verified how they came.
    Exit 5 for a damaged file or a proof that fails, 4 for a proof of another network.
    """
    from sdk.proof_files import check_proof_file
    from sdk.trust_store import read_trust

    network = context.network()
    trust = read_trust(network)
    checked = check_proof_file(file, trust)
    answer = _Answer(checked.height, instant(checked.time_ms), verified=True)
    if checked.transaction is not None:
        _show_checked_transaction(context, checked.transaction, answer, network.chain_id)
        return
    if checked.block is not None:
        from sdk.blocks import summarise_block

        held = summarise_block(checked.block, trust)
        context.output.read(
            "CheckedProof",
            {"chain_id": network.chain_id, "block": held.to_dict()},
            answer,
            [f"PROVEN    a block on {network.chain_id}", *_block_words(held)],
        )
        return
    _show_checked_states(context, file, checked, answer, network.chain_id)


def _show_checked_states(
    context: CliContext, file: Path, checked: CheckedProof, answer: _Answer, chain_id: str
) -> None:
    entries: list[dict[str, Any]] = []
    text: list[Any] = [f"PROVEN    {file} on {chain_id}"]
    is_set = len(checked.states) > 1
    for state in checked.states:
        height = {"height": state.head.height} if is_set else {}
        if is_set:
            text.append(f"at height {state.head.height:,}:")
        for key, value in state.values.items():
            described = describe_state_key(key)
            found = read_value(described, value)
            present = value is not None
            entries.append({"key": described.text, "present": present, **found, **height})
            if value is None:
                text.append(f"{described.text}: nothing is there")
            else:
                text += [described.text, *lines(found["record"], "  ")]
    context.output.read("CheckedProof", {"chain_id": chain_id, "entries": entries}, answer, text)


def instant(time_ms: int) -> datetime:
    """Ledger time as an instant."""
    from sdk.moments import to_instant

    return to_instant(time_ms)


def _show_checked_transaction(
    context: CliContext, held: VerifiedTransaction, answer: _Answer, chain_id: str
) -> None:
    from ledger.model.codec import decode
    from ledger.model.limits import TRANSACTION_SIZE_MAX
    from ledger.model.receipts import ReceiptCode
    from ledger.model.transaction import TransactionBody

    body = decode(TransactionBody, held.transaction.body, size_max=TRANSACTION_SIZE_MAX)
    code = held.receipt.code
    try:
        name = ReceiptCode(code).name
    except ValueError as error:
        raise CommandError(
            f"the receipt has the code {code}, which this release does not know",
            code="PROTOCOL_UNKNOWN",
            remedy="Install a newer psetledger.",
            exit_code=ExitCode.CANNOT_TELL,
        ) from error
    data = {
        "transaction_id": held.transaction_id.hex(),
        "author": body.author,
        "operation": type(body.operation).__name__,
        "height": held.receipt.height,
        "index": held.receipt.index,
        "code": code,
        "name": name,
        "result": {item.name: item.value for item in held.receipt.results},
    }
    context.output.read(
        "CheckedProof",
        {"chain_id": chain_id, "transaction": data},
        answer,
        [f"PROVEN    a transaction on {chain_id}", *lines(data, "  ")],
    )
