# SPDX-License-Identifier: Apache-2.0
"""`pset completion`: the script that teaches a shell our commands and options.

click writes those for bash, zsh and fish; the one for PowerShell is here. Importing this module
makes it known to click.
"""

from __future__ import annotations

import os
from typing import Final

import click
from click.shell_completion import (
    CompletionItem,
    ShellComplete,
    add_completion_class,
    get_completion_class,
    split_arg_string,
)

from cli.command import PROGRAM, PsetCommand
from cli.context import CliContext, pass_context
from cli.errors import CommandError, ExitCode

COMPLETE_VARIABLE: Final = "_PSET_COMPLETE"
SHELLS: Final = ("bash", "zsh", "fish", "powershell")

# PowerShell gives the words before the cursor as text and takes back CompletionResult objects.
_POWERSHELL: Final = """\
Register-ArgumentCompleter -Native -CommandName %(prog_name)s -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)
    $before = $commandAst.ToString()
    if ($cursorPosition -lt $before.Length) { $before = $before.Substring(0, $cursorPosition) }
    $env:%(complete_var)s = 'powershell_complete'
    $env:COMP_WORDS = $before
    $env:COMP_INCOMPLETE = $wordToComplete
    try {
        & %(prog_name)s | ForEach-Object {
            $value, $help = $_ -split "`t", 2
            if (-not $help) { $help = $value }
            [System.Management.Automation.CompletionResult]::new(
                $value, $value, 'ParameterValue', $help)
        }
    }
    finally {
        Remove-Item Env:%(complete_var)s, Env:COMP_WORDS, Env:COMP_INCOMPLETE
    }
}
"""


class PowerShellComplete(ShellComplete):
    """Completion for Windows PowerShell 5 and PowerShell 7."""

    name = "powershell"
    source_template = _POWERSHELL

    def get_completion_args(self) -> tuple[list[str], str]:
        words = split_arg_string(os.environ["COMP_WORDS"])
        incomplete = os.environ.get("COMP_INCOMPLETE", "")
        arguments = words[1:]
        if incomplete and arguments and arguments[-1] == incomplete:
            arguments.pop()
        return arguments, incomplete

    def format_completion(self, item: CompletionItem) -> str:
        value = str(item.value)
        return f"{value}\t{' '.join(item.help.split())}" if item.help else value


add_completion_class(PowerShellComplete)


@click.command(
    "completion",
    cls=PsetCommand,
    examples="""
        $ pset completion bash > ~/.local/share/bash-completion/completions/pset
        $ pset completion zsh > ~/.zfunc/_pset                 # a directory in your fpath
        $ pset completion fish > ~/.config/fish/completions/pset.fish
        PS> pset completion powershell | Out-String | Invoke-Expression
    """,
)
@click.argument("shell", type=click.Choice(SHELLS))
@pass_context
def completion(context: CliContext, shell: str) -> ExitCode:
    """Print the completion script for SHELL."""
    from cli.main import pset

    found = get_completion_class(shell)
    if found is None:
        raise CommandError(
            f"no completion for {shell}", code="SHELL_UNKNOWN", remedy="See the choices in --help."
        )
    # Not `source()`: for bash click starts a bash there, to look at its version.
    maker = found(pset, {}, PROGRAM, COMPLETE_VARIABLE)
    script = maker.source_template % maker.source_vars()
    context.output.result("CompletionScript", {"shell": shell, "script": script}, script.rstrip())
    return ExitCode.DONE
