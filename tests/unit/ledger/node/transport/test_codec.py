# SPDX-License-Identifier: Apache-2.0
"""Messages of validators to bytes and back; whatever comes in, only the codec's own error comes out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consensus.types import (
    APPEND_THREAD,
    NODE_MAX,
    ConfState,
    Entry,
    EntryKind,
    Message,
    MessageKind,
    Snapshot,
)
from ledger.model.limits import (
    CERTIFICATE_SIZE_MAX,
    PROPOSAL_SIZE_MAX,
    SIGNATURE_SIZE_MAX,
    TRANSACTION_SIZE_MAX,
    VOTE_SIZE_MAX,
)
from ledger.model.receipts import ApiReason, ReceiptCode
from ledger.node.peers import (
    BLOCKS_COUNT_MAX,
    FORWARD_COUNT_MAX,
    TRAVELLING_KINDS,
    BlocksMessage,
    BlocksRequest,
    CertificateMessage,
    CertifiedBlock,
    ForwardAnswer,
    ForwardMessage,
    ForwardResult,
    PeerMessage,
    RaftMessage,
    VoteMessage,
)
from ledger.node.transport.codec import (
    CONTEXT_SIZE_MAX,
    DIGEST_SIZE_MAX,
    ENTRIES_COUNT_MAX,
    FORWARD_TEXT_SIZE_MAX,
    FRAME_MESSAGES_COUNT_MAX,
    FRAME_SIZE_MAX,
    HEAD_SIZE_MAX,
    MESSAGE_SIZE_MAX,
    RETRY_AFTER_MS_MAX,
    SNAPSHOT_DATA_SIZE_MAX,
    Frame,
    Hello,
    PeerFrameError,
    PeerMessageError,
    decode_frame,
    decode_hello,
    encode_frame,
    encode_hello,
    encode_message,
)
from psetledger.v1 import peer_pb2 as pb

HEARTBEAT = Message(MessageKind.HEARTBEAT, sender=1, recipient=2, term=3)
APPEND = Message(
    MessageKind.APPEND,
    sender=1,
    recipient=2,
    term=5,
    log_index=7,
    log_term=3,
    entries=(
        Entry(8, 3, b"block"),
        Entry(9, 5, b""),
        Entry(10, 5, b"change", EntryKind.CONF_CHANGE_V2),
    ),
    commit=6,
    chain_digest=bytes(32),
)
SNAPSHOT = Message(
    MessageKind.SNAPSHOT,
    sender=1,
    recipient=2,
    term=5,
    snapshot=Snapshot(9, 4, ConfState((1, 2, 3), (4,), (1, 2, 5), (5,), True), b"at", bytes(32)),
)

numbers = st.integers(0, 2**64 - 1)
small_numbers = st.integers(0, 40)
node_numbers = st.integers(1, NODE_MAX)
octets = st.binary(max_size=40)
members = st.lists(node_numbers, max_size=5, unique=True).map(lambda found: tuple(sorted(found)))


@st.composite
def raft_messages(draw: st.DrawFn) -> RaftMessage:
    kind = draw(st.sampled_from(sorted(TRAVELLING_KINDS)))
    term = draw(small_numbers)
    log_term = draw(st.integers(0, term))
    log_index = draw(st.integers(0, 2**60))
    entries: list[Entry] = []
    snapshot = None
    if kind is MessageKind.APPEND:
        last = log_term
        for place in range(draw(st.integers(0, 4))):
            last = draw(st.integers(last, term))
            kind_of_entry = draw(st.sampled_from(EntryKind))
            entries.append(Entry(log_index + 1 + place, last, draw(octets), kind_of_entry))
    if kind is MessageKind.SNAPSHOT:
        conf_state = ConfState(
            draw(members), draw(members), draw(members), draw(members), draw(st.booleans())
        )
        index = draw(st.integers(1, 2**64 - 1))
        snapshot = Snapshot(index, draw(numbers), conf_state, draw(octets), draw(octets))
    return RaftMessage(
        Message(
            kind,
            draw(node_numbers),
            draw(node_numbers),
            term,
            log_index,
            log_term,
            tuple(entries),
            draw(numbers),
            snapshot=snapshot,
            rejected=draw(st.booleans()),
            reject_hint=draw(numbers),
            context=draw(octets),
            chain_digest=draw(octets),
        )
    )


def lists(items: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(items, max_size=5).map(tuple)


codes = st.one_of(st.none(), st.sampled_from(ReceiptCode), st.sampled_from(ApiReason))
results = st.builds(
    ForwardResult,
    st.binary(max_size=32),
    codes,
    st.text(max_size=20),
    st.integers(0, RETRY_AFTER_MS_MAX),
)
heights = st.tuples(numbers, numbers).map(sorted)
messages: st.SearchStrategy[PeerMessage] = st.one_of(
    raft_messages(),
    st.builds(VoteMessage, octets, octets),
    st.builds(CertificateMessage, octets),
    st.builds(ForwardMessage, lists(octets)),
    st.builds(ForwardAnswer, lists(results)),
    heights.map(lambda found: BlocksRequest(*found)),
    st.builds(BlocksMessage, numbers, lists(st.builds(CertifiedBlock, octets, octets))),
)


@given(st.lists(messages, max_size=6))
def test_what_was_sent_is_received(sent: list[PeerMessage]) -> None:
    frame = encode_frame([encode_message(message) for message in sent])
    assert decode_frame(frame) == Frame(tuple(sent))


@given(st.binary(max_size=200))
def test_any_bytes_are_a_frame_or_refused(data: bytes) -> None:
    for decode in (decode_frame, decode_hello):
        try:
            decode(data)
        except PeerFrameError:
            continue


@given(messages, st.data())
def test_damaged_bytes_are_a_frame_or_refused(message: PeerMessage, data: st.DataObject) -> None:
    inner = bytearray(encode_message(message))
    for _ in range(data.draw(st.integers(1, 3))):
        if inner:
            place = data.draw(st.integers(0, len(inner) - 1))
            inner[place] = data.draw(st.integers(0, 255))
    try:
        found = decode_frame(encode_frame([bytes(inner)]))
    except PeerFrameError:
        return
    for decoded in found.messages:
        assert decode_frame(encode_frame([encode_message(decoded)])).messages == (decoded,)


@given(
    st.builds(
        pb.PeerRaft,
        kind=st.integers(0, 45),
        sender=numbers,
        recipient=numbers,
        term=small_numbers,
        log_index=small_numbers,
        log_term=small_numbers,
        commit=numbers,
        entries=st.lists(
            st.builds(
                pb.PeerEntry, index=small_numbers, term=small_numbers, kind=st.integers(0, 4)
            ),
            max_size=3,
        ),
        snapshot=st.one_of(
            st.none(),
            st.builds(
                pb.PeerSnapshot,
                index=small_numbers,
                conf_state=st.builds(pb.PeerConfState, voters=st.lists(numbers, max_size=3)),
            ),
        ),
    )
)
def test_any_raft_message_is_taken_or_refused(content: pb.PeerRaft) -> None:
    """What is taken keeps what the core relies on."""
    try:
        frame = decode_frame(encode_frame([pb.PeerMessage(raft=content).SerializeToString()]))
    except PeerFrameError:
        return
    (received,) = frame.messages
    assert isinstance(received, RaftMessage)
    message = received.message
    assert message.kind in TRAVELLING_KINDS
    assert 0 < message.sender <= NODE_MAX
    assert [entry.index for entry in message.entries] == [
        message.log_index + 1 + place for place in range(len(message.entries))
    ]
    assert (message.snapshot is not None) == (message.kind is MessageKind.SNAPSHOT)


def test_an_unknown_kind_is_passed_over() -> None:
    """Field 90 of PeerMessage: what a later version might send."""
    unknown = bytes([(90 << 3 | 2) & 0x7F | 0x80, (90 << 3 | 2) >> 7, 2]) + b"ab"
    known = encode_message(VoteMessage(b"vote", b"signature"))
    frame = decode_frame(encode_frame([unknown, known, b""]))
    assert frame == Frame((VoteMessage(b"vote", b"signature"),), unknown_count=2)


def test_an_unknown_code_is_a_refusal() -> None:
    result = pb.PeerForwardResult(transaction_id=bytes(32), code="OF_A_LATER_VERSION", text="why")
    content = pb.PeerMessage(forward_answer=pb.PeerForwardAnswer(results=[result]))
    (message,) = decode_frame(encode_frame([content.SerializeToString()])).messages
    assert message == ForwardAnswer((ForwardResult(bytes(32), ApiReason.INTERNAL, "why"),))


def test_a_hello_is_the_first_frame_and_no_other() -> None:
    hello = Hello(1, "test:0123456789abcdef", "n1")
    assert decode_hello(encode_hello(hello)) == hello
    with pytest.raises(PeerFrameError):
        decode_frame(encode_hello(hello))
    for frame in (b"", encode_frame([b""]), encode_hello(hello) + encode_frame([b""])):
        with pytest.raises(PeerFrameError):
            decode_hello(frame)
    for long in (replace(hello, chain_id="c" * 41), replace(hello, sender="n" * 65)):
        with pytest.raises(PeerFrameError):
            decode_hello(encode_hello(long))


def append_of(*entries: Entry) -> RaftMessage:
    return RaftMessage(replace(APPEND, entries=entries))


def read_of(*entries: Entry) -> RaftMessage:
    kind = MessageKind.READ_INDEX
    return RaftMessage(Message(kind, sender=1, recipient=2, entries=entries))


def heartbeat(**values: Any) -> RaftMessage:
    return RaftMessage(replace(HEARTBEAT, **values))


def snapshot(**values: Any) -> RaftMessage:
    assert SNAPSHOT.snapshot is not None
    return RaftMessage(replace(SNAPSHOT, snapshot=replace(SNAPSHOT.snapshot, **values)))


@pytest.mark.parametrize(
    ("allowed", "refused"),
    [
        (
            heartbeat(context=bytes(CONTEXT_SIZE_MAX)),
            heartbeat(context=bytes(CONTEXT_SIZE_MAX + 1)),
        ),
        (
            heartbeat(chain_digest=bytes(DIGEST_SIZE_MAX)),
            heartbeat(chain_digest=bytes(DIGEST_SIZE_MAX + 1)),
        ),
        (heartbeat(sender=NODE_MAX), heartbeat(sender=0)),
        (heartbeat(), heartbeat(recipient=APPEND_THREAD)),
        (heartbeat(), heartbeat(entries=APPEND.entries)),
        (heartbeat(), heartbeat(vote=1)),
        (read_of(Entry(0, 0, b"c")), read_of(Entry(0, 0, b"c"), Entry(0, 0, b"d"))),
        (read_of(Entry(0, 0, b"c")), read_of(Entry(1, 0, b"c"))),
        (read_of(Entry(0, 0, b"c")), read_of(Entry(0, 1, b"c"))),
        (
            read_of(Entry(0, 0, bytes(CONTEXT_SIZE_MAX))),
            read_of(Entry(0, 0, bytes(CONTEXT_SIZE_MAX + 1))),
        ),
        (heartbeat(), heartbeat(responses=(HEARTBEAT,))),
        (heartbeat(), heartbeat(snapshot=SNAPSHOT.snapshot)),
        (heartbeat(), RaftMessage(replace(SNAPSHOT, snapshot=None))),
        *[(heartbeat(), heartbeat(kind=kind)) for kind in set(MessageKind) - TRAVELLING_KINDS],
        (heartbeat(), heartbeat(term=-1)),
        (heartbeat(commit=2**64 - 1), heartbeat(commit=2**64)),
        (append_of(*APPEND.entries), append_of(Entry(9, 5, b""))),
        (append_of(), append_of(Entry(8, 5, b""), Entry(10, 5, b""))),
        (append_of(Entry(8, 3, b"")), append_of(Entry(8, 2, b""))),
        (append_of(Entry(8, 5, b"")), append_of(Entry(8, 6, b""))),
        (
            append_of(Entry(8, 5, bytes(PROPOSAL_SIZE_MAX))),
            append_of(Entry(8, 5, bytes(PROPOSAL_SIZE_MAX + 1))),
        ),
        (
            append_of(*[Entry(8 + n, 5, b"") for n in range(ENTRIES_COUNT_MAX)]),
            append_of(*[Entry(8 + n, 5, b"") for n in range(ENTRIES_COUNT_MAX + 1)]),
        ),
        (RaftMessage(SNAPSHOT), snapshot(index=0)),
        (
            snapshot(data=bytes(SNAPSHOT_DATA_SIZE_MAX)),
            snapshot(data=bytes(SNAPSHOT_DATA_SIZE_MAX + 1)),
        ),
        (
            snapshot(chain_digest=bytes(DIGEST_SIZE_MAX)),
            snapshot(chain_digest=bytes(DIGEST_SIZE_MAX + 1)),
        ),
        (RaftMessage(SNAPSHOT), snapshot(conf_state=ConfState((2, 1)))),
        (RaftMessage(SNAPSHOT), snapshot(conf_state=ConfState(learners=(0,)))),
        (
            snapshot(conf_state=ConfState(tuple(range(1, 257)))),
            snapshot(conf_state=ConfState(tuple(range(1, 258)))),
        ),
        (VoteMessage(bytes(VOTE_SIZE_MAX), b""), VoteMessage(bytes(VOTE_SIZE_MAX + 1), b"")),
        (
            VoteMessage(b"", bytes(SIGNATURE_SIZE_MAX)),
            VoteMessage(b"", bytes(SIGNATURE_SIZE_MAX + 1)),
        ),
        (CertificateMessage(bytes(HEAD_SIZE_MAX)), CertificateMessage(bytes(HEAD_SIZE_MAX + 1))),
        (
            ForwardMessage((bytes(TRANSACTION_SIZE_MAX),)),
            ForwardMessage((bytes(TRANSACTION_SIZE_MAX + 1),)),
        ),
        (
            ForwardMessage((b"",) * FORWARD_COUNT_MAX),
            ForwardMessage((b"",) * (FORWARD_COUNT_MAX + 1)),
        ),
        (
            ForwardMessage((bytes(TRANSACTION_SIZE_MAX),) * 31),
            ForwardMessage((bytes(TRANSACTION_SIZE_MAX),) * 32),
        ),
        (
            ForwardAnswer((ForwardResult(bytes(32)),) * FORWARD_COUNT_MAX),
            ForwardAnswer((ForwardResult(bytes(32)),) * (FORWARD_COUNT_MAX + 1)),
        ),
        (
            ForwardAnswer((ForwardResult(bytes(32)),)),
            ForwardAnswer((ForwardResult(bytes(33)),)),
        ),
        (
            ForwardAnswer((ForwardResult(b"", None, ""),)),
            ForwardAnswer((ForwardResult(b"", None, "\ud800"),)),
        ),
        (BlocksRequest(5, 5), BlocksRequest(5, 4)),
        (
            BlocksMessage(1, (CertifiedBlock(bytes(PROPOSAL_SIZE_MAX), b""),)),
            BlocksMessage(1, (CertifiedBlock(bytes(PROPOSAL_SIZE_MAX + 1), b""),)),
        ),
        (
            BlocksMessage(1, (CertifiedBlock(b"", bytes(CERTIFICATE_SIZE_MAX)),)),
            BlocksMessage(1, (CertifiedBlock(b"", bytes(CERTIFICATE_SIZE_MAX + 1)),)),
        ),
        (
            BlocksMessage(1, (CertifiedBlock(b"", b""),) * BLOCKS_COUNT_MAX),
            BlocksMessage(1, (CertifiedBlock(b"", b""),) * (BLOCKS_COUNT_MAX + 1)),
        ),
    ],
    ids=lambda message: type(message).__name__,
)
def test_limits(allowed: PeerMessage, refused: PeerMessage) -> None:
    """What is at the limit travels; one more is not sent."""
    assert decode_frame(encode_frame([encode_message(allowed)])).messages == (allowed,)
    with pytest.raises(PeerMessageError, match=type(refused).__name__):
        encode_message(refused)


@pytest.mark.parametrize(
    "content",
    [
        pb.PeerMessage(vote=pb.PeerVote(vote=bytes(VOTE_SIZE_MAX + 1))),
        pb.PeerMessage(certificate=pb.PeerCertificate(head=bytes(HEAD_SIZE_MAX + 1))),
        pb.PeerMessage(forward=pb.PeerForward(transactions=[b""] * (FORWARD_COUNT_MAX + 1))),
        pb.PeerMessage(
            forward_answer=pb.PeerForwardAnswer(
                results=[pb.PeerForwardResult(text="t" * (FORWARD_TEXT_SIZE_MAX + 1))]
            )
        ),
        pb.PeerMessage(
            forward_answer=pb.PeerForwardAnswer(results=[pb.PeerForwardResult(code="C" * 65)])
        ),
        pb.PeerMessage(blocks_request=pb.PeerBlocksRequest(first_height=2, last_height=1)),
        pb.PeerMessage(
            blocks=pb.PeerBlocks(blocks=[pb.PeerCertifiedBlock()] * (BLOCKS_COUNT_MAX + 1))
        ),
        pb.PeerMessage(raft=pb.PeerRaft(kind=MessageKind.HUP, sender=1, recipient=2)),
        pb.PeerMessage(raft=pb.PeerRaft(kind=MessageKind.HEARTBEAT, recipient=2)),
        pb.PeerMessage(
            raft=pb.PeerRaft(
                kind=MessageKind.APPEND,
                sender=1,
                recipient=2,
                entries=[pb.PeerEntry(index=1, kind=3)],
            )
        ),
    ],
    ids=lambda content: str(content.WhichOneof("content")),
)
def test_limits_hold_for_what_comes_in(content: pb.PeerMessage) -> None:
    with pytest.raises(PeerFrameError):
        decode_frame(encode_frame([content.SerializeToString()]))


def test_long_texts_are_cut_and_long_waits_shortened() -> None:
    result = ForwardResult(b"", ReceiptCode.OVERLOADED, "é" * 2000, 2**40)
    (message,) = decode_frame(encode_frame([encode_message(ForwardAnswer((result,)))])).messages
    assert message == ForwardAnswer(
        (replace(result, text="é" * FORWARD_TEXT_SIZE_MAX, retry_after_ms=RETRY_AFTER_MS_MAX),)
    )


def test_frames_are_bounded() -> None:
    most = encode_frame([b""] * FRAME_MESSAGES_COUNT_MAX)
    assert decode_frame(most).unknown_count == FRAME_MESSAGES_COUNT_MAX
    with pytest.raises(PeerFrameError, match="messages"):
        decode_frame(encode_frame([b""] * (FRAME_MESSAGES_COUNT_MAX + 1)))
    with pytest.raises(PeerFrameError, match="bytes"):
        decode_frame(bytes(FRAME_SIZE_MAX + 1))
    assert len(encode_frame([bytes(MESSAGE_SIZE_MAX)])) <= FRAME_SIZE_MAX
