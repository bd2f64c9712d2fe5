# SPDX-License-Identifier: Apache-2.0
"""Transcripts of quorum arithmetic: `committed` and `vote`.

Each answer is also computed in other ways that must agree; one that does not shows in the output,
where the file has no such line.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from consensus.quorum import JointVoters, get_committed_index, get_vote_result, majority
from tests.support.transcripts.describe import (
    VOTE_NAMES,
    describe_index,
    describe_list,
    describe_quorum,
)
from tests.support.transcripts.format import Directive, TranscriptError, parse_number

_NO_VOTERS: frozenset[int] = frozenset()
_VOTES = {"_": 0, "n": 1, "y": 2}


class QuorumTranscript:
    """The commands; nothing is kept between them."""

    def handle(self, directive: Directive) -> str:
        """What a command prints. Raises TranscriptError."""
        named = directive.named()
        unknown = named.keys() - {"cfg", "cfgj", "idx", "votes"}
        if unknown or directive.bare():
            raise TranscriptError(f"arguments nobody knows: {directive.text}")
        incoming = [parse_number(value) for value in named.get("cfg", ())]
        is_joint = "cfgj" in named
        outgoing_values = named.get("cfgj", ())
        outgoing = (
            [] if outgoing_values == ("zero",) else [parse_number(v) for v in outgoing_values]
        )
        order = list(dict.fromkeys([*incoming, *outgoing]))
        if directive.command == "committed":
            values = [0 if v == "_" else parse_number(v) for v in named.get("idx", ())]
        elif directive.command == "vote":
            values = [_VOTES[v] for v in named.get("votes", ())]
        else:
            raise TranscriptError(f"no command {directive.command}")
        if len(order) != len(values):
            listed = " ".join(f"{node}:{{}}" for node in sorted(order))
            return (
                "error: mismatched input (explicit or _) for voters "
                f"map[{listed}]: {describe_list(values)}"
            )
        given = {node: value for node, value in zip(order, values, strict=True) if value}
        voters = JointVoters(frozenset(incoming), frozenset(outgoing))
        if directive.command == "vote":
            return _vote(voters, {node: value == 2 for node, value in given.items()}, is_joint)
        return _committed(voters, given, is_joint)


def _vote(voters: JointVoters, votes: Mapping[int, bool], is_joint: bool) -> str:
    result = voters.get_vote_result(votes, majority)
    if is_joint:
        other = _swapped(voters).get_vote_result(votes, majority)
    else:
        other = get_vote_result(voters.incoming, votes, majority)
    note = f"{VOTE_NAMES[other]} <-- via symmetry\n" if other != result else ""
    return f"{note}{VOTE_NAMES[result]}\n"


def _committed(voters: JointVoters, acks: Mapping[int, int], is_joint: bool) -> str:
    table = describe_quorum(voters.ids(), acks.get)
    result = voters.get_committed_index(acks.get, majority)
    if is_joint:
        others = {"via symmetry": _swapped(voters).get_committed_index(acks.get, majority)}
    else:
        result = get_committed_index(voters.incoming, acks.get, majority)
        others = _other_ways(voters.incoming, acks, result)
    notes = "".join(
        f"{describe_index(other)} <-- {way}\n" for way, other in others.items() if other != result
    )
    return f"{table}{notes}{describe_index(result)}\n"


def _swapped(voters: JointVoters) -> JointVoters:
    return JointVoters(voters.outgoing, voters.incoming)


def _other_ways(
    voters: frozenset[int], acks: Mapping[int, int], result: int | None
) -> dict[str, int | None]:
    ways = {
        "via alternative computation": _count_down(sorted(voters), acks),
        "via zero-joint quorum": JointVoters(voters, _NO_VOTERS).get_committed_index(
            acks.get, majority
        ),
        "via self-joint quorum": JointVoters(voters, voters).get_committed_index(
            acks.get, majority
        ),
    }
    for voter in sorted(voters):
        ack = acks.get(voter, 0)
        if result is not None and result > ack > 0:
            # Who is behind what is committed may be further behind: it changes nothing.
            for lower in (ack - 1, 0):
                ways[f"overlaying {voter}->{lower}"] = get_committed_index(
                    voters, {**acks, voter: lower}.get, majority
                )
    return ways


def _count_down(voters: Sequence[int], acks: Mapping[int, int]) -> int | None:
    """The highest acknowledged index that more than half have reached, found by counting."""
    if not voters:
        return None
    reached = {
        index: sum(acks.get(voter, 0) >= index for voter in voters) for index in acks.values()
    }
    return max((index for index, count in reached.items() if 2 * count > len(voters)), default=0)
