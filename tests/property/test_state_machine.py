# SPDX-License-Identifier: Apache-2.0
"""The state machine against models that keep everything in plain dicts, day by day and bit by bit."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from ledger.model.accreditation import chain_status, status_on
from ledger.model.codec import decode
from ledger.model.limits import STATUS_CHUNK_SIZE
from ledger.model.operations import (
    AccreditationReason,
    ReinstateAccreditation,
    StatusPurpose,
    SuspendAccreditation,
    UpdateStatusList,
    WithdrawAccreditation,
)
from ledger.model.receipts import ReceiptCode
from ledger.model.records import StatusListRecord
from ledger.model.schema import status_chunk_key, status_list_key
from ledger.model.transaction import Operation, Receipt
from tests.support.ledger_execution import DAY_MS, HOUR_MS, LedgerWorld, make_training_world
from tests.support.ledger_world import day

SETTINGS = settings(
    max_examples=40,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
FIRST = day("2024-01-01")
DAYS = 60
"""Days that the model keeps apart; grants lie within them."""
QUALIFICATION = "za:saqa:q:91761"
REASON = AccreditationReason.ERROR


@lru_cache(maxsize=1)
def template() -> LedgerWorld:
    return make_training_world()


def fresh_world() -> LedgerWorld:
    """The samples, on the first of the model's days, with nothing left to expire."""
    world = template().fork()
    world.run_block([], time=FIRST * DAY_MS + 8 * HOUR_MS)
    return world


@dataclasses.dataclass
class ModelGrant:
    """A grant as a table of days."""

    duty: str
    first: int
    last: int
    version: int = 1
    events: list[tuple[str, int]] = dataclasses.field(default_factory=list[tuple[str, int]])
    opened_at: int | None = None
    opened_day: int = 0
    is_void: bool = False

    def table(self) -> dict[int, str]:
        """Status of each day from FIRST on, by walking through the days once."""
        status: dict[int, str] = {}
        current, is_withdrawn = "active", False
        for date in range(FIRST - 1, FIRST + DAYS + 1):
            for kind, effective in self.events:
                if effective == date:
                    if kind == "withdraw":
                        is_withdrawn = True
                    else:
                        current = "suspended" if kind == "suspend" else "active"
            if date < self.first:
                status[date] = "not-yet"
            elif is_withdrawn:
                status[date] = "withdrawn"
            elif date > self.last:
                status[date] = "expired"
            else:
                status[date] = current
            if self.is_void:
                status[date] = "void"
        return status

    def held_days(self) -> set[int]:
        if self.is_void:
            return set()
        ends = [effective for kind, effective in self.events if kind == "withdraw"]
        last = min([self.last, *(effective - 1 for effective in ends)])
        return set(range(self.first, last + 1))

    @property
    def withdrawn_from(self) -> int:
        """A day after all days when it is not."""
        ends = [effective for kind, effective in self.events if kind == "withdraw"]
        return min(ends, default=FIRST + 10 * DAYS)


