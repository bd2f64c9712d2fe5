# SPDX-License-Identifier: Apache-2.0
"""Limits of every message and list. Part of the protocol: equal on all nodes.

Sizes are bytes of the encoded form, counts are elements. Limits that governance may change are in
genesis (`ledger.model.charter.Limits`) and never exceed these.
"""

from __future__ import annotations

HASH_SIZE = 32
"""SHA-256."""

DID_SIZE_MAX = 64
NAME_SIZE_MAX = 64
CHAIN_ID_SIZE_MAX = 40
TEXT_SIZE_MAX = 256
PUBLIC_KEY_SIZE_MAX = 96
SIGNATURE_SIZE_MAX = 96
TLS_CERTIFICATE_SIZE_MAX = 2048

CONTENT_SIZE_MAX = 128 * 1024
REQUEST_SIZE_MAX = 16 * 1024
TRANSACTION_SIZE_MAX = 256 * 1024
HEADER_SIZE_MAX = 1024
VOTE_SIZE_MAX = 512
RECEIPT_SIZE_MAX = 4 * 1024
CERTIFICATE_SIZE_MAX = 16 * 1024
BLOCK_SIZE_MAX = 4 * 1024 * 1024
PROPOSAL_SIZE_MAX = BLOCK_SIZE_MAX + CERTIFICATE_SIZE_MAX + 1024
STATE_KEY_SIZE_MAX = 512
STATE_VALUE_SIZE_MAX = 256 * 1024
PROVEN_STATE_SIZE_MAX = 4 * 1024 * 1024
HALT_REPORT_SIZE_MAX = CERTIFICATE_SIZE_MAX + 4 * 1024
EVIDENCE_SIZE_MAX = 2 * CERTIFICATE_SIZE_MAX + TRANSACTION_SIZE_MAX + 8 * 1024
TRANSACTION_PROOF_SIZE_MAX = TRANSACTION_SIZE_MAX + RECEIPT_SIZE_MAX + 32 * 1024
GENESIS_SIZE_MAX = 1024 * 1024

KEYS_COUNT_MAX = 16
CODES_COUNT_MAX = 16
SERVICES_COUNT_MAX = 16
STATUS_CHANGES_COUNT_MAX = 10_000
POWERS_COUNT_MAX = 16
SCOPE_COUNT_MAX = 256
SIGNERS_COUNT_MAX = 8
VALIDATORS_COUNT_MAX = 128
SIGNER_BITS_SIZE_MAX = VALIDATORS_COUNT_MAX // 8
VALIDATOR_SET_SIZE_MAX = 320 * 1024
"""VALIDATORS_COUNT_MAX validators of the longest form."""
TRUST_STEP_SIZE_MAX = HEADER_SIZE_MAX + CERTIFICATE_SIZE_MAX + VALIDATOR_SET_SIZE_MAX + 64
TRUST_PATH_COUNT_MAX = 64
"""Changes of the validators in one answer."""
TRUST_PATH_SIZE_MAX = 2 * 1024 * 1024
"""Bytes of these together."""
TRUSTED_SETS_COUNT_MAX = 256
"""Sets of validators that a client remembers: that of genesis and the newest."""
LEARNERS_COUNT_MAX = 16
"""Validators that are admitted and not yet active: each is sent everything."""
VALIDATORS_LISTED_COUNT_MAX = 4_096
"""Validators ever admitted: who orders asks for all of them."""
ACTIVATION_AGE_MAX = 100
"""Heights below the block of its activation at which a newcomer's block may lie: so it has caught up."""
BLOCK_TRANSACTIONS_COUNT_MAX = 5_000
RESULTS_COUNT_MAX = 16
RECORD_HISTORY_COUNT_MAX = 512
PROOF_SIBLINGS_COUNT_MAX = 256
LOG_PROOF_COUNT_MAX = 64
PROVEN_ENTRIES_COUNT_MAX = 2_048

EXPIRY_MS_MAX = 24 * 60 * 60 * 1000
"""A transaction may expire at most this long after its block's time."""

IDEMPOTENCY_REMOVALS_COUNT_MAX = BLOCK_TRANSACTIONS_COUNT_MAX
"""Expired idempotency records that leave the state in one block: as many as one can add, or they
would pile up.
"""

STATUS_LIST_SIZE_MIN = 131_072
"""Entries: the herd in which one credential hides (Bitstring Status List v1.0)."""
STATUS_LIST_SIZE_MAX = 16 * 1024 * 1024
STATUS_CHUNK_SIZE = 1024
"""Bytes of a status chunk; an absent chunk is all zeros."""
STATUS_UPDATE_CHUNKS_COUNT_MAX = 256
"""Chunks that one update changes: each is written whole, however few of its entries change."""

GRANT_CHAIN_DEPTH_MAX = 8
GRANTS_HELD_COUNT_MAX = 1_024
"""Grants to one organisation that have not ended: execution looks at each when it acts, or is
granted more.
"""
GRANTS_LISTED_COUNT_MAX = 16_384
"""Grants ever made to one organisation. Who judges a past day asks for all of them, two keys each:
half of what the questions of our client may look up.
"""
CHILDREN_PAGE_COUNT_MAX = 1_000
DOCUMENT_VALUES_COUNT_MAX = 8_192
"""Values and member names of a resource's content: each is looked at by itself."""
JSON_DEPTH_MAX = 16
"""Nesting of JSON documents on the ledger."""
