# SPDX-License-Identifier: Apache-2.0
"""The data-driven format: a file of commands, each with the output that it must have.

    # a comment, between commands only
    command bare key=value key=(first, second)
    input, any number of lines
    ----
    output, up to a blank line

A second separator right after the first begins an output that may hold blank lines; a pair of
separators ends it. A command line that ends with a backslash goes on in the next one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

SEPARATOR = "----"
LOG_LINE = re.compile(r" *(?:DEBUG|INFO|WARN|ERROR)\b")
NOTHING_TO_SAY = "ok"


class TranscriptError(Exception):
    """The file, or what it asks for, cannot be understood."""


@dataclass(frozen=True, slots=True)
class Argument:
    """`key`, `key=value` or `key=(value, value)`."""

    key: str
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Directive:
    """One command, where it stands, and what it must print."""

    line: int
    text: str
    command: str
    arguments: tuple[Argument, ...]
    input: str
    expected: str

    def bare(self) -> list[str]:
        """The arguments without values."""
        return [argument.key for argument in self.arguments if not argument.values]

    def named(self) -> dict[str, tuple[str, ...]]:
        """The arguments with values. Raises TranscriptError for a repeated one."""
        named: dict[str, tuple[str, ...]] = {}
        for argument in self.arguments:
            if argument.values:
                if argument.key in named:
                    raise TranscriptError(f"{argument.key} is there twice")
                named[argument.key] = argument.values
        return named


def parse_transcript(text: str) -> list[Directive]:
    """All commands of a file. Raises TranscriptError."""
    return list(_Reader(text).directives())


class _Reader:
    def __init__(self, text: str) -> None:
        self._lines = text.splitlines()
        self._next = 0

    def _has_line(self) -> bool:
        return self._next < len(self._lines)

    def _take(self) -> str:
        line = self._lines[self._next]
        self._next += 1
        return line

    def directives(self) -> Iterator[Directive]:
        while self._has_line():
            text = self._take().strip()
            if not text or text.startswith("#"):
                continue
            number = self._next
            while text.endswith("\\") and self._has_line():
                text = text[:-1].rstrip() + " " + self._take().strip()
            command, arguments = parse_command(text)
            lines = self._take_until_separator(number)
            yield Directive(
                line=number,
                text=text,
                command=command,
                arguments=arguments,
                input="\n".join(lines).strip(),
                expected=self._take_expected(number),
            )

    def _take_until_separator(self, number: int) -> list[str]:
        lines: list[str] = []
        while self._has_line():
            line = self._take()
            if line == SEPARATOR:
                return lines
            lines.append(line)
        raise TranscriptError(f"line {number}: no {SEPARATOR} follows")

    def _take_expected(self, number: int) -> str:
        if self._has_line() and self._lines[self._next] == SEPARATOR:
            self._next += 1
            return self._take_expected_with_blanks(number)
        lines: list[str] = []
        while self._has_line() and (line := self._take()).strip():
            lines.append(line + "\n")
        return "".join(lines)

    def _take_expected_with_blanks(self, number: int) -> str:
        lines: list[str] = []
        while self._has_line():
            line = self._take()
            if line == SEPARATOR and self._has_line() and self._lines[self._next] == SEPARATOR:
                self._next += 1
                return "".join(lines)
            lines.append(line + "\n")
        raise TranscriptError(f"line {number}: the output does not end")


def parse_command(text: str) -> tuple[str, tuple[Argument, ...]]:
    """The name and the arguments of a command line. Raises TranscriptError."""
    command, *words = _split(text, " ")
    return command, tuple(_parse_argument(word) for word in words)


def _parse_argument(word: str) -> Argument:
    key, equals, value = word.partition("=")
    if not equals:
        return Argument(key)
    if value.startswith("(") and value.endswith(")"):
        inner = value[1:-1].strip()
        return Argument(key, tuple(part.strip() for part in _split(inner, ",")))
    return Argument(key, (value,))


def _split(text: str, separator: str) -> list[str]:
    """Split outside parentheses; empty parts are left out. Raises TranscriptError."""
    parts = [""]
    depth = 0
    for character in text:
        depth += {"(": 1, ")": -1}.get(character, 0)
        if depth < 0:
            raise TranscriptError(f"unbalanced parentheses in {text!r}")
        if character == separator and not depth:
            parts.append("")
        else:
            parts[-1] += character
    if depth:
        raise TranscriptError(f"unbalanced parentheses in {text!r}")
    return [part for part in parts if part]


def as_output(text: str) -> str:
    """What a command printed, as whole lines."""
    return text if not text or text.endswith("\n") else text + "\n"


def without_log(output: str) -> str:
    """Output without the lines of a log; `ok`, which stands for nothing, where none is left."""
    kept = [line for line in output.splitlines(keepends=True) if not LOG_LINE.match(line)]
    return "".join(kept) or as_output(NOTHING_TO_SAY)


def parse_flag(value: str) -> bool:
    """`true` or `false`. Raises TranscriptError."""
    if value not in ("true", "false"):
        raise TranscriptError(f"{value} is neither true nor false")
    return value == "true"


def parse_number(value: str) -> int:
    """A decimal number of at least 0. Raises TranscriptError."""
    if not (value.isascii() and value.isdigit()):
        raise TranscriptError(f"{value} is no number")
    return int(value)
