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

RULE_SET_VERSION: Final = 3

NAME_LENGTH_MAX: Final = 120
"""Characters of a name."""
DOCUMENT_TEXT_LENGTH_MAX: Final = 2_000
"""Characters of one text within a document: a paragraph, not a report on somebody."""

ID_NUMBER_LENGTH: Final = 13
_ID_NUMBER_LENGTH_MIN: Final = 10
"""Of one written as a JSON number: up to three zeros at the front are lost."""

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

# What writing does to digits and separators, undone before any pattern looks. Explicit, because
# Unicode's own normalisation differs between Python versions.
_SPACES: Final = "\t\n\r\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
_DASHES: Final = "\u2010\u2011\u2012\u2013\u2014\u2015\u2043\u207b\u208b\u2212\ufe58\ufe63\uff0d"
_DOTS: Final = "\u00b7\u2022\u2024\u2027\u2219\uff0e"
_SLASHES: Final = "\u2044\u2215\uff0f"
_INVISIBLE: Final = "\u00ad\u200b\u200c\u200d\u200e\u200f\u2060\ufeff"
_DIGIT_FORMS: Final = (
    "\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079",
    "\u2080\u2081\u2082\u2083\u2084\u2085\u2086\u2087\u2088\u2089",
    "\uff10\uff11\uff12\uff13\uff14\uff15\uff16\uff17\uff18\uff19",
)
_NORMAL_FORMS: Final[dict[int, str | None]] = {
    **{ord(form): " " for form in _SPACES},
    **{ord(form): "-" for form in _DASHES},
    **{ord(form): "." for form in _DOTS},
    **{ord(form): "/" for form in _SLASHES},
    **{ord(form): None for form in _INVISIBLE},
    **{ord(form): str(digit) for forms in _DIGIT_FORMS for digit, form in enumerate(forms)},
    0xFF0B: "+",
    0xFF20: "@",
}

_DIGITS: Final = re.compile(r"[0-9]+", re.ASCII)
_BETWEEN_GROUPS: Final = re.compile(r"[ .,:_/-]{1,3}", re.ASCII)
_HEX_RUN: Final = re.compile(r"[0-9A-Fa-f-]{20,}", re.ASCII)
_HEX_LETTER: Final = re.compile(r"[A-Fa-f]", re.ASCII)

_WRITTEN_AT: Final = re.compile(r" ?[(\[] ?at ?[)\]] ?", re.ASCII | re.IGNORECASE)
_WRITTEN_DOT: Final = re.compile(r" ?[(\[] ?dot ?[)\]] ?", re.ASCII | re.IGNORECASE)
_EMAIL: Final = re.compile(
    rf"[{_LATIN}0-9._%+'\"-] ?@ ?"
    rf"(?:(?:[{_LATIN}0-9-]{{1,63}}\.){{1,8}}[{_LATIN}]{{2,24}}"
    r"|\[(?:[0-9]{1,3}\.){3}[0-9]{1,3}\]|\[IPv6:)",
    re.ASCII,
)
_PHONE: Final = re.compile(
    r"(?<![0-9])(?:"
    r"\(0[1-8][0-9]\)[ .-]{0,2}[0-9]{3}[ .-]{0,2}[0-9]{4}"
    r"|0[1-8][0-9][ .-]{1,2}[0-9]{3}[ .-]{0,2}[0-9]{4}"
    r"|0[1-8][0-9]{2}[ .-]{1,2}[0-9]{3}[ .-]{0,2}[0-9]{3}"
    # In pairs: one of them is above 39, else these are five numbers.
    r"|0[6-8](?=[ .0-9-]{0,14}[4-9][0-9])(?:[ .-][0-9]{2}){4}"
    r"|0027(?:[ ()./-]{0,3}[0-9]){9,10}"
    r"|27[ .-]{1,2}[1-8][0-9][ .-]{1,2}[0-9]{3}[ .-]{1,2}[0-9]{4}"
    r")(?![0-9])",
    re.ASCII,
)
_INTERNATIONAL: Final = re.compile(
    r"(?<![0-9A-Za-z/+=_-])\+[1-9](?:[ ()./-]{0,3}[0-9]){7,14}(?![0-9A-Za-z])", re.ASCII
)
_BARE_PHONE: Final = re.compile(r"(?<![0-9])(?:0[1-8][0-9]{8}|27[1-8][0-9]{8})(?![0-9])", re.ASCII)
# Words before a bare number that say what it is; it is no phone number then.
_NUMBER_WORD: Final = re.compile(
    r"(?:curriculum|saqa|saqa id|qualification id|ofo|code|iso)(?: (?:code|id|no|number))?[ :.#]{0,3}$",
    re.ASCII | re.IGNORECASE,
)
_NUMBER_WORD_REACH: Final = 40

