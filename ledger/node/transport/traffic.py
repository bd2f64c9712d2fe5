# SPDX-License-Identifier: Apache-2.0
"""What went to and came from one validator, counted since the node's start."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PeerTraffic:
    """A snapshot for metrics and status; bytes are those of the messages in their frames."""

    is_connected: bool
    """Messages to the validator leave."""
    is_heard: bool
    """A stream of the validator is open."""
    queue_count: int
    queue_bytes: int
    sent_count: int
    sent_bytes: int
    sent_frames_count: int
    dropped_count: int
    """Messages that did not leave: no link, no room, isolation, too large."""
    connections_count: int
    """How often the link to the validator was made."""
    received_count: int
    received_bytes: int
    received_frames_count: int
    ignored_count: int
    """Messages that came while isolated from the validator, or of an unknown kind."""
    malformed_count: int
    """Streams of the validator that ended over a frame that is none, or too large."""


@dataclass(slots=True)
class TrafficCount:
    """The counters behind it; links and server raise them."""

    sent_count: int = 0
    sent_bytes: int = 0
    sent_frames_count: int = 0
    dropped_count: int = 0
    connections_count: int = 0
    received_count: int = 0
    received_bytes: int = 0
    received_frames_count: int = 0
    ignored_count: int = 0
    malformed_count: int = 0

    def freeze(
        self, *, is_connected: bool, is_heard: bool, queue_count: int, queue_bytes: int
    ) -> PeerTraffic:
        """The counts now, beside how the link stands."""
        return PeerTraffic(
            is_connected=is_connected,
            is_heard=is_heard,
            queue_count=queue_count,
            queue_bytes=queue_bytes,
            sent_count=self.sent_count,
            sent_bytes=self.sent_bytes,
            sent_frames_count=self.sent_frames_count,
            dropped_count=self.dropped_count,
            connections_count=self.connections_count,
            received_count=self.received_count,
            received_bytes=self.received_bytes,
            received_frames_count=self.received_frames_count,
            ignored_count=self.ignored_count,
            malformed_count=self.malformed_count,
        )
