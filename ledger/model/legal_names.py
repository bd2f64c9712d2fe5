# SPDX-License-Identifier: Apache-2.0
"""Legal names as they are compared: one organisation, one name.

Reports show a reader the legal name, so two that look alike must not belong to two bodies. A name is
folded to a-z and 0-9: case, marks, blanks and punctuation fall away, `&` is `and`, the digit 0 is the
letter it passes for, I, l and 1 are one, and so are m and rn, w and vv. A name needs two letters, or nothing is
left to compare. The table is written out, because the tables of character
properties differ between Python versions, and nodes must not.
"""

from __future__ import annotations

from typing import Final

LETTERS_COUNT_MIN: Final = 2

_LATIN: Final = (
    "aaaaaa-ceeeeiiiidnooooo-ouuuuy--aaaaaa-ceeeeiiiidnooooo-ouuuuy-y"
    "aaaaaaccccccccddddeeeeeeeeeegggggggghhhhiiiiiiiiii--jjkkklllllll"
    "lllnnnnnnnnnoooooo--rrrrrrssssssssttttttuuuuuuuuuuuuwwyyyzzzzzzs"
)
"""Base letters of U+00C0 to U+017F; a hyphen for what is no letter or folds to two."""
_LATIN_ADDITIONAL: Final = (
    "aabbbbbbccddddddddddeeeeeeeeeeffgghhhhhhhhhhiiiikkkkkkllllllllmm"
    "mmmmnnnnnnnnoooooooopppprrrrrrrrssssssssssttttttttuuuuuuuuuuvvvv"
    "wwwwwwwwwwxxxxyyzzzzzzhtwyasss-daaaaaaaaaaaaaaaaaaaaaaaaeeeeeeee"
    "eeeeeeeeiiiioooooooooooooooooooooooouuuuuuuuuuuuuuyyyyyyyy--vvyy"
)
"""Base letters of U+1E00 to U+1EFF, in the same way."""
_PAIRS: Final = {
    "&": "and",
    "\u00c6": "ae",
    "\u00de": "th",
    "\u00df": "ss",
    "\u00e6": "ae",
    "\u00fe": "th",
    "\u0132": "ij",
    "\u0133": "ij",
    "\u0152": "oe",
    "\u0153": "oe",
    "\u1e9e": "ss",
    "\u1efa": "ll",
    "\u1efb": "ll",
}


def _make_table() -> dict[str, str]:
    table = {letter: letter for letter in "abcdefghijklmnopqrstuvwxyz23456789"}
    table.update({letter.upper(): letter for letter in "abcdefghijklmnopqrstuvwxyz"})
    table.update({"0": "o", "1": "l"})
    for first, letters in ((0xC0, _LATIN), (0x1E00, _LATIN_ADDITIONAL)):
        for offset, letter in enumerate(letters):
            if letter != "-":
                table[chr(first + offset)] = letter
    table.update(_PAIRS)
    return table


_TABLE: Final = _make_table()


def fold_name(name: str) -> str:
    """A legal name of which `personal_data.is_name_allowed` approved, as it is compared."""
    letters = "".join(_TABLE.get(character, "") for character in name)
    return letters.replace("i", "l").replace("rn", "m").replace("vv", "w")


def has_letters(name: str) -> bool:
    """Whether enough of a name is letters to tell it from others."""
    letters = (_TABLE.get(character, "") for character in name if not "0" <= character <= "9")
    return sum(map(len, letters)) >= LETTERS_COUNT_MIN