class GrantsMachine(RuleBasedStateMachine):
    """qcto grants gaa training and assessment, changes its mind, and saqa confirms what is void."""

    def __init__(self) -> None:
        super().__init__()
        self.world = fresh_world()
        self.grants: dict[str, ModelGrant] = {}

    @property
    def today(self) -> int:
        return self.world.today

    def submit(self, author: str, operation: Operation, expected: ReceiptCode) -> Receipt:
        before = self.world.snapshot()
        receipt = self.world.submit(author, operation)
        code = ReceiptCode(receipt.code)
        assert code is expected, (code.name, expected.name, operation)
        if code is not ReceiptCode.APPLIED:
            assert self.world.values == {
                key: value for key, value in before.items() if key in self.world.values
            }
        return receipt

    @rule(
        duty=st.sampled_from(["train", "conduct-eisa"]),
        start=st.integers(0, DAYS - 1),
        length=st.integers(1, 30),
    )
    def grant(self, duty: str, start: int, length: int) -> None:
        first = FIRST + start
        last = min(first + length - 1, FIRST + DAYS - 1)
        model = ModelGrant(duty, first, last)
        collides = any(
            other.duty != duty and other.held_days() & model.held_days()
            for other in self.grants.values()
        )
        operation = dataclasses.replace(
            self.world.grant_operation("gaa", duty, qualifications=[QUALIFICATION]),
            valid_from=first,
            valid_until=last,
        )
        expected = ReceiptCode.SEPARATION_OF_DUTIES if collides else ReceiptCode.APPLIED
        receipt = self.submit("qcto", operation, expected)
        if not collides:
            self.grants[receipt.results[0].value] = model

    @precondition(lambda self: self.grants)
    @rule(
        data=st.data(),
        kind=st.sampled_from(["suspend", "reinstate", "withdraw"]),
        offset=st.integers(-1, 40),
        stale=st.integers(0, 9),
    )
    def change(self, data: Any, kind: str, offset: int, stale: int) -> None:
        grant_id = data.draw(st.sampled_from(sorted(self.grants)))
        model = self.grants[grant_id]
        effective = self.today + offset
        version = model.version if stale else model.version + 1
        classes: dict[str, Callable[..., Operation]] = {
            "suspend": SuspendAccreditation,
            "reinstate": ReinstateAccreditation,
            "withdraw": WithdrawAccreditation,
        }
        operation = classes[kind](grant_id, version, effective, REASON)
        expected = self._expect(model, kind, effective, version)
        self.submit("qcto", operation, expected)
        if expected is ReceiptCode.APPLIED:
            model.events.append((kind, effective))
            model.version += 1

    def _expect(self, model: ModelGrant, kind: str, effective: int, version: int) -> ReceiptCode:
        if version != model.version:
            return ReceiptCode.STALE_VERSION
        withdrawn = model.withdrawn_from
        if model.is_void or self.today > model.last or self.today >= withdrawn:
            return ReceiptCode.GRANT_ENDED
        if effective < self.today:
            return ReceiptCode.EFFECTIVE_IN_PAST
        if not model.first <= effective <= model.last:
            return ReceiptCode.EFFECTIVE_OUTSIDE_TERM
        if effective >= withdrawn:
            return ReceiptCode.GRANT_ENDED
        is_suspended = model.table()[effective] == "suspended"
        if kind == "suspend" and is_suspended:
            return ReceiptCode.GRANT_SUSPENDED_ALREADY
        if kind == "reinstate" and not is_suspended:
            return ReceiptCode.GRANT_NOT_SUSPENDED
        return ReceiptCode.APPLIED

    @precondition(lambda self: self.grants)
    @rule(data=st.data(), author=st.sampled_from(["qcto", "saqa", "che"]), other=st.booleans())
    def void(self, data: Any, author: str, *, other: bool) -> None:
        grant_id = data.draw(st.sampled_from(sorted(self.grants)))
        model = self.grants[grant_id]
        effective = model.opened_day if model.opened_at and not other else model.first
        now = self.world.time + 1000
        is_open = model.opened_at is not None and now - model.opened_at <= 30 * DAY_MS
        if author == "che":
            expected = ReceiptCode.NOT_GRANTOR
        elif model.is_void:
            expected = ReceiptCode.GRANT_ENDED
        elif author == "qcto":
            effective += other
            is_same = is_open and effective == model.opened_day
            expected = ReceiptCode.AB_INITIO_PENDING if is_same else ReceiptCode.APPLIED
        elif not is_open:
            expected = ReceiptCode.AB_INITIO_NOT_OPEN
        elif effective != model.opened_day:
            expected = ReceiptCode.AB_INITIO_MISMATCH
        else:
            expected = ReceiptCode.APPLIED
        operation = WithdrawAccreditation(
            grant_id, model.version, effective, REASON, ab_initio=True
        )
        self.submit(author, operation, expected)
        if expected is ReceiptCode.APPLIED:
            model.version += 1
            if author == "qcto":
                model.opened_at, model.opened_day = now, effective
            else:
                model.is_void = True

    @rule(days=st.integers(1, 12))
    def wait(self, days: int) -> None:
        self.world.run_block([], time=self.world.time + days * DAY_MS)

    @invariant()
    def every_day_agrees(self) -> None:
        for grant_id, model in self.grants.items():
            record = self.world.grant_record(grant_id)
            assert record.version == model.version
            table = {date: status_on(record, date).value for date in model.table()}
            assert table == model.table()
            parent = self.world.grant_record(record.parent)
            root = self.world.grant_record(parent.parent)
            chain = [record, parent, root]
            assert {date: chain_status(chain, date).status.value for date in table} == table, (
                "those above hold on all these days"
            )

    @invariant()
    def duties_stay_apart(self) -> None:
        held: dict[str, set[int]] = {"train": set(), "conduct-eisa": set()}
        for model in self.grants.values():
            held[model.duty] |= model.held_days()
        assert not held["train"] & held["conduct-eisa"]


