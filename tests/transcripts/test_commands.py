# SPDX-License-Identifier: Apache-2.0
"""Commands and arguments of the interaction suite beyond the files at hand, in transcripts of ours."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.transcripts.format import TranscriptError, parse_transcript
from tests.support.transcripts.interaction import InteractionTranscript
from tests.support.transcripts.suites import run_transcript

QUIET = "log-level none\n----\nok\n\n"
SNAPSHOT = """\
add-nodes 2 voters=(1,2,3) index=10 content=abc
----
ok

add-nodes 1 async-storage-writes=true
----
ok

campaign 1
----
ok

stabilize 1 2
----
ok

propose 1 "d"
----
ok

stabilize 1 2
----
ok

deliver-msgs drop=3
----
ok

log-level DEBUG
----
ok

compact 1 11
----
1/12 EntryNormal "\\"d\\""

compact 2 12
----
log is empty: first index=13, last index=12

compact 2 12
----
requested index is unavailable due to compaction

status 2
----
ok

send-snapshot 1 3
----
1->3 MsgSnap Term:1 Log:0/0
  Snapshot: Index:12 Term:1 ConfState:Voters:[1 2 3] VotersOutgoing:[] Learners:[] LearnersNext:[] AutoLeave:false

deliver-msgs 3 type=MsgApp
----
no messages

process-append-thread 3
----
no append work to perform

process-apply-thread 3
----
no apply work to perform

deliver-msgs 3 type=MsgSnap
----
1->3 MsgSnap Term:1 Log:0/0
  Snapshot: Index:12 Term:1 ConfState:Voters:[1 2 3] VotersOutgoing:[] Learners:[] LearnersNext:[] AutoLeave:false

process-ready 3
----
Ready MustSync=true:
Lead:1 State:StateFollower
HardState Term:1 Commit:12
Snapshot Index:12 Term:1 ConfState:Voters:[1 2 3] VotersOutgoing:[] Learners:[] LearnersNext:[] AutoLeave:false
Messages:
3->AppendThread MsgStorageAppend Term:1 Log:0/0 Commit:12
  Snapshot: Index:12 Term:1 ConfState:Voters:[1 2 3] VotersOutgoing:[] Learners:[] LearnersNext:[] AutoLeave:false Responses:[
  3->1 MsgAppResp Term:1 Log:0/12
  AppendThread->3 MsgStorageAppendResp Term:1 Log:0/0
    Snapshot: Index:12 Term:1 ConfState:Voters:[1 2 3] VotersOutgoing:[] Learners:[] LearnersNext:[] AutoLeave:false
]

deliver-msgs drop=3
----
no messages

stabilize 3 1
----
> 3 processing append thread
  Processing:
  3->AppendThread MsgStorageAppend Term:1 Log:0/0 Commit:12
    Snapshot: Index:12 Term:1 ConfState:Voters:[1 2 3] VotersOutgoing:[] Learners:[] LearnersNext:[] AutoLeave:false
  Responses:
  3->1 MsgAppResp Term:1 Log:0/12
  AppendThread->3 MsgStorageAppendResp Term:1 Log:0/0
    Snapshot: Index:12 Term:1 ConfState:Voters:[1 2 3] VotersOutgoing:[] Learners:[] LearnersNext:[] AutoLeave:false
> 3 receiving messages
  AppendThread->3 MsgStorageAppendResp Term:1 Log:0/0
    Snapshot: Index:12 Term:1 ConfState:Voters:[1 2 3] VotersOutgoing:[] Learners:[] LearnersNext:[] AutoLeave:false
> 1 receiving messages
  3->1 MsgAppResp Term:1 Log:0/12
> 1 handling Ready
  Ready MustSync=false:
  Messages:
  1->3 MsgApp Term:1 Log:1/12 Commit:12
> 3 receiving messages
  1->3 MsgApp Term:1 Log:1/12 Commit:12
> 3 handling Ready
  Ready MustSync=false:
  Messages:
  3->AppendThread MsgStorageAppend Term:0 Log:0/0 Responses:[
    3->1 MsgAppResp Term:1 Log:0/12
  ]
> 3 processing append thread
  Processing:
  3->AppendThread MsgStorageAppend Term:0 Log:0/0
  Responses:
  3->1 MsgAppResp Term:1 Log:0/12
> 1 receiving messages
  3->1 MsgAppResp Term:1 Log:0/12

raft-log 3
----
log is empty: first index=13, last index=12

status 1
----
1: StateReplicate match=12 next=13
2: StateReplicate match=12 next=13
3: StateReplicate match=12 next=13
"""
REMOVED = """\
add-nodes 2 voters=(1,2) learners=(3) index=2 step-down-on-removal=true
----
ok

campaign 1
----
ok

stabilize 1 2
----
ok

propose-conf-change 1 v1=true
r1
----
ok

stabilize 1 2
----
ok

log-level debug
----
ok

raft-state
----
1: StateFollower (Non-Voter) Term:1 Lead:0
2: StateFollower (Voter) Term:1 Lead:1

propose 1 late
----
raft proposal dropped

propose-conf-change 1 v1=true
v1 v2
----
v1 conf change can only have one operation and no transition

campaign 1
----
ok

process-ready 1 2
----
> 1 handling Ready
  <empty Ready>
> 2 handling Ready
  <empty Ready>

process-ready 1
----
<empty Ready>

log-level none
----
ok

propose 1 late
----
raft proposal dropped

log-level loud
----
log levels must be either of ['DEBUG', 'INFO', 'WARN', 'ERROR', 'FATAL', 'NONE']

add-nodes 1 voters=(1) index=1
----
index must be specified as > 1 due to bootstrap
"""


@pytest.mark.parametrize("text", [SNAPSHOT, REMOVED], ids=["snapshot", "removed"])
def test_transcript(tmp_path: Path, text: str) -> None:
    path = tmp_path / "own.txt"
    path.write_text(QUIET + text)
    _, difference = run_transcript(path, "interaction")
    assert difference is None, str(difference)


@pytest.mark.parametrize(
    "command",
    [
        "dance",
        "campaign 1",
        "campaign",
        "add-nodes 1 speed=3",
        "add-nodes 1 prevote=maybe",
        "add-nodes 1 read-only=never",
        "deliver-msgs 1 drop=1",
        "deliver-msgs type=MsgNone",
        "stabilize speed=3",
    ],
)
def test_what_is_not_known_is_an_error(command: str) -> None:
    """Not an output: a file that asks for more than there is must not pass by chance."""
    (directive,) = parse_transcript(f"{command}\n----\nok\n")
    with pytest.raises(TranscriptError):
        InteractionTranscript().handle(directive)
