# SPDX-License-Identifier: Apache-2.0
"""Transcripts of configuration changes: `simple`, `enter-joint` and `leave-joint`."""

from __future__ import annotations

from consensus.conf_change import Changer, ConfChangeError
from consensus.tracker import ProgressTracker
from tests.support.transcripts.describe import (
    describe_config,
    describe_progresses,
    parse_changes,
)
from tests.support.transcripts.format import Directive, TranscriptError, parse_flag

INFLIGHT_COUNT_MAX = 10


class ConfChangeTranscript:
    """The commands over one configuration, at first without members."""

    def __init__(self) -> None:
        self._tracker = ProgressTracker(inflight_count_max=INFLIGHT_COUNT_MAX)
        self._last_index = 0

    def handle(self, directive: Directive) -> str:
        """What a command prints: the configuration after it, or why it cannot be.

        Raises TranscriptError.
        """
        changes = parse_changes(directive.input)
        named = directive.named()
        is_auto_leave = parse_flag(named.pop("autoleave", ("false",))[0])
        if named or directive.bare():
            raise TranscriptError(f"arguments nobody knows: {directive.text}")
        changer = Changer(self._tracker, self._last_index)
        self._last_index += 1
        try:
            match directive.command:
                case "simple":
                    configuration = changer.simple(changes)
                case "enter-joint":
                    configuration = changer.enter_joint(changes, is_auto_leave=is_auto_leave)
                case "leave-joint":
                    if changes:
                        return "this command takes no input"
                    configuration = changer.leave_joint()
                case _:
                    raise TranscriptError(f"no command {directive.command}")
        except ConfChangeError as error:
            return str(error)
        self._tracker.config, self._tracker.progress = configuration
        config = describe_config(self._tracker.config)
        return f"{config}\n{describe_progresses(self._tracker.progress)}"
