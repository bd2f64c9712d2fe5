# SPDX-License-Identifier: Apache-2.0
"""Execute transactions on the real state machine over a dict: `LedgerWorld`.

    world = LedgerWorld()
    world.endorse("gaa")                                  # by qcto
    receipt = world.submit("qcto", GrantAccreditation(...))
    assert receipt.code == ReceiptCode.APPLIED

Every `submit` is a block of one transaction; `run_block` takes several. Time is `world.time` and
moves by a second with each block. `world.values` is the state; `snapshot` compares it.
"""

from __future__ import annotations

import copy
import dataclasses
import json
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

from ledger.model.block import BlockHeader
from ledger.model.codec import decode, encode
from ledger.model.genesis import Genesis, genesis_header
from ledger.model.hashes import compute_block_hash, compute_transaction_id, transaction_message
from ledger.model.merkle_log import compute_root
from ledger.model.operations import (
    AddSite,
    CreateStatusList,
    EndorseOrganisation,
    GrantAccreditation,
    PublishResource,
    ResourceType,
    Scope,
    StatusPurpose,
)
from ledger.model.receipts import ReceiptCode
from ledger.model.records import DidRecord, GrantRecord, OrganisationRecord, OrganisationStatus
from ledger.model.schema import did_key, grant_key, organisation_key
from ledger.model.transaction import Operation, Receipt, Transaction, TransactionBody
from ledger.model.transaction_check import CheckedTransaction, check_transaction
from ledger.state.block_check import check_block
from ledger.state.machine import BlockResult, compute_genesis_writes, dry_run, execute_block
from ledger.state.validators import compute_validators_hash_of
from tests.support.ledger_world import (
    COUNCILS,
    GENESIS_ORGANISATIONS,
    SAMPLE_ORGANISATIONS,
    TestOrganisation,
    day,
    make_genesis,
    make_organisation,
)
from tests.support.memory_state import MemoryState

HOUR_MS = 60 * 60 * 1000
DAY_MS = 24 * HOUR_MS
ELECTRICIAN = "za:saqa:q:91761"


VOUCHERS = {
    "assessment-body": "umalusi",
    "private-hei": "che",
    "professional-body": "saqa",
    "quality-council": "saqa",
    "university": "che",
}
"""Who vouches for organisations of a type; for all others it is qcto."""


def electrician(**changes: Any) -> bytes:
    """Content of qualification 91761 (facts from SAQA's public record), with changes."""
    content: dict[str, Any] = {
        "saqa_id": 91761,
        "title": "Occupational Certificate: Electrician",
        "sub_framework": "OQSF",
        "nqf_level": 4,
        "credits": 360,
        "type": "National Occupational Certificate",
        "field": "Field 12 - Physical Planning and Construction",
        "status": "reregistered",
        "registration_start": "2018-07-01",
        "registration_end": "2025-12-30",
        "last_enrolment": "2026-12-30",
        "last_achievement": "2029-12-30",
        "curriculum": "671101000",
        "ofo": ["za:ofo:2021:671101"],
        "modules": [{"code": "KM-01", "kind": "knowledge", "title": "Electrical", "credits": 8}],
        "replaces": [63889, 72072],
        "replaced_by": [],
    }
    content.update(changes)
    return json.dumps({k: v for k, v in content.items() if v is not None}).encode()


