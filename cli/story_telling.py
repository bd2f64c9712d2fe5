# SPDX-License-Identifier: Apache-2.0
"""Telling a story: each command of it is run as it is printed, in this process.

Commands whose words are no part of the story are run with ``-o json`` and told in one line; the
others are shown as they print. A command that does not end as the story says stops the telling.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Generator, Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cli.context import CliContext
from cli.errors import CommandError, ExitCode
from cli.verification_words import style_report
from cli.wording import shorten
from psetcloud.stories.steps import Chapter, Command, Deed, Outcome, Step

if TYPE_CHECKING:
    from cli.output import Output
    from psetcloud.stories.steps import Sample, Story

MARGIN: Final = "   "
WIDTH_MAX: Final = 100
"""Columns of a command or sentence before it goes on in the next line, on a wide terminal."""
WIDTH_MIN: Final = 40
_INDENT: Final = 9
"""Where the second line of a command begins."""


@dataclass(frozen=True, slots=True)
class Ran:
    """A command that has ended."""

    exit_code: int
    stdout: str
    stderr: str

    @property
    def data(self) -> Mapping[str, Any]:
        """`data` of the JSON object that it printed; empty when it printed none."""
        return _read_envelope(self.stdout).get("data") or {}

    @property
    def error(self) -> Mapping[str, Any]:
        """The JSON object of its error; empty when there is none."""
        return _read_envelope(self.stderr)


def run_pset(arguments: Sequence[str]) -> Ran:
    """Run a `pset` command in this process and keep what it prints."""
    from cli.main import pset

    stdout, stderr = StringIO(), StringIO()
    with redirect_stdout(stdout), redirect_stderr(stderr):
        code = pset.main(list(arguments), standalone_mode=False, obj=CliContext())
    return Ran(int(code), stdout.getvalue(), stderr.getvalue())


def _read_envelope(text: str) -> Mapping[str, Any]:
    for line in reversed(text.splitlines()):
        if line.startswith("{"):
            try:
                envelope: object = json.loads(line)
            except ValueError:
                continue
            if isinstance(envelope, dict):
                return envelope  # pyright: ignore[reportUnknownVariableType]
    return {}


@dataclass(slots=True)
class Teller:
    """Tells stories on one network and remembers what was told."""

    output: Output
    network: str
    """As given to ``--network``."""
    home: Path | None = None
    told: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    _chapters_count: int = 0

    @property
    def width(self) -> int:
        """Columns to write in."""
        if not self.output.stdout.isatty():
            return WIDTH_MAX
        return max(WIDTH_MIN, min(WIDTH_MAX, self.output.console.width))

    def tell(self, story: Story) -> tuple[Sample, ...]:
        """Run a story to its end.

        Raises:
            CommandError: STORY_INTERRUPTED: a command did not end as it should.
        """
        try:
            step = next(story)
            while True:
                step = story.send(self._do(step))
        except StopIteration as end:
            samples: tuple[Sample, ...] = end.value
            return samples

    def run(self, command: Command, *, on_network: bool = True) -> Ran:
        """Print a command and run it.

        Raises:
            CommandError: STORY_INTERRUPTED.
            KeyboardInterrupt: the user stopped the command.
        """
        prefix: tuple[str, ...] = ()
        if on_network:
            prefix = ("--network", self.network)
        if self.home is not None:
            prefix = ("--home", str(self.home), *prefix)
        arguments = (*prefix, *command.arguments)
        words = format_command(arguments, command.saved_to)
        if command.text:
            self.output.words(["", *_paragraph(command.text, self.width)])
        self.output.words(list(_command_lines(words, self.width)))
        is_plain = command.is_shown or command.saved_to is not None
        ran = run_pset(arguments if is_plain else (*arguments, "-o", "json"))
        if ran.exit_code == ExitCode.INTERRUPTED:
            raise KeyboardInterrupt
        if ran.exit_code != command.exit_code:
            raise self._interrupted(words, ran)
        if command.saved_to is not None:
            command.saved_to.write_text(ran.stdout, encoding="utf-8")
        outcome = _outcome_line(command, ran)
        if command.is_shown:
            width = self.width if self.output.stdout.isatty() else None
            self.output.words(_shown(ran.stdout, command.lines_max, width))
        else:
            self.output.words(list(_paragraph(f"→ {outcome}", self.width)))
        self.told.append(
            {
                "text": command.text,
                "command": words,
                "exit": ran.exit_code,
                "outcome": outcome,
            }
        )
        return ran

    def _do(self, step: Step) -> Outcome:
        match step:
            case Chapter(title):
                self._chapters_count += 1
                self.output.words(["", _heading(f"{self._chapters_count}  {title}")])
                return Outcome()
            case Deed(text, how):
                self.output.words(
                    ["", *_paragraph(text, self.width), f"{MARGIN}(no command: {how})"]
                )
                self.told.append({"text": text, "command": None, "exit": None, "outcome": how})
                return Outcome()
            case Command():
                ran = self.run(step)
                return Outcome(ran.exit_code, ran.data)

    def _interrupted(self, words: str, ran: Ran) -> CommandError:
        error = ran.error
        told = str(error.get("text") or ran.stderr.strip() or ran.stdout.strip() or "no words")
        code = ExitCode.BROKEN
        if error and ran.exit_code in set(ExitCode):
            code = ExitCode(ran.exit_code)
        return CommandError(
            f"the story cannot go on: `{words}` ended with {ran.exit_code}: {told}",
            code=str(error.get("code") or "STORY_INTERRUPTED"),
            remedy=str(error.get("remedy") or "Run that command by hand with -v to see more."),
            exit_code=code,
        )


def format_command(arguments: Sequence[str], saved_to: Path | None = None) -> str:
    """The command as it can be typed."""
    words = shlex.join(("pset", *arguments))
    return words if saved_to is None else f"{words} > {shlex.quote(str(saved_to))}"


def _command_lines(words: str, width: int) -> Generator[Any]:
    """The command on one or more lines, broken so that it can still be copied."""
    from rich.text import Text

    lines = [""]
    for word in _split_kept(words):
        if lines[-1] and _INDENT + len(lines[-1]) + len(word) > width - 3:
            lines.append("")
        lines[-1] += (" " if lines[-1] else "") + word
    for number, line in enumerate(lines):
        start = f"{MARGIN}$ " if number == 0 else " " * _INDENT
        end = " \\" if number < len(lines) - 1 else ""
        yield Text(start + line + end, style="cyan", no_wrap=True, overflow="ignore")


def _split_kept(words: str) -> list[str]:
    """The words with their quotes; a flag keeps its value beside it."""
    parts: list[str] = []
    for word in shlex.split(words, posix=False):
        if parts and _is_flag(parts[-1]) and not word.startswith("-"):
            parts[-1] += f" {word}"
        else:
            parts.append(word)
    return parts


def _is_flag(part: str) -> bool:
    return part.startswith("--") and " " not in part


def _heading(title: str) -> Any:
    from rich.text import Text

    return Text(title, style="bold")


def _paragraph(text: str, width: int) -> Generator[str]:
    import textwrap

    yield from textwrap.wrap(
        text,
        width,
        initial_indent=MARGIN,
        subsequent_indent=MARGIN,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _shown(text: str, lines_max: int | None, width: int | None) -> Any:
    """What a command printed, moved to the right."""
    lines = text.strip("\n").split("\n")
    if lines_max is not None and len(lines) > lines_max:
        lines = [*lines[:lines_max], "…"]
    margin = 2 * MARGIN
    inner = None if width is None else width - len(margin)
    return style_report("\n".join(lines), width=inner, margin=margin)


def _outcome_line(command: Command, ran: Ran) -> str:
    """What came of a command, in one line."""
    if ran.exit_code != 0 and ran.error:
        return f"refused: {ran.error.get('code')}: {ran.error.get('text')}"
    if command.is_shown:
        return ran.stdout.strip().partition("\n")[0]
    data = ran.data
    parts: list[str] = []
    if data.get("transaction_id"):
        parts.append(f"{data['name']} in block {data['height']}")
    elif isinstance(data.get("height"), int):
        parts.append(f"certified up to block {data['height']}")
    if data.get("grant_id"):
        parts.append(f"grant {data['grant_id']}")
    if data.get("event"):
        parts.append(str(data["event"]))
    if data.get("did"):
        parts.append(shorten(str(data["did"])))
    if data.get("public_key"):
        parts.append(f"public key {shorten(str(data['public_key']))}")
    if data.get("file"):
        parts.append(str(data["file"]))
    if command.saved_to is not None:
        parts.append(str(command.saved_to))
    return ", ".join(parts) or "done"
