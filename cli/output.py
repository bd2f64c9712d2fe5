# SPDX-License-Identifier: Apache-2.0
"""What is printed: results on stdout as words and tables or as JSON, everything else on stderr.

Rules of this file:
- stdout carries the result and nothing else; progress, hints and errors go to stderr.
- With ``-o json`` there is one object per result, ``{"kind","version","data"}``, reads with
  ``verified``, ``height`` and ``as_of`` at the top. A terminal gets it indented, a pipe on one line.
  stderr then carries the error object only, so that both can be parsed.
- What files and nodes say is shown, never obeyed: control characters are printed by their number
  (`cli.terminal_text`). In a string that is printed line feeds are meant; in a cell they are not.
- Colour is never the only sign of anything. NO_COLOR and ``--no-color`` remove it.
"""

from __future__ import annotations

import json
import re
import sys
import textwrap
from collections.abc import Iterable, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Final, Protocol, TextIO, cast

from cli.errors import ErrorReport, ExitCode
from cli.terminal_text import escape_json, escape_line, escape_lines
from cli.wording import show_instant
from sdk.results import json_value

if TYPE_CHECKING:
    from collections.abc import Generator

    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

ENVELOPE_VERSION: Final = 1
"""Of the JSON objects; grows when a member changes its meaning."""

PIPE_WIDTH: Final = 200
"""Columns of text that is not read on a terminal: long enough that no value is cut."""


_BLANKS_AT_END: Final = re.compile(r" +$", re.MULTILINE)


class ProvenAnswer(Protocol):
    """Where a read came from (`psetledger.Proven`)."""

    @property
    def height(self) -> int: ...
    @property
    def as_of(self) -> datetime: ...
    @property
    def verified(self) -> bool: ...


