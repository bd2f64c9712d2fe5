# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import logging
from pathlib import Path

import pytest

from ledger.model.block import VoteRecord
from ledger.model.codec import encode
from ledger.model.genesis import genesis_header
from ledger.model.halt_report import verify_halt_report
from ledger.model.proofs import CertifiedHead
from ledger.node import halt
from ledger.node.errors import NodeError
from ledger.node.halt import (
    HaltWatch,
    build_halt_report,
    publish_halt_report,
    read_halt_report,
)
from tests.support.evidence_parts import liars_genesis, make_vote, sign_vote
from tests.support.node_harness import make_keys

GENESIS = liars_genesis()
HEADER = encode(genesis_header(GENESIS))


def test_a_report_is_due_once_when_something_waited_for_so_long() -> None:
    watch = HaltWatch(1_000)
    assert not watch.is_due(0, 5, is_waiting=True)
    assert watch.due_ms() == 1_000
    assert not watch.is_due(999, 5, is_waiting=True)
    assert watch.is_due(1_000, 5, is_waiting=True)
    assert watch.due_ms() is None
    assert not watch.is_due(5_000, 5, is_waiting=True), "once"


def test_a_certificate_begins_a_new_wait() -> None:
    watch = HaltWatch(1_000)
    watch.is_due(0, 5, is_waiting=True)
    assert not watch.is_due(1_000, 6, is_waiting=True)
    assert not watch.is_due(1_999, 6, is_waiting=True)
    assert watch.is_due(2_000, 6, is_waiting=True)
    assert not watch.is_due(2_001, 7, is_waiting=True)
    assert watch.is_due(3_001, 7, is_waiting=True), "the next height is reported too"


def test_an_idle_validator_reports_nothing() -> None:
    watch = HaltWatch(1_000)
    for now in range(0, 10_000, 500):
        assert not watch.is_due(now, 5, is_waiting=False)
    assert watch.due_ms() is None
    # The wait counts from when there was something to wait for.
    assert not watch.is_due(10_000, 5, is_waiting=True)
    assert watch.due_ms() == 11_000
    assert watch.is_due(11_000, 5, is_waiting=True)


def make_report(height: int = 0) -> bytes:
    vote = make_vote(GENESIS, "a", height=1)
    return build_halt_report(
        chain_id=GENESIS.chain_id,
        validator="n2",
        key=make_keys("n2").peer,
        epoch=0,
        height=height,
        head=CertifiedHead(HEADER, b""),
        vote=VoteRecord(height=1, vote=vote, signature=sign_vote(GENESIS, vote, "n2").signature),
        last_index=3,
        last_term=2,
        log_digest=bytes(32),
        time_ms=99,
    )


def test_a_published_report_convinces_who_reads_the_file(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = publish_halt_report(tmp_path, 0, make_report())
    assert path == tmp_path / "reports" / "halt-0.bin"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert "halt reported height=0" in caplog.text
    assert [record.levelno for record in caplog.records] == [logging.CRITICAL]
    report = verify_halt_report(
        read_halt_report(tmp_path),
        GENESIS.validator_set,
        chain_id=GENESIS.chain_id,
        fault_model="byzantine",
        genesis_header=HEADER,
    )
    assert (report.validator, report.last_index, report.last_term) == ("n2", 3, 2)
    assert report.time == 99


def test_a_validator_that_never_voted_reports_no_vote() -> None:
    for record in (None, VoteRecord()):
        data = build_halt_report(
            chain_id=GENESIS.chain_id,
            validator="n2",
            key=make_keys("n2").peer,
            epoch=0,
            height=0,
            head=CertifiedHead(HEADER, b""),
            vote=record,
            last_index=0,
            last_term=0,
            log_digest=b"",
            time_ms=1,
        )
        report = verify_halt_report(
            data,
            GENESIS.validator_set,
            chain_id=GENESIS.chain_id,
            fault_model="byzantine",
            genesis_header=HEADER,
        )
        assert report.vote == b""


def test_the_newest_report_is_read_and_few_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(halt, "REPORTS_COUNT_MAX", 3)
    for height in (9, 10, 11, 100):
        publish_halt_report(tmp_path, height, b"report %d" % height)
    publish_halt_report(tmp_path, 100, b"report 100 again")
    names = sorted(path.name for path in (tmp_path / "reports").iterdir())
    assert names == ["halt-10.bin", "halt-100.bin", "halt-11.bin"]
    assert read_halt_report(tmp_path) == b"report 100 again"
    (tmp_path / "reports" / "halt-200.bin").write_bytes(b"")
    (tmp_path / "reports" / "halt-x.bin").write_bytes(b"no report")
    assert read_halt_report(tmp_path) == b"report 100 again"
    assert read_halt_report(tmp_path / "elsewhere") == b""
    # After a recovery the height may be lower: what was just written is never what goes.
    assert publish_halt_report(tmp_path, 1, b"report 1").read_bytes() == b"report 1"


def test_a_directory_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "reports").write_bytes(b"a file in the way")
    with pytest.raises(NodeError) as caught:
        publish_halt_report(tmp_path, 1, b"x")
    assert caught.value.code == "STORAGE_IO"
    assert (tmp_path / "reports").read_bytes() == b"a file in the way"