class StatusListMachine(RuleBasedStateMachine):
    """A list against a dict from index to value."""

    def __init__(self) -> None:
        super().__init__()
        self.world = fresh_world()
        self.values: dict[int, int] = {}
        self.version = 0
        self.purpose, self.bits, self.list_id = StatusPurpose.REVOCATION, 1, b""

    @initialize(
        kind=st.sampled_from(
            [
                (StatusPurpose.REVOCATION, 1),
                (StatusPurpose.SUSPENSION, 1),
                *((StatusPurpose.MESSAGE, bits) for bits in (1, 2, 4, 8)),
            ]
        )
    )
    def create(self, kind: tuple[StatusPurpose, int]) -> None:
        self.purpose, self.bits = kind
        self.list_id = self.world.create_status_list("gaa", purpose=self.purpose, bits=self.bits)

    # Few entries, at the edges of bytes and chunks, so that they meet again.
    indexes = st.sampled_from(
        sorted({*range(20), *range(1020, 1028), *range(8188, 8196), 131_071, 131_072, 2**40})
    )

    @rule(
        changes=st.dictionaries(indexes, st.integers(0, 255), min_size=0, max_size=12),
        base=st.integers(0, 9),
        is_small=st.booleans(),
    )
    def update(self, changes: dict[int, int], base: int, *, is_small: bool) -> None:
        if is_small:
            changes = {index: value % (1 << self.bits) for index, value in changes.items()}
        version = self.version if base else self.version + 1
        operation = UpdateStatusList(
            owner=self.world.did("gaa"),
            list_id=self.list_id,
            base_version=version,
            indexes=tuple(sorted(changes)),
            values=bytes(changes[index] for index in sorted(changes)),
        )
        expected = self._expect(changes, version)
        receipt = self.world.submit("gaa", operation)
        assert ReceiptCode(receipt.code) is expected
        if expected is ReceiptCode.APPLIED:
            self.values.update(changes)
            self.version += 1

    def _expect(self, changes: dict[int, int], version: int) -> ReceiptCode:
        if version != self.version:
            return ReceiptCode.STALE_VERSION
        if not changes:
            return ReceiptCode.FIELD_INVALID
        for index in sorted(changes):
            if index >= 131_072:
                return ReceiptCode.STATUS_INDEX_OUT_OF_RANGE
            if changes[index] >= 1 << self.bits:
                return ReceiptCode.STATUS_VALUE_OUT_OF_RANGE
        if self.purpose is StatusPurpose.REVOCATION and any(
            value < self.values.get(index, 0) for index, value in changes.items()
        ):
            return ReceiptCode.REVOCATION_IS_FINAL
        return ReceiptCode.APPLIED

    @invariant()
    def bits_agree(self) -> None:
        if not self.list_id:
            return
        owner = self.world.did("gaa")
        record = decode(StatusListRecord, self.world.values[status_list_key(owner, self.list_id)])
        assert record.version == self.version
        chunk_count = 131_072 * self.bits // 8 // STATUS_CHUNK_SIZE
        held = 0
        for number in range(chunk_count):
            chunk = self.world.values.get(status_chunk_key(owner, self.list_id, number))
            assert chunk is None or (len(chunk) == STATUS_CHUNK_SIZE and any(chunk))
            held = held << STATUS_CHUNK_SIZE * 8 | int.from_bytes(chunk or b"", "big")
        size = 131_072 * self.bits
        expected = 0
        for index, value in self.values.items():
            # Read as one number, the first entry is at its left end.
            expected |= value << size - (index + 1) * self.bits
        assert held == expected


TestGrants = GrantsMachine.TestCase
TestGrants.settings = SETTINGS
TestStatusLists = StatusListMachine.TestCase
TestStatusLists.settings = SETTINGS
