# SPDX-License-Identifier: Apache-2.0
"""Every way to change one field of a message a little: the forger's first tries."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar

from ledger.model.block import BlockHeader, QuorumCertificate, Vote
from ledger.model.codec import decode, encode
from ledger.model.proofs import CertifiedHead
from ledger.model.wire import EncodingError

_T = TypeVar("_T")


def mutations(message: _T) -> Iterator[_T]:
    """All messages of this class that differ in one field, at any depth."""
    for bent in _mutations(message):
        if bent is not None and bent != message:
            yield bent


def head_mutations(head: CertifiedHead) -> Iterator[CertifiedHead]:
    """Mutations inside the bytes of a head: its header, its certificate and the vote in that."""
    certificate = decode(QuorumCertificate, head.certificate)
    for header in encoded_mutations(decode(BlockHeader, head.header)):
        yield replace(head, header=header)
    for changed in encoded_mutations(certificate):
        yield replace(head, certificate=changed)
    for vote in encoded_mutations(decode(Vote, certificate.vote)):
        yield replace(head, certificate=encode(replace(certificate, vote=vote)))


def encoded_mutations(message: object) -> Iterator[bytes]:
    """The mutations of a message that have bytes at all."""
    for bent in mutations(message):
        try:
            yield encode(bent)
        except EncodingError:
            continue  # beyond a limit: there are no such bytes


def _mutations(value: Any) -> Iterator[Any]:
    if is_dataclass(value) and not isinstance(value, type):
        for field in fields(value):
            for bent in _mutations(getattr(value, field.name)):
                yield replace(value, **{field.name: bent})
        yield None
        return
    for kind, mutate in _BY_KIND:
        if isinstance(value, kind):
            yield from mutate(value)
            return


def _bytes(value: bytes) -> Iterator[bytes]:
    yield value + b"\x00"
    if value:
        yield value[:-1]
        yield b""
        for at in {0, len(value) // 2, len(value) - 1}:
            yield value[:at] + bytes([value[at] ^ 1]) + value[at + 1 :]


def _text(value: str) -> Iterator[str]:
    yield value + "x"
    yield value[:-1]
    yield ""


def _number(value: int) -> Iterator[int]:
    yield value + 1
    if value:
        yield value - 1


def _list(value: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    yield ()
    yield value[::-1]
    for at, element in enumerate(value):
        yield value[:at] + value[at + 1 :]
        yield (*value[: at + 1], *value[at:])
        for bent in _mutations(element):
            if bent is not None:
                yield (*value[:at], bent, *value[at + 1 :])


_BY_KIND: tuple[tuple[type, Callable[[Any], Iterator[Any]]], ...] = (
    (bytes, _bytes),
    (str, _text),
    (int, _number),
    (tuple, _list),
)
