# SPDX-License-Identifier: Apache-2.0
"""From messages of validators to frames of bytes and back.

Rules of this file:
- Whatever bytes come in, the only exception that leaves is PeerFrameError; what comes out keeps the
  limits below. Content is not judged here: signatures, heights and terms are the driver's.
- A kind of message that is not known is passed over, so that a newer validator may send it.
- A message that this file would not take in is not sent either (PeerMessageError).
- What only concerns one node (`Message.vote`, `responses`, local kinds) does not travel.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

from google.protobuf.message import DecodeError

from consensus.types import (
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
    CHAIN_ID_SIZE_MAX,
    HASH_SIZE,
    HEADER_SIZE_MAX,
    NAME_SIZE_MAX,
    PROPOSAL_SIZE_MAX,
    SIGNATURE_SIZE_MAX,
    TRANSACTION_SIZE_MAX,
    VALIDATORS_COUNT_MAX,
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
from psetledger.v1 import peer_pb2 as pb

PEER_VERSION: Final = 1
"""Of the messages between validators. Raised when an old validator could misunderstand a new one."""
MESSAGE_SIZE_MAX: Final = 8 * 1024 * 1024
"""Bytes of one message: a block of the largest size, and room."""
FRAME_FILL_SIZE: Final = 512 * 1024
"""Messages share a frame up to so many bytes; a larger one has a frame of its own."""
FRAME_MESSAGES_COUNT_MAX: Final = 256
FRAME_SIZE_MAX: Final = MESSAGE_SIZE_MAX + 4096
ENTRIES_COUNT_MAX: Final = 16_384
"""Entries in one append."""
CONTEXT_SIZE_MAX: Final = HEADER_SIZE_MAX + CERTIFICATE_SIZE_MAX + 256
"""Bytes of the context of a Raft message; a certified head fits."""
SNAPSHOT_DATA_SIZE_MAX: Final = 64 * 1024
DIGEST_SIZE_MAX: Final = 64
HEAD_SIZE_MAX: Final = HEADER_SIZE_MAX + CERTIFICATE_SIZE_MAX + 64
REASON_SIZE_MAX: Final = 64
"""Bytes of the name of a code."""
FORWARD_TEXT_SIZE_MAX: Final = 1024
"""Characters of the text of a refusal; longer ones are cut off."""
RETRY_AFTER_MS_MAX: Final = 2**32 - 1

_READS: Final = (MessageKind.READ_INDEX, MessageKind.READ_INDEX_RESPONSE)
_KINDS_BY_NUMBER: Final = {int(kind): kind for kind in TRAVELLING_KINDS}
_ENTRY_KINDS_BY_NUMBER: Final = {int(kind): kind for kind in EntryKind}
_MEMBERS_COUNT_MAX: Final = 2 * VALIDATORS_COUNT_MAX
"""Of one list of a configuration: while one set of validators takes over from another."""
_CODES_BY_NAME: Final[dict[str, ReceiptCode | ApiReason]] = {
    **{code.name: code for code in ReceiptCode},
    **{reason.value: reason for reason in ApiReason},
}


class PeerFrameError(ValueError):
    """Bytes of a peer that are no frame, or not within the limits. The peer is at fault."""


class PeerMessageError(ValueError):
    """A message of this node that cannot be sent: this node is at fault."""


@dataclass(frozen=True, slots=True)
class Hello:
    """How a stream begins: who sends, and in which language."""

    version: int
    chain_id: str
    sender: str


@dataclass(frozen=True, slots=True)
class Frame:
    """The messages of a frame in their order, and how many more were of an unknown kind."""

    messages: tuple[PeerMessage, ...]
    unknown_count: int = 0


# Out ----------------------------------------------------------------------------------------------


def encode_hello(hello: Hello) -> bytes:
    """The first frame of a stream."""
    content = pb.PeerHello(version=hello.version, chain_id=hello.chain_id, sender=hello.sender)
    return pb.PeerFrame(hello=content).SerializeToString()


def encode_message(message: PeerMessage) -> bytes:
    """A message for `encode_frame`. Raises PeerMessageError: it must not or cannot travel."""
    try:
        content = _to_stub(message)
        _check(content)
        data = content.SerializeToString()
    except (PeerFrameError, ValueError, TypeError) as error:
        raise PeerMessageError(f"a {type(message).__name__} cannot travel: {error}") from error
    if len(data) > MESSAGE_SIZE_MAX:
        raise PeerMessageError(
            f"a {type(message).__name__} of {len(data)} bytes is larger than {MESSAGE_SIZE_MAX}"
        )
    return data


def encode_frame(messages: Sequence[bytes]) -> bytes:
    """Encoded messages in one frame; the caller keeps FRAME_FILL_SIZE and the count."""
    return pb.PeerFrame(messages=messages).SerializeToString()


def encode_end() -> bytes:
    """The answer to a stream that its sender ended in order."""
    return pb.PeerEnd().SerializeToString()


def _to_stub(message: PeerMessage) -> pb.PeerMessage:
    match message:
        case RaftMessage():
            return pb.PeerMessage(raft=_raft_to_stub(message.message))
        case VoteMessage():
            return pb.PeerMessage(vote=pb.PeerVote(vote=message.vote, signature=message.signature))
        case CertificateMessage():
            return pb.PeerMessage(certificate=pb.PeerCertificate(head=message.head))
        case ForwardMessage():
            return pb.PeerMessage(forward=pb.PeerForward(transactions=message.transactions))
        case ForwardAnswer():
            results = [_result_to_stub(result) for result in message.results]
            return pb.PeerMessage(forward_answer=pb.PeerForwardAnswer(results=results))
        case BlocksRequest():
            return pb.PeerMessage(
                blocks_request=pb.PeerBlocksRequest(
                    first_height=message.first_height, last_height=message.last_height
                )
            )
        case BlocksMessage():
            blocks = [
                pb.PeerCertifiedBlock(proposal=block.proposal, certificate=block.certificate)
                for block in message.blocks
            ]
            return pb.PeerMessage(
                blocks=pb.PeerBlocks(first_height=message.first_height, blocks=blocks)
            )


def _raft_to_stub(message: Message) -> pb.PeerRaft:
    if message.responses or message.vote:
        raise PeerFrameError(f"a {message.kind.name} for one node only")
    content = pb.PeerRaft(
        kind=message.kind,
        sender=message.sender,
        recipient=message.recipient,
        term=message.term,
        log_index=message.log_index,
        log_term=message.log_term,
        commit=message.commit,
        rejected=message.rejected,
        reject_hint=message.reject_hint,
        context=message.context,
        chain_digest=message.chain_digest,
    )
    for entry in message.entries:
        content.entries.add(index=entry.index, term=entry.term, kind=entry.kind, data=entry.data)
    snapshot = message.snapshot
    if snapshot is not None:
        members = snapshot.conf_state
        content.snapshot.CopyFrom(
            pb.PeerSnapshot(
                index=snapshot.index,
                term=snapshot.term,
                conf_state=pb.PeerConfState(
                    voters=members.voters,
                    learners=members.learners,
                    voters_outgoing=members.voters_outgoing,
                    learners_next=members.learners_next,
                    auto_leave=members.auto_leave,
                ),
                data=snapshot.data,
                chain_digest=snapshot.chain_digest,
            )
        )
    return content


def _result_to_stub(result: ForwardResult) -> pb.PeerForwardResult:
    code = result.code
    return pb.PeerForwardResult(
        transaction_id=result.transaction_id,
        code="" if code is None else code.name if isinstance(code, ReceiptCode) else code.value,
        text=result.text[:FORWARD_TEXT_SIZE_MAX],
        retry_after_ms=min(result.retry_after_ms, RETRY_AFTER_MS_MAX),
    )


# In -----------------------------------------------------------------------------------------------


def decode_hello(data: bytes) -> Hello:
    """The first frame of a stream. Raises PeerFrameError: it is another."""
    frame = _parse_frame(data)
    hello = frame.hello
    if not frame.HasField("hello") or frame.messages:
        raise PeerFrameError("the first frame is no hello")
    if len(hello.chain_id) > CHAIN_ID_SIZE_MAX or len(hello.sender) > NAME_SIZE_MAX:
        raise PeerFrameError("a name in the hello is too long")
    return Hello(hello.version, hello.chain_id, hello.sender)


def decode_frame(data: bytes) -> Frame:
    """A frame after the first. Raises PeerFrameError, and then nothing of the frame counts."""
    frame = _parse_frame(data)
    if frame.HasField("hello"):
        raise PeerFrameError("a second hello")
    if len(frame.messages) > FRAME_MESSAGES_COUNT_MAX:
        raise PeerFrameError(f"more than {FRAME_MESSAGES_COUNT_MAX} messages")
    messages: list[PeerMessage] = []
    unknown_count = 0
    for item in frame.messages:
        try:
            content = pb.PeerMessage.FromString(item)
        except DecodeError:
            raise PeerFrameError("no message of a peer") from None
        kind = _check(content)
        if kind is None:
            unknown_count += 1
        else:
            messages.append(_READERS[kind](getattr(content, kind)))
    return Frame(tuple(messages), unknown_count)


def _parse_frame(data: bytes) -> pb.PeerFrame:
    if len(data) > FRAME_SIZE_MAX:
        raise PeerFrameError(f"more than {FRAME_SIZE_MAX} bytes")
    try:
        return pb.PeerFrame.FromString(data)
    except DecodeError:
        raise PeerFrameError("no frame") from None


def _read_raft(content: pb.PeerRaft) -> RaftMessage:
    snapshot = _read_snapshot(content.snapshot) if content.HasField("snapshot") else None
    return RaftMessage(
        Message(
            kind=_KINDS_BY_NUMBER[content.kind],
            sender=content.sender,
            recipient=content.recipient,
            term=content.term,
            log_index=content.log_index,
            log_term=content.log_term,
            entries=tuple(
                [
                    Entry(entry.index, entry.term, entry.data, _ENTRY_KINDS_BY_NUMBER[entry.kind])
                    for entry in content.entries
                ]
            ),
            commit=content.commit,
            snapshot=snapshot,
            rejected=content.rejected,
            reject_hint=content.reject_hint,
            context=content.context,
            chain_digest=content.chain_digest,
        )
    )


def _read_snapshot(content: pb.PeerSnapshot) -> Snapshot:
    members = content.conf_state
    return Snapshot(
        index=content.index,
        term=content.term,
        conf_state=ConfState(
            voters=tuple(members.voters),
            learners=tuple(members.learners),
            voters_outgoing=tuple(members.voters_outgoing),
            learners_next=tuple(members.learners_next),
            auto_leave=members.auto_leave,
        ),
        data=content.data,
        chain_digest=content.chain_digest,
    )


def _read_result(content: pb.PeerForwardResult) -> ForwardResult:
    # A name of a later version is a refusal all the same; the text says which.
    code = _CODES_BY_NAME.get(content.code, ApiReason.INTERNAL) if content.code else None
    return ForwardResult(content.transaction_id, code, content.text, content.retry_after_ms)


_READERS: Final[dict[str, Callable[[Any], PeerMessage]]] = {
    "raft": _read_raft,
    "vote": lambda content: VoteMessage(content.vote, content.signature),
    "certificate": lambda content: CertificateMessage(content.head),
    "forward": lambda content: ForwardMessage(tuple(content.transactions)),
    "forward_answer": lambda content: ForwardAnswer(
        tuple([_read_result(result) for result in content.results])
    ),
    "blocks_request": lambda content: BlocksRequest(content.first_height, content.last_height),
    "blocks": lambda content: BlocksMessage(
        content.first_height,
        tuple([CertifiedBlock(block.proposal, block.certificate) for block in content.blocks]),
    ),
}


# Limits, the same for what leaves and for what comes ----------------------------------------------


def _check(content: pb.PeerMessage) -> str | None:
    """The kind of a message, None if unknown. Raises PeerFrameError: it is above a limit."""
    # With field presence only in the oneof, at most one is set.
    kind = cast("str | None", content.WhichOneof("content"))
    if kind is not None:
        _CHECKS[kind](getattr(content, kind))
    return kind


def _check_raft(content: pb.PeerRaft) -> None:
    kind = _KINDS_BY_NUMBER.get(content.kind)
    if kind is None:
        raise PeerFrameError(f"kind {content.kind} does not travel")
    if not (0 < content.sender <= NODE_MAX and 0 < content.recipient <= NODE_MAX):
        raise PeerFrameError("a number of no node")
    _check_size("context", content.context, CONTEXT_SIZE_MAX)
    _check_size("chain digest", content.chain_digest, DIGEST_SIZE_MAX)
    if content.entries:
        _check_entries(kind, content)
    if content.HasField("snapshot") != (kind is MessageKind.SNAPSHOT):
        raise PeerFrameError("a SNAPSHOT has a snapshot, others none")
    if kind is MessageKind.SNAPSHOT:
        _check_snapshot(content.snapshot)


def _check_entries(kind: MessageKind, content: pb.PeerRaft) -> None:
    if kind in _READS:
        # The question's context, in place of an entry.
        [*others, entry] = content.entries
        if others or entry.index or entry.term or entry.kind:
            raise PeerFrameError("a read that is not one context")
        _check_size("context", entry.data, CONTEXT_SIZE_MAX)
        return
    if kind is not MessageKind.APPEND:
        raise PeerFrameError(f"a {kind.name} has no entries")
    _check_count("entries", content.entries, ENTRIES_COUNT_MAX)
    index, term = content.log_index, content.log_term
    for entry in content.entries:
        index += 1
        if entry.index != index or not term <= entry.term <= content.term:
            raise PeerFrameError("entries that do not follow one another")
        term = entry.term
        if entry.kind not in _ENTRY_KINDS_BY_NUMBER:
            raise PeerFrameError(f"an entry of kind {entry.kind}")
        _check_size("entry", entry.data, PROPOSAL_SIZE_MAX)


def _check_snapshot(snapshot: pb.PeerSnapshot) -> None:
    _check_size("snapshot", snapshot.data, SNAPSHOT_DATA_SIZE_MAX)
    _check_size("chain digest", snapshot.chain_digest, DIGEST_SIZE_MAX)
    if not snapshot.index:
        raise PeerFrameError("a snapshot of nothing")
    members = snapshot.conf_state
    for numbers in (
        members.voters,
        members.learners,
        members.voters_outgoing,
        members.learners_next,
    ):
        _check_count("members", numbers, _MEMBERS_COUNT_MAX)
        previous = 0
        for number in numbers:
            if not previous < number <= NODE_MAX:
                raise PeerFrameError("members that are no ascending numbers of nodes")
            previous = number


def _check_vote(content: pb.PeerVote) -> None:
    _check_size("vote", content.vote, VOTE_SIZE_MAX)
    _check_size("signature", content.signature, SIGNATURE_SIZE_MAX)


def _check_forward(content: pb.PeerForward) -> None:
    _check_count("transactions", content.transactions, FORWARD_COUNT_MAX)
    for transaction in content.transactions:
        _check_size("transaction", transaction, TRANSACTION_SIZE_MAX)


def _check_forward_answer(content: pb.PeerForwardAnswer) -> None:
    _check_count("results", content.results, FORWARD_COUNT_MAX)
    for result in content.results:
        _check_size("transaction id", result.transaction_id, HASH_SIZE)
        if len(result.code) > REASON_SIZE_MAX or len(result.text) > FORWARD_TEXT_SIZE_MAX:
            raise PeerFrameError("a code or text that is too long")


def _check_blocks_request(content: pb.PeerBlocksRequest) -> None:
    if content.last_height < content.first_height:
        raise PeerFrameError("a request for no block")


def _check_blocks(content: pb.PeerBlocks) -> None:
    _check_count("blocks", content.blocks, BLOCKS_COUNT_MAX)
    for block in content.blocks:
        _check_size("proposal", block.proposal, PROPOSAL_SIZE_MAX)
        _check_size("certificate", block.certificate, CERTIFICATE_SIZE_MAX)


def _check_size(name: str, data: bytes, size_max: int) -> None:
    if len(data) > size_max:
        raise PeerFrameError(f"a {name} of {len(data)} bytes; {size_max} are allowed")


def _check_count(name: str, items: Sequence[object], count_max: int) -> None:
    if len(items) > count_max:
        raise PeerFrameError(f"{len(items)} {name}; {count_max} are allowed")


_CHECKS: Final[dict[str, Callable[[Any], None]]] = {
    "raft": _check_raft,
    "vote": _check_vote,
    "certificate": lambda content: _check_size("head", content.head, HEAD_SIZE_MAX),
    "forward": _check_forward,
    "forward_answer": _check_forward_answer,
    "blocks_request": _check_blocks_request,
    "blocks": _check_blocks,
}
