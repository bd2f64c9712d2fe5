# SPDX-License-Identifier: Apache-2.0
"""Whatever an operation holds, execution answers with a receipt: no input raises, none half-writes.

Good operations are taken and some of their fields replaced, from the declarations of the messages,
by values that mean something to the ledger among those that mean nothing: so many of them pass the
first tests and fail deep inside.
"""

from __future__ import annotations

import dataclasses
from functools import lru_cache
from typing import Any

from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from ledger.model.codec import encode
from ledger.model.keys import KeyRole
from ledger.model.operations import (
    AccreditationReason,
    CreateStatusList,
    ReinstateAccreditation,
    RemoveValidator,
    ResourceType,
    RotateKey,
    Service,
    StatusPurpose,
    SuspendAccreditation,
    UpdateDid,
    UpdateStatusList,
    UpdateValidatorAddress,
    WithdrawAccreditation,
)
from ledger.model.receipts import ReceiptCode
from ledger.model.transaction import Operation, TransactionBody
from ledger.model.wire import Field, Kind, Label, get_message
from tests.support.ledger_execution import (
    ELECTRICIAN,
    LedgerWorld,
    electrician,
    make_training_world,
)
from tests.support.ledger_world import day, make_genesis, make_organisation
from tests.support.membership import activation, admission, admit

TRADE = "za:ofo:2021:671101"
AUTHORS = ("saqa", "qcto", "gaa", "merseta")
KEYS = ("vote_key", "peer_key", "tls_certificate")


@lru_cache(maxsize=1)
def world() -> LedgerWorld:
    genesis = make_genesis(validators=("n1", "n2"), certificate_scheme="ed25519")
    world = make_training_world(genesis)
    admit(world, "n9", "saqa")
    world.grant(
        "qcto", "merseta", "quality-assure", since="2023-01-01", qualifications=[ELECTRICIAN]
    )
    world.grant("qcto", "gaa", "train", until="2029-01-31", qualifications=[ELECTRICIAN])
    world.create_status_list("gaa")
    return world


@lru_cache(maxsize=1)
def meaningful() -> tuple[list[str], list[bytes], list[int]]:
    """Texts, byte strings and numbers that are names of something, or at an edge."""
    grants = [
        item.value
        for result in world().results
        for receipt in result.receipts
        for item in receipt.results
        if item.name in {"grant_id", "parent"}
    ]
    texts = [
        *(organisation.did for organisation in world().organisations.values()),
        *sorted(set(grants)),
        *("OQSF", ELECTRICIAN, "za:saqa:q:1", "1", "2", "EC", "admin", "ledger", "issue", "train"),
        *("conduct-eisa", "issue-badge", "host-workplace", "za:ofo:2021:671101", "charter", ""),
        *("application/json", "labels", "api", "PsetNode", "https://node.example.org", "a\u0301\n"),
        *("8001015009087", "test", "fresh", "provider", "sample.v1"),
        *("n1", "n2", "n8", "n9", "n9.example:7052", "[::1]:1"),
    ]
    fresh = make_organisation("fresh", name="Fresh Sample")
    octets = [
        *(signature.signature for signature in fresh.request_signatures),
        *(key.public_key for key in fresh.keys.values()),
        *(key[-16:] for key in world().values if key.startswith(b"status-list\x00")),
        *(fresh.request, electrician(), b"{}", b"r" * 16, bytes(16), bytes(32), b""),
        *(getattr(validator, name) for validator in world().genesis.validators for name in KEYS),
    ]
    days = [day(text) for text in ("2023-11-14", "2023-11-15", "2024-02-01", "2029-01-31")]
    numbers = [*range(6), 131_071, 131_072, *days, world().time, 2**32 - 1, 2**53, 2**64 - 1]
    return texts, octets, numbers


def values(cls: type[Any]) -> st.SearchStrategy[Any]:
    """Values of a message whose fields are within their declared limits."""
    spec = get_message(cls)
    fields = {field.name: field_values(field) for field in spec.fields}
    return st.fixed_dictionaries(fields).map(lambda arguments: cls(**arguments))


def field_values(field: Field) -> st.SearchStrategy[Any]:
    element = element_values(field)
    if field.label is Label.REPEATED:
        lists = st.lists(element, max_size=min(field.count_max, 4))
        if field.kind is Kind.STRING:
            # Sorted lists without repeats pass the first test more often than chance.
            lists = lists | lists.map(lambda items: sorted(set(items)))
        return lists.map(tuple)
    if field.kind is Kind.MESSAGE:
        return st.none() | element
    return element


