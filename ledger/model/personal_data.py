# SPDX-License-Identifier: Apache-2.0
"""No person on the ledger: what texts may hold, and what gives a person away.

Two lines of defence, run by the SDK before sending and again by every node. Texts are allow-lists:
names of organisations and sites are Latin letters, digits and a little punctuation; texts inside
documents are printable Latin text, with nothing invisible and nothing that turns writing around.
Then a linter refuses South African identity numbers (13 digits that begin with a date and end with
a Luhn check digit), e-mail addresses, phone numbers and birth dates.

The rules are ASCII-only patterns and explicit ranges, never Unicode properties: the tables of
character properties differ between Python versions, and nodes must not. RULE_SET_VERSION changes
with any rule, and a change activates at a height, on all nodes at once. A linter catches accidents,
not intent; the Protection of Personal Information Act 4 of 2013 binds the publisher all the same.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from ledger.model.canonical_json import JsonValue
from ledger.model.json_fields import is_calendar_date, place

RULE_SET_VERSION: Final = 1

NAME_LENGTH_MAX: Final = 120
"""Characters of a name."""
DOCUMENT_TEXT_LENGTH_MAX: Final = 2_000
"""Characters of one text within a document: a paragraph, not a report on somebody."""

SA_ID_NUMBER: Final = "sa-id-number"
EMAIL: Final = "e-mail-address"
PHONE: Final = "phone-number"
BIRTH_DATE: Final = "birth-date"

_LATIN: Final = (
    "A-Za-z"
    "\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u017f"  # Latin-1 Supplement, Latin Extended-A
    "\u1e00-\u1eff"  # Latin Extended Additional: Tshivenda d, l, n, t with circumflex below
)
_NAME: Final = re.compile(rf"[{_LATIN}0-9(](?:[ ]?[{_LATIN}0-9&'\u2019().,/+:\u2013-])*", re.ASCII)
_DOCUMENT_TEXT: Final = re.compile(
    "[\t\n\u0020-\u007e\u00a0-\u00ac\u00ae-\u024f\u1e00-\u1eff"
    "\u2010-\u2027\u2030-\u205e\u2070-\u209c\u20a0-\u20bf\u2100-\u23ff]*"
)

# Overlapping candidates, hence the lookahead; letters on either side mean a hash, key or UUID.
_THIRTEEN_DIGITS: Final = re.compile(
    r"(?<![0-9A-Za-z])(?=([0-9](?:[ .-]?[0-9]){12})(?![0-9A-Za-z]))", re.ASCII
)
_EMAIL: Final = re.compile(
    r"[A-Za-z0-9._%+'-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24}", re.ASCII
)
_PHONE: Final = re.compile(
    r"(?<![0-9A-Za-z/+=_-])(?:"
    r"(?:\(0[1-8][0-9]\)|0[1-8][0-9])[ -]?[0-9]{3}[ -]?[0-9]{4}"
    r"|0[1-8][0-9]{2}[ -]?[0-9]{3}[ -]?[0-9]{3}"
    r"|0027[0-9]{9}"
    r"|\+[1-9](?:[ ()./-]{0,2}[0-9]){7,14}"
    r")(?![0-9A-Za-z])",
    re.ASCII,
)
_MONTH: Final = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]{0,6}"
_ANY_DATE: Final = (
    r"(?:(?:19|20)[0-9]{2}[-/. ][0-9]{1,2}[-/. ][0-9]{1,2}"
    r"|[0-9]{1,2}[-/. ][0-9]{1,2}[-/. ](?:19|20)[0-9]{2}"
    rf"|[0-9]{{1,2}} {_MONTH} (?:19|20)[0-9]{{2}}"
    r"|(?:19|20)[0-9]{6})"
)
_DATE: Final = re.compile(_ANY_DATE, re.ASCII | re.IGNORECASE)
_BIRTH: Final = re.compile(r"born|birth|geboor|(?<![a-z])dob(?![a-z])", re.ASCII | re.IGNORECASE)
_BIRTH_DATE: Final = re.compile(
    rf"(?:{_BIRTH.pattern})[^0-9]{{0,40}}{_ANY_DATE}", re.ASCII | re.IGNORECASE
)
_DIGIT_OR_AT: Final = re.compile(r"[0-9@]", re.ASCII)


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found and where; never the text itself, which would copy it into logs."""

    rule: str
    where: str