_MONTH: Final = (
    r"(?:jan|feb|mar|maa|mrt|apr|may|mei|jun|jul|aug|sep|oct|okt|nov|dec|des)[a-z]{0,7}\.?"
)
_YEAR: Final = r"(?:19|20)[0-9]{2}"
_ANY_DATE: Final = (
    rf"(?:{_YEAR}[-/. ][0-9]{{1,2}}[-/. ][0-9]{{1,2}}"
    rf"|[0-9]{{1,2}}[-/. ][0-9]{{1,2}}[-/. ]{_YEAR}"
    rf"|{_MONTH} (?:[0-9]{{1,2}}(?:st|nd|rd|th)?,? )?{_YEAR}"
    rf"|[0-9]{{1,2}}(?:st|nd|rd|th)?(?: of)?[ -]{_MONTH},?[ -]{_YEAR}"
    r"|(?:19|20)[0-9]{6})"
)
_SHORT_DATE: Final = r"[0-9]{2}[-/.][0-9]{1,2}[-/.][0-9]{2}(?![0-9])"
_DATE: Final = re.compile(_ANY_DATE, re.ASCII | re.IGNORECASE)
_BIRTH: Final = (
    r"(?:(?<![a-z])(?:born|dob(?![a-z])|d\.o\.b|geb\.)|geboor|gebore"
    r"|birth(?! (?:regist|rate|control|weight)))"
)
_BIRTH_LABEL: Final = re.compile(_BIRTH, re.ASCII | re.IGNORECASE)
_BIRTH_DATE: Final = re.compile(
    rf"{_BIRTH}[^0-9]{{0,80}}?(?:{_ANY_DATE}|(?<![0-9]){_SHORT_DATE})", re.ASCII | re.IGNORECASE
)
_ASCII_SPACES: Final = re.compile("[\t\n\r]")
"""Of the forms that are undone, those that ASCII has."""
_FOUR_DIGITS: Final = re.compile(r"(?:[0-9][^0-9]*+){4}", re.ASCII)
"""The fewest digits that break a rule: those of a year. Most texts have fewer."""


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
    if len(text) > DOCUMENT_TEXT_LENGTH_MAX:
        return False
    # What is printable in ASCII never changes.
    return (text.isascii() and text.isprintable()) or _DOCUMENT_TEXT.fullmatch(text) is not None


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
    if not text.isascii() or _ASCII_SPACES.search(text):
        text = text.translate(_NORMAL_FORMS)
    if ("(" in text or "[" in text) and ("at" in text or "AT" in text or "At" in text):
        text = _WRITTEN_DOT.sub(".", _WRITTEN_AT.sub("@", text))
    if "@" not in text and _FOUR_DIGITS.search(text) is None:
        return None
    if _is_holding_id_number(text):
        return SA_ID_NUMBER
    if "@" in text and _EMAIL.search(text):
        return EMAIL
    if not is_identifier and _is_holding_phone(text):
        return PHONE
    if _BIRTH_DATE.search(text) or (label and _is_about_birth(label) and _DATE.search(text)):
        return BIRTH_DATE
    return None


def text_in(octets: bytes) -> str:
    """The text that a byte string is, zeros around it aside, or nothing.

    Ids, keys and signatures are random: they never read as text from end to end.
    """
    held = octets.strip(b"\0")
    if not held.isascii():
        return ""
    text = held.decode("ascii")
    return text if text.isprintable() else ""


def _is_about_birth(label: str) -> bool:
    return _BIRTH_LABEL.search(label) is not None


def _hash_spans(text: str) -> list[tuple[int, int]]:
    """Where hashes, keys and UUIDs in hexadecimal stand: their digits are nobody's."""
    return [
        match.span()
        for match in _HEX_RUN.finditer(text)
        if _HEX_LETTER.search(match[0]) is not None
    ]


def _is_inside(start: int, spans: list[tuple[int, int]]) -> bool:
    return any(first <= start < last for first, last in spans)


def _is_holding_id_number(text: str) -> bool:
    """Whether 13 digits in a row, or whole groups of digits that make 13, are an identity number."""
    groups = [(match.start(), match[0]) for match in _DIGITS.finditer(text)]
    spans: list[tuple[int, int]] | None = None
    for position, (start, digits) in enumerate(groups):
        found = any(
            is_sa_id_number(digits[offset : offset + ID_NUMBER_LENGTH])
            for offset in range(len(digits) - ID_NUMBER_LENGTH + 1)
        ) or is_sa_id_number(_join_groups(text, groups[position : position + ID_NUMBER_LENGTH]))
        if found:
            spans = _hash_spans(text) if spans is None else spans
            if not _is_inside(start, spans):
                return True
    return False


