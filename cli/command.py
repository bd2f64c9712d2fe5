# SPDX-License-Identifier: Apache-2.0
"""The classes of every command: global flags in any place, examples kept as written, exit codes.

- A command is declared with ``examples=``: a text of which each line appears in ``--help`` exactly so.
- A command that returns an `ExitCode` ends with it; one that returns nothing ends with 0.
- Everything raised becomes an exit code and an error report (`cli.errors`).
- A group names sub-commands by module and imports a module only when its command is used.
"""

from __future__ import annotations

import inspect
import os
import sys
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final

import click

from cli.context import CliContext, global_options
from cli.errors import ErrorReport, describe_error

PROGRAM: Final = "pset"
_FULL_TRACE: Final = 2
_SHORT_HELP_LIMIT: Final = 160


class PsetCommand(click.Command):
    """A command with examples that accepts the global flags."""

    def __init__(self, *args: Any, examples: str = "", **kwargs: Any) -> None:
        """Args: examples: lines for the help; those of a command line begin with ``$ pset``."""
        kwargs.setdefault("context_settings", {"max_content_width": 100})
        super().__init__(*args, **kwargs)
        self.examples = inspect.cleandoc(examples)

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        return [*super().get_params(ctx), *global_options(shown=False)]

    def invoke(self, ctx: click.Context) -> Any:
        state = ctx.ensure_object(CliContext)
        with state.logging(), state.saving_absence(ctx.params.get("proof")):
            return super().invoke(ctx)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        write_examples(self.examples, formatter)
        formatter.write("\nGlobal options, in any place: see `pset --help`.\n")


class PsetGroup(click.Group):
    """A group of commands that accepts the global flags; alone it prints its help."""

    command_class = PsetCommand

    def __init__(self, *args: Any, examples: str = "", **kwargs: Any) -> None:
        """Args: examples: as for PsetCommand."""
        kwargs.setdefault("no_args_is_help", False)
        kwargs.setdefault("context_settings", {"max_content_width": 100})
        super().__init__(*args, **kwargs)
        self.examples = inspect.cleandoc(examples)

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        return [*super().get_params(ctx), *global_options(shown=False)]

    def invoke(self, ctx: click.Context) -> Any:
        if not _rest(ctx):
            click.echo(ctx.get_help())
            return None
        return super().invoke(ctx)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        commands = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        rows = [
            (name, command.get_short_help_str(_SHORT_HELP_LIMIT))
            for name, command in commands
            if command is not None and not command.hidden
        ]
        if rows:
            with formatter.section("Commands"):
                formatter.write_dl(rows)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        write_examples(self.examples, formatter)
        formatter.write(f"\nHelp on one: `{ctx.command_path} COMMAND --help`.\n")


PsetGroup.group_class = PsetGroup


def _rest(ctx: click.Context) -> Sequence[str]:
    """What stands after a group's own flags. click keeps the first of it apart, by release under
    one name or the other.
    """
    name = "_protected_args" if hasattr(ctx, "_protected_args") else "protected_args"
    return [*getattr(ctx, name), *ctx.args]


def write_examples(examples: str, formatter: click.HelpFormatter) -> None:
    """Write the examples exactly as they are."""
    if examples:
        formatter.write("\nExamples:\n")
        for line in examples.splitlines():
            formatter.write(f"  {line}\n" if line else "\n")


@dataclass(frozen=True, slots=True)
class Entry:
    """Where a top-level command lies and what the overview says about it."""

    module: str
    attribute: str
    help: str


class RootGroup(PsetGroup):
    """`pset` itself: imports a command's module when it is used, ends every run with an exit code."""

    def __init__(self, sections: Mapping[str, Mapping[str, Entry]], **kwargs: Any) -> None:
        """Args: sections: commands by name, under the headings of the overview."""
        super().__init__(name=PROGRAM, **kwargs)
        self.sections = sections
        self._entries = {name: entry for part in sections.values() for name, entry in part.items()}

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(self._entries)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        entry = self._entries.get(cmd_name)
        if entry is None:
            return None
        command = getattr(import_module(entry.module), entry.attribute)
        assert isinstance(command, (PsetCommand, PsetGroup))
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError:
            from difflib import get_close_matches

            near = get_close_matches(args[0], self._entries, n=3)
            text = f"no such command {args[0]!r}"
            if near:
                text += f"; did you mean {' or '.join(near)}?"
            raise click.UsageError(text, ctx) from None

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        return [*click.Group.get_params(self, ctx), *global_options(shown=True)]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        width = max(len(name) for name in self._entries)
        for heading, entries in self.sections.items():
            with formatter.section(heading):
                formatter.write_dl(
                    [(name.ljust(width), entry.help) for name, entry in entries.items()]
                )

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        self.format_commands(ctx, formatter)
        records = [
            record for param in self.get_params(ctx) if (record := param.get_help_record(ctx))
        ]
        with formatter.section("Global options, before or after the command"):
            formatter.write_dl(records)

    def main(self, *args: Any, standalone_mode: bool = True, **extra: Any) -> Any:
        """Run; every way to end is an exit code."""
        arguments = list(args[0]) if args and args[0] is not None else extra.pop("args", None)
        arguments = sys.argv[1:] if arguments is None else list(arguments)
        extra["prog_name"] = PROGRAM
        state = extra.setdefault("obj", CliContext())
        if os.environ.get("_PSET_COMPLETE", "").startswith("powershell"):
            import_module("cli.completion")  # teaches click the shell that it does not know
        try:
            answer = super().main(arguments, standalone_mode=False, **extra)
            code = int(answer) if isinstance(answer, int) else 0
        except BrokenPipeError:
            # The reader went away (`pset … | head`): no fault of ours, and nobody listens.
            sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115
            code = 0
        except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - the last resort of the program
            code = _report(error, state, arguments).exit
        if not standalone_mode:
            return code
        sys.exit(code)


def _report(error: BaseException, state: CliContext, arguments: Sequence[str]) -> ErrorReport:
    report = describe_error(error)
    output = state.output
    # A flag behind the one that could not be parsed has not been seen yet.
    output.json_wanted = output.json_wanted or _is_json_asked(arguments)
    if state.settings.verbose >= _FULL_TRACE and not isinstance(error, click.ClickException):
        traceback.print_exception(error, file=output.stderr)
    output.error(report)
    return report


def _is_json_asked(arguments: Sequence[str]) -> bool:
    for position, argument in enumerate(arguments):
        if argument == "--":
            return False
        if argument in {"-ojson", "-o=json", "--output=json"}:
            return True
        if argument in {"-o", "--output"} and list(arguments[position + 1 : position + 2]) == [
            "json"
        ]:
            return True
    return False
