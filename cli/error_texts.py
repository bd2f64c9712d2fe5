# SPDX-License-Identifier: Apache-2.0
"""Codes that are no answer of the ledger and no verdict: from SDK, commands and node processes.

What each means in general; the error itself says more. A test compares the table with the codes that
the source names. Long because it is one table of texts.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

_YOU: Final = "you"
_OPERATOR: Final = "the network's or the node's operator"
_ADMINISTRATOR: Final = "whoever administers this computer"
_ANYBODY: Final = "nobody: try again"

_INPUT: Final = {
    "USAGE": ("The command was called in a way it does not know.", "See the command's --help."),
    "WORD_UNKNOWN": (
        "There is no code, operation or field of this name.",
        "See `pset explain --all`.",
    ),
    "NOT_CONFIRMED": (
        "Something that cannot be undone was not agreed to.",
        "Add --yes to agree.",
    ),
    "NO_ORGANISATION": (
        "The command acts for an organisation, and none is named.",
        "Add --as ORG or set PSET_AS.",
    ),
    "ORGANISATION_MISSING": (
        "The call acts for an organisation, and none is named.",
        "Connect with org=NAME, or add --as ORG.",
    ),
    "ORGANISATION_MALFORMED": (
        "This is no organisation's DID, short name or code.",
        "Write a DID, a short name such as qcto, or a code such as qcto:SDP-0142.",
    ),
    "SHELL_UNKNOWN": ("There is no completion for this shell.", "Choose one that --help names."),
    "ARGUMENT_TYPE": (
        "A call of the SDK was given a value of another kind than it takes.",
        "Give the argument as the documentation of the call has it.",
    ),
    "AT_IN_FUTURE": ("The time asked about has not come.", "Ask about today or a day before."),
    "DATE_OUT_OF_RANGE": ("The date lies before 1970.", "Give a later one."),
    "TIME_ZONE_MISSING": (
        "An instant without a time zone could be any of many.",
        "Give a time zone, or a date for a whole day.",
    ),
    "MAX_AGE_INVALID": ("Facts cannot be younger than now.", "Give a duration such as 7d."),
    "REQUIREMENT_UNKNOWN": (
        "A policy cannot require this.",
        "Choose of the words that the error names.",
    ),
    "LANGUAGE_UNKNOWN": ("There are no texts in this language.", "Choose one of those named."),
    "DID_MALFORMED": (
        "This is no DID of the network that was asked.",
        "`pset org show ORG` names an organisation's DID.",
    ),
    "KEY_MALFORMED": (
        "This writes no key of the state.",
        "See the forms in `pset ledger get --help`.",
    ),
    "TRANSACTION_ID_INVALID": (
        "This is neither a transaction id nor an idempotency key.",
        "An id has 64 hexadecimal digits, a key 32.",
    ),
    "TRANSACTION_UNKNOWN": (
        "The node asked knows no such transaction; others may.",
        "Check the id and the network; ask again in a moment.",
    ),
    "IDEMPOTENCY_KEY_INVALID": (
        "An idempotency key has 16 bytes, not all zero.",
        "Give 32 hexadecimal digits, or leave it out.",
    ),
    "EXPIRY_INVALID": (
        "A transaction may wait at most 24 hours for its block.",
        "Give a shorter time.",
    ),
    "REASON_UNKNOWN": ("Reasons are codes, not free text.", "Choose one that the error names."),
    "RESOURCE_NAME_MALFORMED": (
        "This is no name or URL of a published document.",
        "Write NAME, NAME@VERSION or did:…/resources/UUID.",
    ),
    "RESOURCE_TYPE_UNKNOWN": (
        "There is no such type of published document.",
        "Choose one that the error names.",
    ),
    "RESOURCE_UNKNOWN": (
        "No document of this name, version or URL is published.",
        "See `pset schema list`.",
    ),
    "STATUS_LIST_URL": ("This is no URL of a status list.", "Copy it from a credential."),
    "STATUS_PURPOSE_UNKNOWN": (
        "Status lists are for revocation, suspension or messages.",
        "Choose one of the three.",
    ),
    "HEIGHT_UNKNOWN": (
        "There is no certified block of this height; the first one has height 1.",
        "See `pset ledger head`.",
    ),
    "KEY_URI_UNKNOWN": (
        "The address names no kind of key.",
        "Give a path or file:PATH.",
    ),
    "KEY_TYPE_UNKNOWN": ("There is no such type of key.", "Choose ed25519, p256 or bls."),
    "KEY_TYPE_NOT_FOR_ROLE": (
        "A key of this type cannot serve the role.",
        "Votes are signed by bls or ed25519 keys, all else by ed25519 or p256.",
    ),
    "KEY_ROLE_UNKNOWN": (
        "There is no such role of a key.",
        "Choose admin, ledger, issue, vote or recovery.",
    ),
    "KEY_NAME_INVALID": (
        "A key cannot be called so.",
        "Use 1 to 64 of a-z 0-9 . _ -, beginning with a letter or digit.",
    ),
    "KEY_ROLE_NOT_HELD": (
        "The organisation's key for this is not in the key store.",
        "Make one with `pset key generate`, or act for another organisation with --as.",
    ),
    "KEY_NOT_IN_DID": (
        "The key that signs is not one of the organisation's on the ledger.",
        "Check --as and the key; `pset did show` lists the keys of a DID.",
    ),
    "KEY_ROTATION_UNCLEAR": (
        "Several keys of the DID have this role.",
        "Name the one to retire with --old-key.",
    ),
    "PASSPHRASE_NEEDED": (
        "The key file is encrypted.",
        "Give the passphrase at the prompt, or a file in PSET_PASSPHRASE_FILE.",
    ),
    "PASSPHRASE_WRONG": ("The passphrase does not open the file.", "Try it again."),
    "PASSPHRASE_UNUSABLE": (
        "This cannot be a passphrase.",
        "Use one of 1 to 1024 bytes.",
    ),
    "PASSPHRASE_FILE_PERMISSIONS": (
        "Others may read or change the file named in PSET_PASSPHRASE_FILE.",
        "chmod 600 it.",
    ),
    "PASSPHRASE_FILE_UNREADABLE": (
        "The file named in PSET_PASSPHRASE_FILE cannot be read.",
        "Name a text file of one line.",
    ),
    "FILE_UNREADABLE": ("A file cannot be read.", "Check the path and its permissions."),
    "FILE_UNWRITABLE": (
        "A file cannot be written.",
        "Choose a directory that you may write to.",
    ),
    "FILE_UNUSABLE": (
        "A file or directory cannot be used.",
        "Check the path, the permissions and the space left.",
    ),
    "FILE_EXISTS": ("The file is there already.", "Choose another path."),
    "FILE_NOT_FOUND": ("There is no such file.", "Check the path."),
    "CONTENT_MALFORMED": ("The file is no JSON object.", "Mend it; the error names the place."),
    "PROOF_TOO_LARGE": (
        "The answer rests on more than one proof file can hold.",
        "Ask for less: one organisation, one grant, one list.",
    ),
    "NETWORK_UNKNOWN": (
        "No such network is configured, or the directory holds none.",
        "See `pset network list`; a directory is written with a slash in it.",
    ),
    "NETWORK_NAME_INVALID": (
        "A network cannot be called so.",
        "Use 1 to 20 of a-z, 0-9 and hyphen.",
    ),
    "NETWORK_URL": (
        "A trust root is never taken from a URL.",
        "Pin the network first: `pset network add URL --fingerprint HEX`.",
    ),
    "NETWORK_EXISTS": (
        "There is a network of this name, or in this directory, already.",
        "Choose another name or directory, or remove the old one.",
    ),
    "NETWORK_NOT_FOUND": (
        "The directory holds no network.",
        "Make one with `pset network up`, or name its directory with --dir.",
    ),
    "NETWORK_SOURCE_TOO_LARGE": (
        "What was fetched is too large for a network's files.",
        "Check the address.",
    ),
    "FINGERPRINT_INVALID": (
        "A fingerprint has 64 hexadecimal digits.",
        "Ask the network's operators for it.",
    ),
    "NOT_A_DEVELOPMENT_NETWORK": (
        "This works on development networks only.",
        "Name the directory of one, or leave the option out.",
    ),
    "NODE_UNKNOWN": ("The network has no node of this name.", "See `pset network status`."),
    "NODE_EXISTS": (
        "A validator of the network has this name already.",
        "Choose another name, or leave it out.",
    ),
    "NODE_REMOVED": (
        "The validator was removed, which is final.",
        "A validator with another name can join: `pset network add-node`.",
    ),
    "NODE_NOT_READY": (
        "A node, or the network, did not come so far in time.",
        "See its logs and `pset network status`; repeat the command: it goes on where it stopped.",
    ),
    "NETWORK_OF_ONE": (
        "The only validator of a network was made without a listener for others.",
        "Begin with several: `pset network up --nodes 3`.",
    ),
    "NETWORK_FILE": (
        "network.json is not what a development network holds.",
        "Put the file back that `pset network up` made, or remove the network.",
    ),
    "VALIDATOR_FILE": (
        "The record that was made with a validator's home is missing or damaged.",
        "Put the file validator.bin back.",
    ),
    "LEADER_UNKNOWN": (
        "No validator of the network knows who leads now.",
        "Ask again in some seconds; `pset network status` says whether there is a quorum.",
    ),
    "NOTHING_TO_ISOLATE": (
        "The only validator of a network has no others to be cut off from.",
        "Make a network of several: `pset network up --nodes 3`.",
    ),
    "NETWORK_DIFFERS": (
        "The directory holds a network that was made with other options.",
        "Leave the option out, or choose another directory.",
    ),
    "OPTION_INVALID": ("An option has a value it cannot have.", "Use one that the error names."),
    "STORE_OTHER_ISSUER": (
        "The store belongs to another issuer.",
        "Name the right file with --store, or the right organisation with --as.",
    ),
    "STORE_OTHER_NETWORK": (
        "The store was made for another network.",
        "Use a store of its own for each network.",
    ),
    "STORE_CLOSED": ("The store was closed.", "Make a new Issuer."),
    "STATUS_LIST_FULL": (
        "No free place was found in the status lists of the store.",
        "Publish another list.",
    ),
    "PLANS_UNFINISHED": (
        "Too many transactions of the store are unfinished.",
        "Run the interrupted command again; it continues.",
    ),
    "CLIENT_CLOSED": ("The client was closed.", "Connect again."),
    "SYNC_CALL_IN_CALLBACK": (
        "The synchronous client was called from its own event loop.",
        "Use psetledger.aio there.",
    ),
    "ENDORSEMENT_DIFFERS": (
        "The request names the organisation otherwise than the endorser.",
        "Ask the organisation for a request with the right name.",
    ),
    "POWER_UNKNOWN": (
        "The charter of this network knows no such power.",
        "Choose one that the error names.",
    ),
    "TERM_REVERSED": (
        "The last day lies before the first.",
        "Give --until a day not before --from.",
    ),
    "SOURCE_NOT_FOUND": (
        "What is to be verified is no file and no credential as text.",
        "Check the path; - reads standard input.",
    ),
    "SOURCE_EMPTY": (
        "An empty text was given in the place of a file.",
        "Give a file, - or the text of a credential; see whether a variable is empty.",
    ),
    "SOURCE_IS_DIRECTORY": ("A directory is no credential.", "Name the files in it."),
    "SOURCE_REPEATED": ("Standard input is named twice.", "Name it once."),
    "TOO_MANY_SOURCES": ("Too many sources for one run.", "Verify them in several runs."),
    "DOCUMENT_MALFORMED": ("The file is no credential.", "Give one such as learner.vc.json."),
    "DRAFT_MALFORMED": (
        "The values have a form that no field can have.",
        "See the template's example: `pset credential template show NAME --example`.",
    ),
    "RECORD_UNREADABLE": ("The input record cannot be read.", "Check the path."),
    "RECORD_MALFORMED": (
        "The input record is no JSON object of the template's fields.",
        "See the template's example: `pset credential template show NAME --example`.",
    ),
    "RECORD_ID_MALFORMED": (
        "A record id cannot be like this.",
        "Use your own identifier of the record, on one line.",
    ),
    "RECORD_EXISTS": (
        "Another content was issued under this record id.",
        "Use another record id; corrections replace the old credential.",
    ),
    "RECORD_UNKNOWN": (
        "The store knows no credential with this record id.",
        "Check the id, and the store named with --store.",
    ),
    "RECORDS_TOO_MANY": ("Too many records for one call.", "Split them."),
    "RECORDS_UNREADABLE": (
        "The file is no list of record ids.",
        "Give a UTF-8 text file with one record id a line.",
    ),
    "IDEMPOTENCY_KEY_NOT_TAKEN": (
        "Issuing is repeatable by the record id and takes no other key.",
        "Leave --idempotency-key out; the same --record-id again writes the same credential.",
    ),
    "NO_RECORDS": ("No credential is named.", "Add --record-id ID or --from-file FILE."),
    "TEMPLATE_NAME_MALFORMED": (
        "This is no name of a template.",
        "Write NAME or NAME@VERSION; see `pset credential template list`.",
    ),
    "TEMPLATE_UNREADABLE": ("The template file cannot be read.", "Check the path."),
    "TEMPLATE_UNKNOWN": (
        "No such template is published.",
        "See `pset credential template list`.",
    ),
    "TEMPLATE_MALFORMED": (
        "The published template cannot be used to issue.",
        "Use another version of it, or tell its publisher.",
    ),
    "TEMPLATE_NOT_PUBLISHED": (
        "This very template is not on the ledger.",
        "Publish it with `pset schema publish`, or use a published one.",
    ),
    "ISSUE_KEY_TYPE": (
        "Credentials are signed with Ed25519 keys.",
        "Give the organisation's ed25519 issue key.",
    ),
    "ISSUE_KEY_NOT_VALID": (
        "The key is not, now, one with which the organisation issues.",
        "See `pset did show`; put a new key in place with `pset did rotate-key`.",
    ),
    "QUALIFICATION_MISMATCH": (
        "The qualification in the values is not the one asked for.",
        "Correct the record.",
    ),
    "STORE_NOT_FOUND": (
        "There is no such issuer's store.",
        "Name it with --store; the first issue makes it.",
    ),
    "STATE_TOO_OLD": (
        "No node proves a state of the last minutes: the network stands, or the clock here is wrong.",
        "Check the clock and `pset network status`; for older truth ask with --at.",
    ),
    "STATUS_LIST_LEFT": (
        "Others made new status lists for this store while a credential was being issued.",
        "Issue it again.",
    ),
    "STATUS_LIST_BUSY": (
        "Others changed the status list at the same time, again and again.",
        "Try again; let one process change one list.",
    ),
    "DIRECTORY_NOT_EMPTY": (
        "A network is made in a directory of its own, and this one is not empty.",
        "Choose another, or remove an earlier network: `pset network down --dir DIR --purge`.",
    ),
    "STORY_UNKNOWN": ("There is no such story in this release.", "See `pset demo --help`."),
    "STORY_INTERRUPTED": (
        "A command of the story did not end as it should.",
        "The command and its answer are printed above: try it alone.",
    ),
    "ALLOWED": (
        "The decision is yes: the organisation may, by the ledger's present state.",
        "Nothing.",
    ),
    "MODULE_MISSING": (
        "A module that this command needs is not installed.",
        "pip install 'psetledger[node]'; nodes run on Linux.",
    ),
    "INTERRUPTED": (
        "The command was stopped before its end.",
        "Run it again; what was certified stays.",
    ),
}

_COMPUTER: Final = {
    "KEY_NOT_FOUND": ("There is no such key file.", "See `pset key list`."),
    "KEY_FILE_PERMISSIONS": (
        "Others may read or change a private key.",
        "chmod 600; if others had access, rotate the key.",
    ),
    "KEY_FILE_UNREADABLE": (
        "A key file cannot be read.",
        "Run as the user to whom the key belongs.",
    ),
    "KEY_FILE_MALFORMED": (
        "The file is no key file, or it is damaged.",
        "Restore it from a backup, or make a new key and rotate to it.",
    ),
    "KEY_INVALID": ("This is no private key of its type.", "Make one with `pset key generate`."),
    "KEY_NAME_MISMATCH": (
        "A key file has another name than the key in it.",
        "Rename the file.",
    ),
    "KEY_STORE_FULL": ("The key store holds as many keys as it may.", "Remove retired keys."),
    "KEY_STORE_PERMISSIONS": (
        "Others may write in the key store.",
        "chmod 700 the directory that the error names.",
    ),
    "KEY_STORE_UNWRITABLE": (
        "The key store cannot be written to.",
        "Choose a directory that you may write to.",
    ),
    "PKCS11_UNAVAILABLE": (
        "This release signs with key files only.",
        "PKCS#11 is not supported yet: use a key file, file:PATH.",
    ),
    "PROFILE_DAMAGED": (
        "The profile cannot be read.",
        "Remove it and choose again with `pset network use NAME`.",
    ),
    "NETWORK_DAMAGED": (
        "A configured network's files cannot be read.",
        "Add the network again from its operators' files.",
    ),
    "NETWORK_SOURCE_UNREACHABLE": (
        "The network's files cannot be fetched.",
        "Check the address and HTTPS_PROXY, or give the files themselves.",
    ),
    "TRUST_STATE_DAMAGED": (
        "What this computer remembered of the network cannot be read.",
        "Remove trust.json in the network's directory; everything is checked anew.",
    ),
    "SIGNATURE_NOT_GOOD": (
        "The signer returned a signature that does not verify.",
        "Check the key file or the hardware module.",
    ),
    "STORE_DAMAGED": (
        "The issuer's store is damaged.",
        "Restore it from a backup; keep the damaged file.",
    ),
    "STORE_BUSY": ("Another process uses the store.", "Wait for it to end."),
    "STORE_KEY_MALFORMED": ("The store's key file is damaged.", "Restore it from a backup."),
    "STORE_KEY_MISMATCH": (
        "The key file beside the store belongs to another store.",
        "Put the right one there.",
    ),
    "STORE_KEY_MISSING": (
        "The store's key file is missing.",
        "Restore it from a backup; without it the store cannot be read.",
    ),
    "STORE_PERMISSIONS": ("Others may read or change the store.", "chmod 600 it."),
    "STORE_UNWRITABLE": ("The store cannot be written.", "Check the path and the space left."),
    "STORE_VERSION": ("The store was written by a newer release.", "Install that release."),
    "DISK_FULL": ("No space is left on the disk.", "Free some."),
}

_NODE: Final = {
    "CONFIG_NOT_FOUND": (
        "The directory holds no configuration of a node.",
        "Name the node's home with --dir.",
    ),
    "CONFIG_MALFORMED": ("config.toml is no TOML.", "Mend it; the error names the place."),
    "CONFIG_INVALID": (
        "An option in config.toml has a value it cannot have.",
        "Mend the option that the error names.",
    ),
    "GENESIS_NOT_FOUND": (
        "The node's genesis document is not where the configuration says.",
        "Put it there.",
    ),
    "GENESIS_INVALID": ("The node's genesis document is none.", "Get it from the operators."),
    "HOME_EXISTS": ("The directory is a node's home already.", "Choose another."),
    "KEY_MISMATCH": (
        "A key of the node is not the one in its record.",
        "Put this validator's keys into its home.",
    ),
    "KEY_ROLE_WRONG": (
        "A key file of the node has another role.",
        "Put this validator's keys into its home.",
    ),
    "DESCRIPTORS_TOO_FEW": (
        "The system allows the node too few open files.",
        "Raise the limit (ulimit -Hn, LimitNOFILE=), or lower api.connections_count_max.",
    ),
    "LISTEN_FAILED": (
        "The node cannot listen at its address.",
        "Free the port, or choose another in config.toml.",
    ),
    "NO_FREE_PORT": (
        "No port of this machine is free for a node.",
        "End what holds them, or try again.",
    ),
    "VALIDATOR_UNKNOWN": (
        "The genesis document knows no such validator.",
        "Set node.id in config.toml to the validator's id.",
    ),
    "VALIDATOR_ID_INVALID": (
        "A validator cannot be called so.",
        "Use 1 to 32 of a-z, 0-9 and hyphen.",
    ),
    "ORDERING_UNSUPPORTED": (
        "This release cannot order blocks for so many validators.",
        "Install a newer one.",
    ),
    "NOT_PERMITTED": (
        "The node's configuration does not allow what was asked of it.",
        "On a development network set testing.isolation = true and start the node again.",
    ),
    "NOT_LEADER": (
        "Only the validator that leads can do this.",
        "Ask the leader; `pset network status` names it.",
    ),
    "PEER_UNKNOWN": (
        "The network has no other validator of this id.",
        "Name one that `pset network status` shows.",
    ),
    "ADMIN_SOCKET": (
        "The socket for the node's operator cannot be used.",
        "See what the error says of the path, the directory or the node that holds it.",
    ),
    "NODE_NOT_ANSWERING": (
        "Nobody answers at the node's socket for its operator.",
        "Start the node, or see its log.",
    ),
    "KEY_SCHEME_WRONG": (
        "The validator's vote key is of another type than the network's certificate scheme asks for.",
        "Put the keys of this network's validator into the keys directory.",
    ),
    "SCHEME_UNKNOWN": (
        "There is no certificate scheme of this name.",
        "Use bls12381 or ed25519.",
    ),
    "SCHEME_UNSUPPORTED": (
        "This release cannot vote in the network's certificate scheme.",
        "Install a newer one.",
    ),
    "TLS_KEY_MISMATCH": (
        "The TLS key is not that of the certificate in the validator's record.",
        "Put this validator's keys into its home.",
    ),
    "TLS_KEY_TYPE": ("The TLS key is no P-256 key.", "Put this validator's keys into its home."),
    "PEER_ADDRESS_MISSING": (
        "The node's configuration does not say where another validator listens.",
        "Add it to peers.addresses in config.toml.",
    ),
    "ISOLATION_NOT_ALLOWED": (
        "A validator is cut off from others on networks for development only.",
        "There, set testing.isolation in config.toml.",
    ),
    "NODE_RUNNING": ("A node runs on this home already.", "Stop it first: `pset node stop`."),
    "NODE_NOT_RUNNING": ("The node does not run.", "Start it: `pset node start`."),
    "NODE_NOT_STARTED": ("The node ended or certified nothing.", "See its logs."),
    "NODE_NOT_STOPPING": ("The node's process does not end.", "Look at the machine's disk."),
    "NETWORK_ENDED": ("All nodes of the network ended by themselves.", "See their logs."),
    "MEMORY_NETWORK_ENDED": (
        "The network was kept in memory and ended when it stopped.",
        "Remove it with `pset network down --purge`, then `pset network up` again.",
    ),
    "VOTE_RECORD_MISSING": (
        "The validator's data are gone, so its key must not vote again.",
        "Make a development network anew: `pset network down --purge`, then up.",
    ),
    "STORAGE_IO": ("The node's storage failed.", "Check the disk."),
    "STORAGE_UNAVAILABLE": (
        "The library of the chosen storage is not installed.",
        "pip install 'psetledger[node]', or use --storage memory.",
    ),
    "STORAGE_LOCKED": ("Another process holds the node's data.", "Stop that process."),
    "STORE_CORRUPT": (
        "Stored bytes are damaged.",
        (
            "Keep the directory as evidence and check the disk. Other validators hold the chain; in a"
            " network of one nobody else does."
        ),
    ),
    "STORE_INCONSISTENT": (
        "Parts of the store contradict each other.",
        (
            "Keep the directory as evidence and check the disk. Other validators hold the chain; in a"
            " network of one nobody else does."
        ),
    ),
    "STORE_FORMAT": ("The data were written in another format.", "Install the right release."),
    "STORE_OTHER_CHAIN": (
        "The data belong to another network.",
        "Check the node's genesis and directory.",
    ),
    "DIVERGENCE": (
        "The same block had another result here than was certified.",
        "Stop the node, keep its directory, and tell the other operators.",
    ),
    "INTERNAL": ("This is a bug.", "Report it with what -vv prints, or with the node's log."),
}

_NETWORK: Final = {
    "NOT_REACHABLE": (
        "No node can be reached.",
        "Check the connection; on a development network see `pset network status`.",
    ),
    "NO_ANSWER": (
        "The connection or the time ended before the answer came.",
        "Try again; for a write look at `pset ledger tx` first.",
    ),
    "OUTCOME_UNKNOWN": (
        "A validator may have taken the transaction, and none says what became of it.",
        "Look it up with `pset ledger tx ID`, or repeat it with the same key.",
    ),
    "PENDING": (
        "The transaction waits for its block.",
        "Ask again with `pset ledger tx ID`.",
    ),
    "NODE_FAULT": ("A node failed.", "Try again; its operator's log says more."),
    "REQUEST_REFUSED": (
        "A node refused the request without a code.",
        "Look a write up with `pset ledger tx` before you repeat it.",
    ),
    "NO_QUORUM": (
        "Too few validators run, or vote, for the network to certify anything.",
        "Start the others; the same call, repeated with its key, then completes once.",
    ),
    "NO_LEADER": (
        "The validators have not agreed yet who leads them.",
        "Try again in a moment; see `pset network status`.",
    ),
    "NO_ENDPOINTS": (
        "No address of any node is known for this network.",
        "Add the network again from its operators' files.",
    ),
    "STATE_MOVING": (
        "The state changed while the answer was fetched.",
        "Try again.",
    ),
    "ANSWER_TOO_LARGE": ("The answer is larger than one may be.", "Ask for less at a time."),
}

_LIES: Final = {
    "PROOF_DAMAGED": (
        "The proof file was damaged on its way, or is none.",
        "Ask for the file again; nothing in it can be relied on.",
    ),
    "PROOF_FAILS": (
        "The proof does not hold.",
        "Do not rely on it. Keep the file and tell the network's operators.",
    ),
    "FINGERPRINT_MISMATCH": (
        "The genesis is not the one that was pinned.",
        "Do not use it. Compare the eight words with the network's operators.",
    ),
    "NODE_LIED": (
        "A node's answer did not prove what it said.",
        "Do not rely on it. Send the evidence to the network's operators.",
    ),
    "OLD_STATE": (
        "A node answered with an older state than is known already.",
        "Ask another node; send the evidence to the network's operators.",
    ),
    "CONFLICTING_HEADS": (
        "Two certified blocks contradict each other.",
        "Rely on nothing from this network until its operators have explained the evidence.",
    ),
    "HEAD_FROM_FUTURE": (
        "A block is dated ahead of this computer's clock.",
        "Set the clock; if it is right, send the evidence to the network's operators.",
    ),
    "OTHER_VALIDATORS": (
        "The answer is certified by validators who, as far as this computer knows, are none.",
        "Ask another node; before a proof file is checked, read something from the network.",
    ),
    "VALIDATORS_FORGOTTEN": (
        "The validators have changed very often since that height; those of it are not remembered.",
        "Ask for a block near the beginning or the present of the chain; states can always be read.",
    ),
    "GENESIS_CERTIFICATE_INVALID": (
        "A validator's TLS certificate in the genesis is none that can be used.",
        "Get the genesis again from the network's operators.",
    ),
    "GENESIS_INCONSISTENT": (
        "Parts of the genesis contradict each other.",
        "Get the genesis again from the network's operators.",
    ),
    "GENESIS_KEY_INVALID": (
        "The genesis holds a key that is none.",
        "Get the genesis again from the network's operators.",
    ),
    "GENESIS_MALFORMED": (
        "The genesis is no document of this form.",
        "Get the genesis again from the network's operators.",
    ),
    "GENESIS_NOT_CANONICAL": (
        "The genesis is not in its one canonical form: it was edited or reformatted.",
        "Get the genesis again from the network's operators; never edit it.",
    ),
    "GENESIS_POSSESSION_INVALID": (
        "A validator has not proven that it holds its voting key.",
        "Do not use this genesis; tell the network's operators.",
    ),
    "GENESIS_REQUEST_INVALID": (
        "An organisation in the genesis has not signed its own entry.",
        "Do not use this genesis; tell the network's operators.",
    ),
    "GENESIS_UNSUPPORTED": (
        "The genesis asks for what this release does not know.",
        "Install a newer psetledger.",
    ),
    "CERTIFICATE_INVALID": (
        "A block's certificate does not verify: its signatures are not the validators'.",
        "Do not rely on the answer. Send the evidence to the network's operators.",
    ),
    "NOT_CERTIFIED": (
        "A block was shown without a certificate.",
        "Do not rely on the answer. Send the evidence to the network's operators.",
    ),
    "HEAD_MISMATCH": (
        "The block shown is not the one that the certificate is for.",
        "Do not rely on the answer. Send the evidence to the network's operators.",
    ),
    "VALIDATORS_MISMATCH": (
        "A block names other validators than were certified for its height.",
        "Do not rely on the answer. Send the evidence to the network's operators.",
    ),
    "CHANGE_FORGED": (
        "A change of the validators is not certified by those before it.",
        "Do not rely on the answer. Send the evidence to the network's operators.",
    ),
    "SET_MISMATCH": (
        "The validators shown are not those that were certified.",
        "Do not rely on the answer. Send the evidence to the network's operators.",
    ),
    "PATH_TRUNCATED": (
        "Changes of the validators are left out: the rest leads nowhere.",
        "Do not rely on the answer. Send the evidence to the network's operators.",
    ),
    "PATH_TOO_LONG": (
        "An answer shows more changes of the validators than one may hold.",
        "Do not rely on the answer. Send the evidence to the network's operators.",
    ),
    "STEP_REPEATED": (
        "A change of the validators is shown that is known already.",
        "Do not rely on the answer. Send the evidence to the network's operators.",
    ),
    "STEPS_OUT_OF_ORDER": (
        "Changes of the validators are not shown in the order of their heights.",
        "Do not rely on the answer. Send the evidence to the network's operators.",
    ),
    "STEP_WITHOUT_CHANGE": (
        "A block is shown as a change of the validators, and is none.",
        "Do not rely on the answer. Send the evidence to the network's operators.",
    ),
    "OTHER_CHAIN": (
        "The answer is of another network.",
        "Check which network was meant; one that was built anew has another fingerprint.",
    ),
    "CHAIN_MISMATCH": (
        "A certificate is of another network.",
        "Check which network was meant; one that was built anew has another fingerprint.",
    ),
    "KEYS_MISMATCH": (
        "The answer is about other keys of the state than were asked for.",
        "Do not rely on the answer. Send the evidence to the network's operators.",
    ),
    "VALUE_NOT_PROVEN": (
        "A value, or that there is none, does not follow from the certified state.",
        "Do not rely on the answer. Send the evidence to the network's operators.",
    ),
    "RECEIPT_NOT_PROVEN": (
        "A receipt does not follow from the certified block.",
        "Do not rely on the answer. Send the evidence to the network's operators.",
    ),
    "TRANSACTION_NOT_PROVEN": (
        "A transaction does not follow from the certified block.",
        "Do not rely on the answer. Send the evidence to the network's operators.",
    ),
    "SIGNER_BITS_INVALID": (
        "A certificate names its signers in a form that it cannot have.",
        "Do not rely on the answer. Send the evidence to the network's operators.",
    ),
    "SIGNATURE_FORM": (
        "A signature in a certificate has a form that it cannot have.",
        "Do not rely on the answer. Send the evidence to the network's operators.",
    ),
    "TOO_FEW_SIGNERS": (
        "Fewer validators signed than a quorum needs.",
        "Do not rely on the answer. Send the evidence to the network's operators.",
    ),
    "VALIDATORS_INVALID": (
        "A set of validators cannot be like this.",
        "Get the network's present trust root from its operators.",
    ),
    "VOTE_MALFORMED": (
        "What the validators signed is no vote.",
        "Do not rely on the answer. Send the evidence to the network's operators.",
    ),
    "BLS_BACKEND_MISSING": (
        "No library for BLS12-381 signatures is installed.",
        "Install psetledger again, with its dependencies.",
    ),
    "PROTOCOL_UNKNOWN": ("The network speaks a newer protocol.", "Install a newer psetledger."),
    "STATE_MALFORMED": (
        "The certified state holds something that cannot be read.",
        "Install a newer psetledger; otherwise tell the network's operators.",
    ),
}


def _with(who: str, table: Mapping[str, tuple[str, str]]) -> dict[str, tuple[str, str, str]]:
    return {code: (text, remedy, who) for code, (text, remedy) in table.items()}


ERROR_TEXTS: Final[Mapping[str, tuple[str, str, str]]] = MappingProxyType(
    _with(_YOU, _INPUT)
    | _with(_ADMINISTRATOR, _COMPUTER)
    | _with(_OPERATOR, _NODE)
    | _with(_ANYBODY, _NETWORK)
    | _with(f"you, then {_OPERATOR}", _LIES)
)
"""What each code means, what to do, who must act."""
