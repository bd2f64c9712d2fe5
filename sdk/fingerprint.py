# SPDX-License-Identifier: Apache-2.0
"""A network's fingerprint in forms that people compare: hexadecimal, and eight words to read aloud.

A word is 16 bits as consonant vowel consonant vowel consonant (the *proquint* of D. S. Wilkerson,
"A Proposal for Proquints: Identifiers that are Readable, Spellable, and Pronounceable", 2009):
consonants b d f g h j k l m n p r s t v z carry 4 bits each, vowels a i o u carry 2. Eight words are
the first 128 bits of the hash: no one can make a second genesis with the same words.
"""

from __future__ import annotations

from typing import Final

from ledger.model.limits import HASH_SIZE

WORDS_COUNT: Final = 8

_CONSONANTS: Final = "bdfghjklmnprstvz"
_VOWELS: Final = "aiou"


def format_fingerprint(genesis_hash: bytes) -> str:
    """The fingerprint as 64 hexadecimal digits."""
    return genesis_hash.hex()


def parse_fingerprint(text: str) -> bytes | None:
    """The 32 bytes of a fingerprint in hexadecimal, blanks and colons ignored; None for others."""
    digits = "".join(text.split()).replace(":", "")
    try:
        value = bytes.fromhex(digits)
    except ValueError:
        return None
    return value if len(value) == HASH_SIZE else None


def fingerprint_words(genesis_hash: bytes) -> tuple[str, ...]:
    """Eight words for the first 128 bits of the fingerprint."""
    return tuple(
        _word(int.from_bytes(genesis_hash[2 * n : 2 * n + 2], "big")) for n in range(WORDS_COUNT)
    )


def _word(value: int) -> str:
    return "".join(
        (
            _CONSONANTS[value >> 12 & 15],
            _VOWELS[value >> 10 & 3],
            _CONSONANTS[value >> 6 & 15],
            _VOWELS[value >> 4 & 3],
            _CONSONANTS[value & 15],
        )
    )
