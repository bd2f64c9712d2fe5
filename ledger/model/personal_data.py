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
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeAlias

from ledger.model.canonical_json import JsonValue
from ledger.model.id_numbers import (
    BREAK,
    ID_NUMBER_LENGTH,
    find_hash_spans,
    find_id_number,
    is_sa_id_number,
)
from ledger.model.json_fields import place

__all__ = [
    "BIRTH_DATE",
    "DOCUMENT_TEXT_LENGTH_MAX",
    "EMAIL",
    "ID_NUMBER_LENGTH",
    "NAME_LENGTH_MAX",
    "PHONE",
    "RULE_SET_VERSION",
    "SA_ID_NUMBER",
    "Finding",
    "find_in_document",
    "find_personal_data",
    "find_text_not_allowed",
    "is_document_text_allowed",
    "is_name_allowed",
    "is_sa_id_number",
    "text_in",
]

RULE_SET_VERSION: Final = 3

NAME_LENGTH_MAX: Final = 120
"""Characters of a name."""
DOCUMENT_TEXT_LENGTH_MAX: Final = 2_000
"""Characters of one text within a document: a paragraph, not a report on somebody."""

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

_WRITTEN_AT: Final = re.compile(r" ?[(\[] ?at ?[)\]] ?", re.ASCII | re.IGNORECASE)
_WRITTEN_DOT: Final = re.compile(r" ?[(\[] ?dot ?[)\]] ?", re.ASCII | re.IGNORECASE)
_EMAIL: Final = re.compile(
    rf"[{_LATIN}0-9._%+'\"-] ?@ ?"
    rf"(?:(?:[{_LATIN}0-9-]{{1,63}}\.){{1,8}}[{_LATIN}]{{2,24}}"
    r"|\[(?:[0-9]{1,3}\.){3}[0-9]{1,3}\]|\[IPv6:)",
    re.ASCII,
)
# Each alternative begins with a character of its own and looks behind it afterwards: a search then
# tries nothing where no number can begin.
_PHONE: Final = re.compile(
    r"(?:"
    r"\((?<![0-9]\()0[1-8][0-9]\)[ .-]{0,2}[0-9]{3}[ .-]{0,2}[0-9]{4}"
    r"|0(?<![0-9]0)(?:[1-8][0-9](?:[ .-]{1,2}[0-9]{3}[ .-]{0,2}[0-9]{4}"
    r"|[0-9][ .-]{1,2}[0-9]{3}[ .-]{0,2}[0-9]{3})"
    # In pairs: one of them is above 39, else these are five numbers.
    r"|[6-8](?=[ .0-9-]{0,14}[4-9][0-9])(?:[ .-][0-9]{2}){4}"
    r"|027(?:[ ()./-]{0,3}[0-9]){9,10})"
    r"|2(?<![0-9]2)7[ .-]{1,2}[1-8][0-9][ .-]{1,2}[0-9]{3}[ .-]{1,2}[0-9]{4}"
    r")(?![0-9])",
    re.ASCII,
)
_INTERNATIONAL: Final = re.compile(
    r"\+(?<![0-9A-Za-z/+=_-]\+)[1-9](?:[ ()./-]{0,3}[0-9]){7,14}(?![0-9A-Za-z])", re.ASCII
)
_BARE_PHONE: Final = re.compile(
    r"(?:0(?<![0-9]0)[1-8][0-9]{8}|2(?<![0-9]2)7[1-8][0-9]{8})(?![0-9])", re.ASCII
)
# Words before a bare number that say what it is; it is no phone number then.
_NUMBER_WORD: Final = re.compile(
    r"(?:curriculum|saqa|saqa id|qualification id|ofo|code|iso)(?: (?:code|id|no|number))?[ :.#]{0,3}\Z",
    re.ASCII | re.IGNORECASE,
)
_NUMBER_WORD_REACH: Final = 40

# What follows looks at texts in small letters.
_MONTH: Final = (
    r"(?:jan|feb|mar|maa|mrt|apr|may|mei|jun|jul|aug|sep|oct|okt|nov|dec|des)[a-z]{0,7}\.?"
)
_YEAR: Final = r"(?:19|20)[0-9]{2}"
_DIGITS_FIRST: Final = (
    rf"(?:{_YEAR}(?:[-/. ][0-9]{{1,2}}[-/. ][0-9]{{1,2}}|[0-9]{{4}})"
    rf"|[0-9]{{1,2}}(?:[-/. ][0-9]{{1,2}}[-/. ]{_YEAR}"
    rf"|(?:st|nd|rd|th)?(?: of)?[ -]{_MONTH},?[ -]{_YEAR}))"
)
_SHORT_DATE: Final = r"[0-9]{2}[-/.][0-9]{1,2}[-/.][0-9]{2}(?![0-9])"
_DIGITS_DATE: Final = re.compile(_DIGITS_FIRST, re.ASCII)
_BIRTH_DIGITS_DATE: Final = re.compile(rf"{_DIGITS_FIRST}|{_SHORT_DATE}", re.ASCII)
_MONTH_DATE: Final = re.compile(rf"{_MONTH} (?:[0-9]{{1,2}}(?:st|nd|rd|th)?,? )?{_YEAR}", re.ASCII)
_BIRTH_WORD: Final = re.compile(
    r"b(?:(?<![a-z]b)orn|irth(?! (?:regist|rate|control|weight)))"
    r"|d(?<![a-z]d)ob(?![a-z])|geb(?:(?<![a-z]geb)\.|oor|ore)",
    re.ASCII,
)
_BIRTH_INITIALS: Final = re.compile(r"d(?<![a-z]d)\.o\.b", re.ASCII)
"""Apart from the words: its last letter may begin one."""
_BIRTH_STEMS: Final = ("born", "dob", "d.o.b", "geb.", "geboor", "gebore", "birth")
_BIRTH_REACH: Final = 80
"""Characters, none of them a digit, that may stand between the word and the date."""
_DIGIT_OR_BREAK: Final = re.compile(r"[0-9\n]", re.ASCII)
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