def element_values(field: Field) -> st.SearchStrategy[Any]:
    texts, octets, numbers = meaningful()
    match field.kind:
        case Kind.STRING:
            short = [text for text in texts if len(text.encode()) <= field.size_max]
            return st.sampled_from(short) | st.text(max_size=8)
        case Kind.OCTETS:
            small = [item for item in octets if len(item) <= field.size_max]
            return st.sampled_from(small) | st.binary(max_size=min(field.size_max, 20))
        case Kind.UINT32:
            return st.sampled_from([number for number in numbers if number < 2**32])
        case Kind.UINT64:
            return st.sampled_from(numbers)
        case Kind.BOOL:
            return st.booleans()
        case Kind.ENUM:
            return st.sampled_from(list(field.names.values()))
        case Kind.MESSAGE:
            assert field.message is not None
            return values(field.message)


@lru_cache(maxsize=1)
def good_operations() -> list[tuple[str, str, Operation]]:
    """Author, key and an operation that would be applied now."""
    told = world()
    gaa, fork = told.did("gaa"), told.fork()
    list_id = next(key for key in told.values if key.startswith(b"status-list\x00"))[-16:]
    training = next(
        item.value for item in told.results[-2].receipts[0].results if item.name == "grant_id"
    )
    bundle = b'{"languages":{"en":{"title":"Certificate"}}}'
    new_key = fork.organisations["gaa"].new_key("issue-2", KeyRole.ISSUE)
    reason = AccreditationReason.ERROR
    fresh = make_organisation("fresh", name="Fresh Sample")
    good: list[tuple[str, str, Operation]] = [
        ("qcto", "ledger", told.endorsement(fresh)),
        ("gaa", "ledger", told.site_operation("gaa", "3")),
        (
            "gaa",
            "admin",
            UpdateDid(gaa, 1, (Service("api", "Node", "https://a.b"),), (), (new_key,)),
        ),
        ("gaa", "admin", RotateKey(gaa, 1, "issue", new_key, 1000)),
        ("gaa", "ledger", told.publish("gaa", "labels", ResourceType.DISPLAY_BUNDLE, bundle)),
        (
            "saqa",
            "ledger",
            told.publish("saqa", "za:saqa:q:5", ResourceType.QUALIFICATION, electrician(saqa_id=5)),
        ),
        ("gaa", "ledger", CreateStatusList(b"n" * 16, StatusPurpose.MESSAGE, 4, 131_072)),
        ("gaa", "ledger", UpdateStatusList(gaa, list_id, 0, (5,), b"\x01")),
        ("qcto", "ledger", told.grant_operation("ttc", "trade-test", qualifications=[ELECTRICIAN])),
        ("merseta", "ledger", told.grant_operation("bontle", "host-workplace", trades=[TRADE])),
        ("qcto", "ledger", SuspendAccreditation(training, 1, day("2024-06-01"), reason)),
        ("qcto", "ledger", WithdrawAccreditation(training, 1, day("2024-06-01"), reason)),
        ("qcto", "ledger", WithdrawAccreditation(training, 1, day("2024-06-01"), reason, True)),
        ("saqa", "admin", admission(told, "n8", "gaa")),
        ("saqa", "admin", activation(told, "n9")),
        ("saqa", "admin", activation(told, "n9", replaces="n1")),
        ("saqa", "admin", RemoveValidator("n2")),
        ("saqa", "admin", RemoveValidator("n9")),
        ("saqa", "ledger", UpdateValidatorAddress("n9", "n9.example:1")),
        ("qcto", "ledger", ReinstateAccreditation(training, 1, day("2024-06-01"), reason)),
    ]
    return good


def is_encodable(operation: Operation) -> bool:
    try:
        encode(TransactionBody(operation=operation))
    except ValueError:  # surrogates and the like never arrive
        return False
    return True


@settings(
    max_examples=800,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(data=st.data())
def test_every_operation_gets_a_receipt(data: st.DataObject) -> None:
    author, key, operation = data.draw(st.sampled_from(good_operations()))
    fields = get_message(type(operation)).fields
    for field in data.draw(st.lists(st.sampled_from(fields), max_size=3)):
        change = {field.name: data.draw(field_values(field))}
        operation = dataclasses.replace(operation, **change)
    if data.draw(st.integers(0, 9)) == 0:
        author = data.draw(st.sampled_from(AUTHORS))
    if not is_encodable(operation):
        return
    fork, idle = world().fork(), world().fork()
    idle.run_block([])  # which writes, while there is a learner
    before = idle.snapshot()
    receipt = fork.submit(author, operation, keys=[key])
    code = ReceiptCode(receipt.code)
    event(f"{type(operation).__name__} {code.name}")
    assert code is ReceiptCode.APPLIED or code >= 200
    if code is ReceiptCode.APPLIED:
        assert fork.values != before
    else:
        assert fork.values == before
        assert all(item.name in {"field", "detail"} for item in receipt.results)
    assert len(encode(receipt)) < 1024


def test_the_good_operations_are_good() -> None:
    """But the reinstatement: nothing is suspended."""
    codes = [
        ReceiptCode(world().dry_run(author, operation, keys=[key]).code).name
        for author, key, operation in good_operations()
    ]
    assert codes == [*["APPLIED"] * (len(codes) - 1), "GRANT_NOT_SUSPENDED"]