def is_name_allowed(text: str) -> bool:
    """Whether `text` may be the name of an organisation or site."""
    return 2 <= len(text) <= NAME_LENGTH_MAX and _NAME.fullmatch(text) is not None


def is_document_text_allowed(text: str) -> bool:
    """Whether `text` may stand in a document."""
    return len(text) <= DOCUMENT_TEXT_LENGTH_MAX and _DOCUMENT_TEXT.fullmatch(text) is not None


def is_sa_id_number(digits: str) -> bool:
    """Whether 13 digits form a South African identity number: YYMMDD, four digits of sequence,
    citizenship 0 to 2, one digit, Luhn check digit.
    """
    if len(digits) != 13 or not digits.isascii() or not digits.isdigit():
        return False
    year, month, day = int(digits[:2]), int(digits[2:4]), int(digits[4:6])
    # The century is not in the number: 29 February counts when either century has it.
    if not any(is_calendar_date(century + year, month, day) for century in (1900, 2000)):
        return False
    return digits[10] in "012" and _is_luhn(digits)


def _is_luhn(digits: str) -> bool:
    total = 0
    for position, digit in enumerate(reversed(digits)):
        value = int(digit)
        if position % 2:
            value = value * 2 - 9 if value > 4 else value * 2
        total += value
    return total % 10 == 0


def find_personal_data(text: str, *, label: str = "", is_identifier: bool = False) -> str | None:
    """The rule that `text` breaks, or None.

    Args:
        text: what would go on the ledger.
        label: name of the field that holds it; a label about birth makes any date a birth date.
        is_identifier: codes and short names; ten bare digits are no phone number there.
    """
    if _DIGIT_OR_AT.search(text) is None:
        return None
    for match in _THIRTEEN_DIGITS.finditer(text):
        if is_sa_id_number(match[1].translate(_SEPARATORS)):
            return SA_ID_NUMBER
    if "@" in text and _EMAIL.search(text):
        return EMAIL
    if not is_identifier and _PHONE.search(text):
        return PHONE
    if _BIRTH_DATE.search(text) or (label and _BIRTH.search(label) and _DATE.search(text)):
        return BIRTH_DATE
    return None


_SEPARATORS: Final = {ord(separator): None for separator in " .-"}


def find_in_document(value: JsonValue, where: str = "", label: str = "") -> Finding | None:
    """The first thing in a JSON document, names of members included, that must not be there."""
    if isinstance(value, str):
        rule = find_personal_data(value, label=label)
        return Finding(rule, where) if rule else None
    if isinstance(value, int) and not isinstance(value, bool):
        rule = find_personal_data(str(value), label=label, is_identifier=True)
        return Finding(rule, where) if rule else None
    if isinstance(value, list):
        for position, item in enumerate(value):
            finding = find_in_document(item, place(where, position), label)
            if finding:
                return finding
    elif isinstance(value, dict):
        for name, item in value.items():
            rule = find_personal_data(name)
            # The name itself may be what must not be copied.
            finding = (
                Finding(rule, where)
                if rule
                else find_in_document(item, place(where, name), label=name)
            )
            if finding:
                return finding
    return None


def find_text_not_allowed(value: JsonValue, where: str = "") -> str | None:
    """The place of the first text in a JSON document that is no allowed text, or None."""
    if isinstance(value, str):
        return None if is_document_text_allowed(value) else where
    if isinstance(value, list):
        for position, item in enumerate(value):
            found = find_text_not_allowed(item, place(where, position))
            if found is not None:
                return found
    elif isinstance(value, dict):
        for name, item in value.items():
            if not is_document_text_allowed(name):
                return where
            found = find_text_not_allowed(item, place(where, name))
            if found is not None:
                return found
    return None