class Output:
    """Prints the results of one command in the form that was asked for."""

    def __init__(
        self,
        *,
        json_wanted: bool = False,
        quiet: bool = False,
        color: bool = True,
        stdout: TextIO | None = None,
        stderr: TextIO | None = None,
    ) -> None:
        self.json_wanted = json_wanted
        self.quiet = quiet
        self._color = color
        self._stdout = stdout
        self._stderr = stderr

    # ---- results

    def result(self, kind: str, data: Any, text: Any = None) -> None:
        """Print a result.

        Args:
            kind: noun in capitals (``Receipt``, ``Organisation``).
            data: what JSON shows; see `sdk.results.json_value`.
            text: what people see: a string, a rich renderable or a sequence of both.
        """
        self._print_result({"kind": kind, "version": ENVELOPE_VERSION, "data": data}, text)

    def read(self, kind: str, data: Any, proven: ProvenAnswer, text: Any = None) -> None:
        """As `result`, for what was read from the ledger: says how old it is and that it is proven."""
        envelope = {
            "kind": kind,
            "version": ENVELOPE_VERSION,
            "verified": proven.verified,
            "height": proven.height,
            "as_of": proven.as_of,
            "data": data,
        }
        parts: list[Any] = [*text] if isinstance(text, (list, tuple)) else [text]
        self._print_result(
            envelope, [part for part in (*parts, self._footer(proven)) if part is not None]
        )

    def _print_result(self, envelope: dict[str, Any], text: Any) -> None:
        if self.json_wanted:
            stream = self.stdout
            indent = 2 if stream.isatty() else None
            encoded = json.dumps(json_value(envelope), ensure_ascii=False, indent=indent)
            stream.write(escape_json(encoded) + "\n")
            stream.flush()
        elif text is not None:
            self.words(text)

    def words(self, text: Any) -> None:
        """Print for people only: a string, a rich renderable or a sequence of both. Not with JSON."""
        if self.json_wanted:
            return
        from rich.text import Text as RichText

        console = self.console
        parts: list[Any] = [*text] if isinstance(text, (list, tuple)) else [text]
        for part in parts:
            if isinstance(part, str):
                text = escape_lines(part)
                console.print(text, markup=False, highlight=False, soft_wrap=True)
                continue
            is_text = isinstance(part, RichText)
            shown = _escaped_text(part) if is_text else part
            with console.capture() as captured:
                console.print(shown, soft_wrap=is_text)  # a text wraps itself
            # rich fills every line of a table with blanks
            self.stdout.write(_BLANKS_AT_END.sub("", captured.get()))
        self.stdout.flush()

    def _footer(self, proven: ProvenAnswer) -> Any:
        from rich.text import Text

        word = "proven" if proven.verified else "NOT VERIFIED"
        text = f"{word} at height {proven.height:,}, as of {show_instant(proven.as_of)}"
        return Text(text, style="dim" if proven.verified else "bold red")

    # ---- the rest

    def progress(self, text: str) -> None:
        """Say on stderr what is being done; not with ``-q`` nor with JSON."""
        self._tell(escape_line(text))

    def hint(self, text: str) -> None:
        """Say on stderr, in one or more lines, what to do next; not with ``-q`` nor with JSON."""
        self._tell(escape_lines(text))

    def _tell(self, text: str) -> None:
        if not (self.quiet or self.json_wanted):
            self.stderr.write(f"{text}\n")
            self.stderr.flush()

    @contextmanager
    def working(self, text: str) -> Generator[None]:
        """Show that something takes a while: a spinner on a terminal, otherwise one line."""
        if self.quiet or self.json_wanted:
            yield
        elif self.stderr.isatty():
            from rich.text import Text

            with self.error_console.status(Text(escape_line(text))):
                yield
        else:
            self.progress(f"{text} …")
            yield

    def error(self, report: ErrorReport) -> None:
        """Print an error on stderr: words, or one JSON object of kind Error."""
        stream = self.stderr
        if self.json_wanted:
            envelope = {"kind": "Error", "version": ENVELOPE_VERSION, **report.to_plain()}
            stream.write(escape_json(json.dumps(envelope, ensure_ascii=False)) + "\n")
        elif report.exit == ExitCode.INTERRUPTED:
            stream.write("stopped\n")  # whoever pressed Ctrl-C knows why
        else:
            from rich.text import Text

            console = self.error_console
            console.print(
                Text("ERROR   ", style="bold red") + Text(escape_line(report.code), style="bold"),
                soft_wrap=True,
            )
            for paragraph in escape_lines(report.text).split("\n"):
                self._wrapped(console, paragraph, "        ")
            if report.transaction_id:
                line = f"        transaction {escape_line(report.transaction_id)}"
                console.print(line, markup=False, highlight=False, soft_wrap=True)
            if report.evidence:
                line = f"        evidence {escape_line(report.evidence)}"
                console.print(line, markup=False, highlight=False, soft_wrap=True)
            if report.remedy:
                self._wrapped(console, escape_line(report.remedy), "NEXT    ")
        stream.flush()

    @staticmethod
    def _wrapped(console: Console, text: str, first: str) -> None:
        for line in textwrap.wrap(
            text,
            width=min(console.width, 100),
            initial_indent=first,
            subsequent_indent="        ",
            break_long_words=False,
            break_on_hyphens=False,
        ):
            console.print(line, markup=False, highlight=False, soft_wrap=True)

    # ---- streams

    @property
    def stdout(self) -> TextIO:
        """Looked up late: a test or a pipe may have replaced it."""
        return self._stdout or sys.stdout

    @property
    def stderr(self) -> TextIO:
        return self._stderr or sys.stderr

    @property
    def console(self) -> Console:
        """Rich over stdout."""
        return self._console(self.stdout)

    @property
    def error_console(self) -> Console:
        """Rich over stderr."""
        return self._console(self.stderr)

    def _console(self, stream: TextIO) -> Console:
        from rich.console import Console

        return Console(
            file=stream,
            no_color=not self._color,
            color_system="auto" if self._color else None,
            width=None if stream.isatty() else PIPE_WIDTH,
            highlight=False,
            emoji=False,
        )


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> Table:
    """A plain table for people: bold headings, no lines; nothing in it is read as markup.

    A cell is a string, a list of strings (a line each), a rich renderable, a number or None (shown
    as a dash).
    """
    from rich.table import Table
    from rich.text import Text

    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for column in columns:
        made.add_column(column, overflow="fold")
    for row in rows:
        made.add_row(*(_cell(cell, Text) for cell in row))
    return made


def details(rows: Iterable[tuple[str, Any]]) -> Table:
    """Name and value, one pair a line, cells as in `table`; None is left out."""
    from rich.table import Table
    from rich.text import Text

    made = Table.grid(padding=(0, 2, 0, 0))
    made.add_column(style="dim", no_wrap=True)
    made.add_column(overflow="fold")
    for name, value in rows:
        if value is not None:
            made.add_row(Text(escape_line(name)), _cell(value, Text))
    return made


def _cell(value: Any, text_class: type[Text]) -> Any:
    if value is None or value in ("", []):
        return text_class("–")
    if isinstance(value, list):
        items = cast("list[object]", value)
        return text_class("\n".join(escape_line(str(item)) for item in items))
    if isinstance(value, (str, int, date)):
        return text_class(escape_line(str(value)))
    return _escaped_text(value) if isinstance(value, text_class) else value


def _escaped_text(text: Text) -> Text:
    """The text itself; a plain one without its controls when there are any."""
    escaped = escape_lines(text.plain)
    return text if escaped == text.plain else type(text)(escaped)