def find_personal_data(text: str, *, label: str = "", is_identifier: bool = False) -> str | None:
    """The rule that `text` breaks, or None.

    Args:
        text: what would go on the ledger.
        label: name of the field that holds it; a label about birth makes any date a birth date.
        is_identifier: codes and short names; ten bare digits are no phone number there.
    """
    return _find_rule(
        _normalise(text),
        is_identifier=is_identifier,
        is_about_birth=bool(label) and _is_about_birth(label),
    )


def _find_rule(text: str, *, is_identifier: bool, is_about_birth: bool) -> str | None:
    """The rule that a normalised text breaks."""
    if "@" not in text and _FOUR_DIGITS.search(text) is None:
        return None
    if find_id_number(text) is not None:
        return SA_ID_NUMBER
    if _find_email(text) is not None:
        return EMAIL
    if not is_identifier and _find_phone(text) is not None:
        return PHONE
    if _find_birth_date(text) is not None:
        return BIRTH_DATE
    if is_about_birth and _find_date(text) is not None:
        return BIRTH_DATE
    return None


def _normalise(text: str) -> str:
    if not text.isascii() or _ASCII_SPACES.search(text):
        text = text.translate(_NORMAL_FORMS)
    if ("(" in text or "[" in text) and ("at" in text or "AT" in text or "At" in text):
        text = _WRITTEN_DOT.sub(".", _WRITTEN_AT.sub("@", text))
    return text


def text_in(octets: bytes) -> str:
    """The text that a byte string is, zeros around it aside, or nothing.

    Ids, keys and signatures are random: they never read as text from end to end.
    """
    held = octets.strip(b"\0")
    if not held.isascii():
        return ""
    text = held.decode("ascii")
    return text if text.isprintable() else ""


def _to_small_letters(texts: str) -> str:
    """The texts with ASCII letters only, small, and all places kept."""
    return texts.encode("ascii", "replace").lower().decode("ascii")


def _is_about_birth(label: str) -> bool:
    return bool(_list_birth_words(_to_small_letters(label)))


def _list_birth_words(small: str) -> list[int]:
    """Where words about birth end, in order."""
    if not any(stem in small for stem in _BIRTH_STEMS):
        return []
    ends = [match.end() for match in _BIRTH_WORD.finditer(small)]
    initials = [match.end() for match in _BIRTH_INITIALS.finditer(small)]
    return sorted(ends + initials) if initials else ends


# Each of these takes one or more normalised texts, parted by BREAK, and gives the number of the first
# that breaks its rule. No pattern reaches over a BREAK.


def _number_at(texts: str, position: int) -> int:
    return texts.count(BREAK, 0, position)


def _find_email(texts: str) -> int | None:
    match = _EMAIL.search(texts) if "@" in texts else None
    return None if match is None else _number_at(texts, match.start())


def _find_phone(texts: str) -> int | None:
    found = [match.start() for match in [_INTERNATIONAL.search(texts)] if match is not None]
    spans = find_hash_spans(texts)
    starts = [start for start, _ in spans]

    def is_in_hash(position: int) -> bool:
        before = bisect_right(starts, position) - 1
        return before >= 0 and position < spans[before][1]

    for match in _PHONE.finditer(texts):
        if not is_in_hash(match.start()):
            found.append(match.start())
            break
    for match in _BARE_PHONE.finditer(texts):
        start = match.start()
        before = texts[max(0, start - _NUMBER_WORD_REACH) : start]
        if not is_in_hash(start) and _NUMBER_WORD.search(before) is None:
            found.append(start)
            break
    return _number_at(texts, min(found)) if found else None


def _find_birth_date(texts: str) -> int | None:
    """A word about birth, and a date within reach with no other digit before it."""
    small = _to_small_letters(texts)
    ends = _list_birth_words(small)
    if not ends:
        return None
    found = [
        position
        for position in (_find_birth_then_digits(small, ends), _find_birth_then_month(small, ends))
        if position is not None
    ]
    return _number_at(texts, min(found)) if found else None


