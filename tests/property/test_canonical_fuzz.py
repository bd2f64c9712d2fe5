# SPDX-License-Identifier: Apache-2.0
"""Mutation fuzzing of the decoders: no input crashes, none has two encodings, both paths agree.

The seeds fix the mutations, so a failure repeats; the corpus is one full value of every message.
"""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from ledger.model.codec import CODEC, Codec
from ledger.model.wire import Field, Kind, Label, encode_strict, get_message
from tests.support import wire_samples
from tests.support.strategies import cut, protocol_messages
from tests.support.wire_agreement import check_agreement
from tests.support.wire_mutations import mutate

CHANGES_MAX = 4
"""Mutations on top of each other; more only make noise that is refused at the first byte."""

TARGETS: list[tuple[type[Any], Codec]] = [
    *((spec.cls, CODEC) for spec in protocol_messages()),
    # Every kind in every place, packed lists and a oneof among other fields: one in four.
    *[(wire_samples.Everything, wire_samples.CODEC)] * (len(protocol_messages()) // 3),
]


def full_value(cls: type[Any], random: Random) -> Any:
    """A value with every field set, a random member of each oneof."""
    spec = get_message(cls)
    groups = ([f for f in spec.fields if f.name == name] for name in spec.attributes)
    return cls(*[full_attribute(random.choice(group), random) for group in groups])


def full_attribute(field: Field, random: Random) -> Any:
    if field.label is Label.REPEATED:
        count = random.randint(1, min(3, field.count_max))
        return tuple(full_element(field, random) for _ in range(count))
    return full_element(field, random)


def full_element(field: Field, random: Random) -> Any:
    match field.kind:
        case Kind.BOOL:
            return True
        case Kind.UINT32:
            return random.randint(1, 2 ** random.choice((7, 14, 32)) - 1)
        case Kind.UINT64:
            return random.randint(1, 2 ** random.choice((7, 14, 32, 64)) - 1)
        case Kind.ENUM:
            return random.choice([member for number, member in field.names.items() if number])
        case Kind.STRING:
            return cut(random.choice(("a", "é", "did:pset:za:1", "\U0001f393")), field.size_max)
        case Kind.OCTETS:
            return random.randbytes(min(field.size_max, random.randint(1, 20)))
        case Kind.MESSAGE:
            assert field.message is not None
            return full_value(field.message, random)


def fuzz(seed: int, rounds: int) -> tuple[int, int]:
    """Returns how many mutants were accepted and how many refused."""
    random = Random(seed)
    accepted = refused = 0
    for _ in range(rounds):
        cls, codec = random.choice(TARGETS)
        data = encode_strict(full_value(cls, random))
        assert check_agreement(codec, cls, data) is not None
        for _ in range(random.randint(1, CHANGES_MAX)):
            data = mutate(random, data)
            if check_agreement(codec, cls, data) is None:
                refused += 1
            else:
                accepted += 1
    return accepted, refused


@pytest.mark.parametrize("seed", range(4))
def test_mutants(seed: int) -> None:
    accepted, refused = fuzz(seed, rounds=1_000)

    # Both sides of the border were visited; otherwise the mutations have become blunt.
    assert accepted > 100
    assert refused > 1_000


@pytest.mark.long
@pytest.mark.parametrize("seed", range(100, 108))
def test_many_mutants(seed: int) -> None:
    accepted, refused = fuzz(seed, rounds=100_000)

    assert accepted > 10_000
    assert refused > 100_000