def _join_groups(text: str, groups: list[tuple[int, str]]) -> str:
    """The first groups together, as long as only separators are between them, up to 13 digits."""
    joined = ""
    end = -1
    for start, digits in groups:
        if end >= 0 and _BETWEEN_GROUPS.fullmatch(text, end, start) is None:
            break
        joined += digits
        end = start + len(digits)
        if len(joined) >= ID_NUMBER_LENGTH:
            break
    return joined


def _is_holding_phone(text: str) -> bool:
    if _INTERNATIONAL.search(text):
        return True
    spans = _hash_spans(text)
    if any(not _is_inside(match.start(), spans) for match in _PHONE.finditer(text)):
        return True
    for match in _BARE_PHONE.finditer(text):
        start = match.start()
        before = text[max(0, start - _NUMBER_WORD_REACH) : start]
        if not _is_inside(start, spans) and _NUMBER_WORD.search(before) is None:
            return True
    return False


def find_in_document(value: JsonValue, where: str = "", label: str = "") -> Finding | None:
    """The first thing in a JSON document, names of members included, that must not be there.

    Places are positions: `content{1}[0]` is the first element of the second member. What a member
    is called may itself be what must not be copied.
    """
    found = _find_in_value(value, label)
    return Finding(found[0], where + found[1]) if found else None


def _find_in_value(value: JsonValue, label: str) -> tuple[str, str] | None:
    """A rule, and the place within `value`, which is put together only when there is one."""
    if isinstance(value, str):
        rule = find_personal_data(value, label=label)
        return (rule, "") if rule else None
    if isinstance(value, int) and not isinstance(value, bool):
        rule = _find_in_number(value, label)
        return (rule, "") if rule else None
    if isinstance(value, list):
        for position, item in enumerate(value):
            found = _find_in_value(item, label)
            if found:
                return found[0], place("", position) + found[1]
        if _is_holding_id_number(_join_numbers(value)):
            return SA_ID_NUMBER, ""
    elif isinstance(value, dict):
        # What a label says holds for everything below it, such as the examples of a schema.
        inherited = label if label and _is_about_birth(label) else None
        for position, (name, item) in enumerate(value.items()):
            rule = find_personal_data(name)
            if rule:
                return rule, _place_of_member(position)
            found = _find_in_value(item, name if inherited is None else inherited)
            if found:
                return found[0], _place_of_member(position) + found[1]
    return None


def _place_of_member(position: int) -> str:
    return f"{{{position}}}"


def _find_in_number(value: int, label: str) -> str | None:
    text = str(value)
    # A number has lost the zeros of those born from 2000 to 2009.
    if len(text) >= _ID_NUMBER_LENGTH_MIN and is_sa_id_number(text.zfill(ID_NUMBER_LENGTH)):
        return SA_ID_NUMBER
    return find_personal_data(text, label=label, is_identifier=True)


def _join_numbers(values: list[JsonValue]) -> str:
    """The elements of a list that are digits, as one text: a number may be dealt out to several."""
    return "|".join(
        " ".join(run)
        for run in _runs([str(item) if isinstance(item, (str, int)) else "" for item in values])
    )


def _runs(texts: list[str]) -> list[list[str]]:
    runs: list[list[str]] = [[]]
    for text in texts:
        if len(text) <= ID_NUMBER_LENGTH and _DIGITS.fullmatch(text):
            runs[-1].append(text)
        elif runs[-1]:
            runs.append([])
    return runs


def find_text_not_allowed(value: JsonValue, where: str = "") -> str | None:
    """The place, as `find_in_document` gives it, of the first text in a JSON document that is no
    allowed text, or None.
    """
    found = _find_not_allowed(value)
    return None if found is None else where + found


def _find_not_allowed(value: JsonValue) -> str | None:
    if isinstance(value, str):
        return None if is_document_text_allowed(value) else ""
    if isinstance(value, list):
        for position, item in enumerate(value):
            found = _find_not_allowed(item)
            if found is not None:
                return place("", position) + found
    elif isinstance(value, dict):
        for position, (name, item) in enumerate(value.items()):
            if not is_document_text_allowed(name):
                return _place_of_member(position)
            found = _find_not_allowed(item)
            if found is not None:
                return _place_of_member(position) + found
    return None