def _find_birth_then_digits(small: str, ends: Sequence[int]) -> int | None:
    """A date that begins with a digit begins with the first one after the word."""
    word = 0
    while word < len(ends):
        digit = _DIGIT_OR_BREAK.search(small, ends[word])
        if digit is None:
            return None
        position = digit.start()
        # Of the words before this digit the last is the nearest.
        word = bisect_right(ends, position, word)
        if position - ends[word - 1] <= _BIRTH_REACH and _BIRTH_DIGITS_DATE.match(small, position):
            return position
    return None


def _find_birth_then_month(small: str, ends: Sequence[int]) -> int | None:
    for match in _MONTH_DATE.finditer(small):
        position = match.start()
        word = bisect_right(ends, position) - 1
        if (
            word >= 0
            and position - ends[word] <= _BIRTH_REACH
            and _DIGIT_OR_BREAK.search(small, ends[word], position) is None
        ):
            return position
    return None


def _find_date(texts: str) -> int | None:
    small = _to_small_letters(texts)
    found = [
        match.start()
        for match in (_DIGITS_DATE.search(small), _MONTH_DATE.search(small))
        if match is not None
    ]
    return _number_at(texts, min(found)) if found else None


def find_in_document(value: JsonValue, where: str = "", label: str = "") -> Finding | None:
    """The first thing in a JSON document, names of members included, that must not be there.

    Places are positions: `content{1}[0]` is the first element of the second member. What a member
    is called may itself be what must not be copied.

    All texts are looked at together, once for each rule: a document costs what its size says,
    whatever it holds.
    """
    pieces: list[_Piece] = []
    _collect(value, None, pieces, is_about_birth=bool(label) and _is_about_birth(label))
    first = _find_first(pieces)
    if first is None:
        return None
    piece = pieces[first]
    rule = _find_rule(
        piece.text, is_identifier=piece.is_identifier, is_about_birth=piece.is_about_birth
    )
    assert rule is not None, "a text alone breaks the rule that it breaks among others"
    return Finding(rule, where + _place(piece.place))


_Place: TypeAlias = "tuple[_Place, str, int] | None"
"""The place that it lies within, an opening bracket or brace, and the position."""


class _Piece(NamedTuple):
    """A text of a document, or what numbers and lists say as a text."""

    text: str
    """Normalised."""
    place: _Place
    is_identifier: bool = False
    is_about_birth: bool = False


def _place(place: _Place) -> str:
    steps: list[str] = []
    while place is not None:
        place, bracket, position = place
        steps.append(f"[{position}]" if bracket == "[" else _place_of_member(position))
    return "".join(reversed(steps))


def _place_of_member(position: int) -> str:
    return f"{{{position}}}"


def _find_first(pieces: Sequence[_Piece]) -> int | None:
    """The first piece that breaks a rule."""
    firsts: list[int] = []
    everything = BREAK.join([piece.text for piece in pieces])
    for rule in (find_id_number, _find_email, _find_birth_date):
        found = rule(everything)
        if found is not None:
            firsts.append(found)
    for rule, numbers in (
        (_find_phone, [n for n, piece in enumerate(pieces) if not piece.is_identifier]),
        (_find_date, [n for n, piece in enumerate(pieces) if piece.is_about_birth]),
    ):
        found = rule(BREAK.join([pieces[number].text for number in numbers])) if numbers else None
        if found is not None:
            firsts.append(numbers[found])
    return min(firsts) if firsts else None


def _collect(value: JsonValue, place: _Place, into: list[_Piece], *, is_about_birth: bool) -> None:
    """The pieces of a document, in the order in which they are looked at.

    What a label about birth says holds for everything below it, such as the examples of a schema.
    """
    if isinstance(value, str):
        into.append(_Piece(_normalise(value), place, is_about_birth=is_about_birth))
    elif isinstance(value, int) and not isinstance(value, bool):
        text = str(value)
        if _ID_NUMBER_LENGTH_MIN <= len(text) < ID_NUMBER_LENGTH and value > 0:
            # A number has lost the zeros of those born from 2000 to 2009.
            into.append(_Piece(text.zfill(ID_NUMBER_LENGTH), place, is_identifier=True))
        into.append(_Piece(text, place, is_identifier=True, is_about_birth=is_about_birth))
    elif isinstance(value, list):
        for position, item in enumerate(value):
            _collect(item, (place, "[", position), into, is_about_birth=is_about_birth)
        joined = _join_numbers(value)
        if joined:
            into.append(_Piece(joined, place, is_identifier=True))
    elif isinstance(value, dict):
        for position, (name, item) in enumerate(value.items()):
            member = (place, "{", position)
            into.append(_Piece(_normalise(name), member))
            _collect(item, member, into, is_about_birth=is_about_birth or _is_about_birth(name))


def _join_numbers(values: list[JsonValue]) -> str:
    """The elements of a list that are digits, as one text: a number may be dealt out to several.

    Only identity numbers are written so.
    """
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