class LedgerWorld:
    """A chain of blocks on one state, with organisations by short name."""

    def __init__(self, genesis: Genesis | None = None, *, is_council_granted: bool = True) -> None:
        self.genesis = genesis or make_genesis()
        self.chain_id = self.genesis.chain_id
        self.state = MemoryState()
        self.state.values.update(compute_genesis_writes(self.genesis))
        self.header = genesis_header(self.genesis)
        self.time = self.genesis.created
        self.organisations: dict[str, TestOrganisation] = {
            name: make_organisation(name, network=self.genesis.network)
            for name in GENESIS_ORGANISATIONS
        }
        self.blocks: list[tuple[BlockHeader, tuple[bytes, ...]]] = []
        """Headers and encoded transactions of the blocks that were run."""
        self.results: list[BlockResult] = []
        self._serial = 0
        if is_council_granted:
            self.grant_councils()

    def fork(self) -> LedgerWorld:
        """A world that goes its own way from here: quicker than telling the same story again."""
        fork = copy.copy(self)
        fork.state = MemoryState()
        fork.state.values = dict(self.state.values)
        fork.state.expiring_index = list(self.state.expiring_index)
        fork.organisations = {
            name: dataclasses.replace(organisation, keys=dict(organisation.keys))
            for name, organisation in self.organisations.items()
        }
        fork.blocks, fork.results = list(self.blocks), list(self.results)
        return fork

    @property
    def values(self) -> dict[bytes, bytes]:
        """State keys and values."""
        return self.state.values

    @property
    def today(self) -> int:
        """The civil day of the next block."""
        return (self.time + 1000 + 2 * HOUR_MS) // DAY_MS

    def snapshot(self) -> dict[bytes, bytes]:
        """A copy of the state, to compare with later."""
        return dict(self.state.values)

    def did(self, short_name: str) -> str:
        return self.organisations[short_name].did

    # Transactions ---------------------------------------------------------------------------------

    def make_transaction(
        self,
        author: str,
        operation: Operation,
        *,
        keys: Sequence[str] = ("ledger",),
        idempotency_key: bytes | None = None,
        expires_at: int | None = None,
        chain_id: str | None = None,
    ) -> bytes:
        """A signed transaction. `keys` are the author's, or `name:key` of another organisation."""
        self._serial += 1
        pairs = [
            (self.organisations[name], key)
            for name, key in (item.split(":") if ":" in item else (author, item) for item in keys)
        ]
        body = encode(
            TransactionBody(
                chain_id=chain_id or self.chain_id,
                author=self.did(author),
                signers=tuple(organisation.signer(key) for organisation, key in pairs),
                idempotency_key=idempotency_key
                or sha256(f"{author} {self._serial}".encode()).digest()[:16],
                expires_at=expires_at or self.time + HOUR_MS,
                operation=operation,
            )
        )
        message = transaction_message(compute_transaction_id(body))
        return encode(
            Transaction(
                body=body,
                signatures=tuple(
                    organisation.keys[key].sign(message) for organisation, key in pairs
                ),
            )
        )

    def check(self, encoded: bytes) -> CheckedTransaction:
        return check_transaction(encoded, chain_id=self.chain_id)

    def make_header(
        self, transactions: Sequence[CheckedTransaction], time: int | None = None
    ) -> BlockHeader:
        """Header of the next block."""
        return BlockHeader(
            chain_id=self.chain_id,
            epoch=self.header.epoch,
            height=self.header.height + 1,
            parent_hash=compute_block_hash(encode(self.header)),
            time=time or self.time + 1000,
            tx_root=compute_root([transaction.encoded for transaction in transactions]),
            tx_count=len(transactions),
            proposer=self.genesis.validators[0].id,
            validators_hash=self.header.next_validators_hash,
            next_validators_hash=compute_validators_hash_of(self.state),
            protocol_version=1,
        )

    def run_block(self, encoded: Sequence[bytes], *, time: int | None = None) -> BlockResult:
        """Execute a block of these transactions and keep what it writes."""
        transactions = [self.check(item) for item in encoded]
        header = self.make_header(transactions, time)
        check_block(
            header,
            transactions,
            parent=self.header,
            next_validators_hash=compute_validators_hash_of(self.state),
        )
        result = execute_block(self.state, header, transactions)
        self.state.write(result)
        self.header, self.time = header, header.time
        self.blocks.append((header, tuple(encoded)))
        self.results.append(result)
        return result

    def submit(self, author: str, operation: Operation, **options: Any) -> Receipt:
        """The receipt of one transaction, in a block of its own."""
        return self.run_block([self.make_transaction(author, operation, **options)]).receipts[0]

    def apply(self, author: str, operation: Operation, **options: Any) -> Mapping[str, str]:
        """Submit what must be applied; the receipt's results by name."""
        receipt = self.submit(author, operation, **options)
        results = {item.name: item.value for item in receipt.results}
        assert receipt.code == ReceiptCode.APPLIED, (ReceiptCode(receipt.code).name, results)
        return results

    def refuse(
        self, code: ReceiptCode, author: str, operation: Operation, **options: Any
    ) -> Mapping[str, str]:
        """Submit what must be refused with a code and change nothing; the receipt's results.

        The dry run must say the same, and leave the state alone too.
        """
        if self.state.expiring(self.time + 1000, 1):
            self.run_block([])  # what expired meanwhile leaves now, not with the refused one
        # While there is a learner, an empty block writes its parent's hash.
        idle = execute_block(self.state, self.make_header([]), [])
        before = self.snapshot()
        before.update({key: value for key, value in idle.writes if value is not None})
        encoded = self.make_transaction(author, operation, **options)
        tried = dry_run(
            self.state,
            time_ms=self.time + 1000,
            height=self.header.height + 1,
            transaction=self.check(encoded),
            parent_hash=compute_block_hash(encode(self.header)),
        )
        result = self.run_block([encoded])
        receipt = result.receipts[0]
        results = {item.name: item.value for item in receipt.results}
        assert ReceiptCode(receipt.code) is code, (ReceiptCode(receipt.code).name, results)
        assert tried == receipt
        assert result.writes == idle.writes
        assert result.expiring_added == ()
        assert self.values == before
        return results

    def dry_run(self, author: str, operation: Operation, **options: Any) -> Receipt:
        return dry_run(
            self.state,
            time_ms=self.time + 1000,
            height=self.header.height + 1,
            transaction=self.check(self.make_transaction(author, operation, **options)),
            parent_hash=compute_block_hash(encode(self.header)),
        )

    def skip_to(self, date: str) -> None:
        """Let the next block fall on a day (noon at UTC+2)."""
        self.time = day(date) * DAY_MS + 10 * HOUR_MS

    # What tests want done -------------------------------------------------------------------------

    def endorse(self, short_name: str, *, by: str | None = None, **sample: Any) -> TestOrganisation:
        """Create one of the sample organisations, or another with `name=` and `type_=`; vouched for
        by the body that does so for its type, unless `by` another.
        """
        organisation = make_organisation(short_name, network=self.genesis.network, **sample)
        self.organisations[short_name] = organisation
        self.apply(by or VOUCHERS.get(organisation.type, "qcto"), self.endorsement(organisation))
        return organisation

    def endorsement(self, organisation: TestOrganisation) -> EndorseOrganisation:
        return EndorseOrganisation(
            request=organisation.request,
            request_signatures=organisation.request_signatures,
            codes=organisation.codes,
        )

    def grant_operation(
        self,
        grantee: str,
        powers: str,
        *,
        since: str = "2024-02-01",
        until: str | None = None,
        **scope: Any,
    ) -> GrantAccreditation:
        """`powers` by space; scope dimensions by name."""
        return GrantAccreditation(
            grantee=self.did(grantee),
            powers=tuple(sorted(powers.split())),
            scope=Scope(**{kind: tuple(sorted(names)) for kind, names in scope.items()}),
            valid_from=day(since),
            valid_until=day(until) if until else 0,
        )

    def grant(self, grantor: str, grantee: str, powers: str, **options: Any) -> str:
        """Make a grant; its id."""
        return self.apply(grantor, self.grant_operation(grantee, powers, **options))["grant_id"]

    def grant_councils(self) -> None:
        """SAQA accredits the councils for their sub-frameworks, and QCTO to certify."""
        for council, sub_framework in COUNCILS.items():
            self.grant(
                "saqa",
                council,
                "recommend-qualification accredit-provider delegate",
                since="2010-01-01",
                sub_frameworks=[sub_framework],
            )
        self.grant("saqa", "qcto", "certify", since="2010-01-01", sub_frameworks=["OQSF"])

    def publish(
        self,
        author: str,
        name: str,
        resource_type: ResourceType,
        content: bytes,
        *,
        expected_version: int = 0,
        media_type: str = "application/json",
    ) -> PublishResource:
        """The operation; its resource id follows from name and version."""
        return PublishResource(
            resource_id=sha256(f"{author} {name} {expected_version}".encode()).digest()[:16],
            name=name,
            type=resource_type,
            media_type=media_type,
            content=content,
            checksum=sha256(content).digest(),
            expected_version=expected_version,
        )

    def register_electrician(self) -> None:
        """SAQA registers qualification 91761."""
        self.apply(
            "saqa",
            self.publish("saqa", ELECTRICIAN, ResourceType.QUALIFICATION, electrician()),
        )

    def site_operation(self, organisation: str, code: str) -> AddSite:
        return AddSite(
            organisation=self.did(organisation),
            code=code,
            name=f"Sample site {code}",
            province="EC",
        )

    def add_site(self, organisation: str, code: str, *, by: str | None = None) -> None:
        self.apply(by or organisation, self.site_operation(organisation, code))

    def create_status_list(
        self,
        owner: str,
        *,
        purpose: StatusPurpose = StatusPurpose.REVOCATION,
        bits: int = 1,
        size: int = 131_072,
        label: str = "list",
    ) -> bytes:
        """The id of the new list."""
        list_id = sha256(f"{owner} {label}".encode()).digest()[:16]
        self.apply(owner, CreateStatusList(list_id=list_id, purpose=purpose, bits=bits, size=size))
        return list_id

    def succeed(self, old: str, new: str) -> None:
        """Write what a succession of organisations will write; there is no operation for it yet."""
        key = organisation_key(self.did(old))
        record = decode(OrganisationRecord, self.values[key])
        self.values[key] = encode(
            dataclasses.replace(
                record, status=OrganisationStatus.SUCCEEDED, successor=self.did(new)
            )
        )

    def did_record(self, short_name: str) -> DidRecord:
        return decode(DidRecord, self.values[did_key(self.did(short_name))])

    def grant_record(self, grant_id: str) -> GrantRecord:
        return decode(GrantRecord, self.values[grant_key(grant_id)])


def make_training_world(genesis: Genesis | None = None) -> LedgerWorld:
    """91761 registered; gaa (provider, sites 1 and 2) and the other samples endorsed; no provider
    grants.
    """
    world = LedgerWorld(genesis)
    world.register_electrician()
    for short_name in SAMPLE_ORGANISATIONS:
        if short_name not in world.organisations:
            world.endorse(short_name)
    for code in ("1", "2"):
        world.add_site("gaa", code)
    return world
