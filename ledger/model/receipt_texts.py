# SPDX-License-Identifier: Apache-2.0
"""What each receipt code means, and who must do what about it, in plain words: by name of the code.

Texts may change; numbers and names (`ledger.model.receipts`, which gives these texts to everybody
as CODE_TEXTS) never do.
"""

from __future__ import annotations

from typing import Final

TEXTS: Final[dict[str, tuple[str, str]]] = {
    "ACCEPTED": (
        "The transaction is in the leader's queue. That is no promise.",
        "Ask again by transaction id, or submit with --wait certified.",
    ),
    "APPLIED": ("The transaction was applied and is certified.", ""),
    # Refused at admission.
    "MALFORMED": (
        "The bytes are not a transaction in canonical encoding.",
        "Build transactions with the SDK; if you do, report this as a bug.",
    ),
    "TOO_LARGE": (
        "The transaction, or a field of it, is larger than the protocol allows.",
        "Split it: fewer status changes, smaller content.",
    ),
    "WRONG_CHAIN": (
        "The transaction was made for another ledger.",
        "Check --network; after a network was rebuilt, add it again with its new fingerprint.",
    ),
    "SIGNATURE_MISSING": (
        "Not every signer named in the transaction has signed it.",
        "Collect the missing signatures and send again.",
    ),
    "SIGNATURE_INVALID": (
        "A signature does not match the transaction.",
        "Sign the exact bytes again with the key that is named; check which key file is in use.",
    ),
    "SIGNER_REPEATED": (
        "A key is named twice among the signers.",
        "Name each key once.",
    ),
    "AUTHOR_NOT_SIGNER": (
        "No key of the author is among the signers.",
        "Sign with a key of the organisation in whose name you act (--as).",
    ),
    "OVERLOADED": (
        "The node's queue is full.",
        "Send the same bytes again after the time the answer names.",
    ),
    "NOT_READY": (
        "The node cannot take transactions now: it is starting, behind, or not voting.",
        "Try another validator, or wait; the operator sees the reason in pset node status.",
    ),
    "RESOURCE_LIMIT": (
        "The request exceeds a limit of the node.",
        "Ask for less at once; the answer names the limit.",
    ),
    "SIGNATURE_EXTRA": (
        "There are more signatures than signers.",
        "Send one signature for each signer, in the same order.",
    ),
    # Refused at execution: the envelope.
    "EXPIRED": (
        "The transaction expired before it reached a block.",
        "Send it again with a later expiry. With the same idempotency key nothing happens twice.",
    ),
    "EXPIRY_TOO_FAR": (
        "The transaction expires more than 24 hours after its block.",
        "Use an earlier expiry, and check this machine's clock.",
    ),
    "IDEMPOTENCY_KEY_REUSED": (
        "The author used this idempotency key for another operation.",
        "Use a new key for a new operation; to retry, send the same operation again.",
    ),
    "AUTHOR_UNKNOWN": (
        "No organisation with the author's DID is on this ledger.",
        "Have the organisation endorsed first: pset org request, then pset org endorse.",
    ),
    "KEY_NOT_AUTHORISED": (
        "A signing key is not a valid key of its organisation: unknown, retired or compromised.",
        "Sign with a current key; pset did show lists them.",
    ),
    "NOT_AUTHORISED": (
        "The rule for this operation is not met: another key role, power or status is needed.",
        "The receipt names what is missing. Sign with the keys, or act as the body, that it asks for.",
    ),
    "OPERATION_UNKNOWN": (
        "This version of the ledger does not know the operation.",
        "Use an SDK of the network's protocol version.",
    ),
    "PERSONAL_DATA": (
        "A text looks like personal data: an identity number, e-mail, phone number or birth date.",
        "Take it out. Nothing about a person may be on the ledger, not even hashed (POPIA).",
    ),
    "FIELD_INVALID": (
        "A field has a form or value that is not allowed.",
        "Correct the field that the receipt names.",
    ),
    "TEXT_NOT_ALLOWED": (
        "A name or text has characters or a length that are not allowed.",
        "Use Latin letters, digits and simple punctuation; short names: a-z, 0-9 and hyphen.",
    ),
    "LIMIT_EXCEEDED": (
        "A limit of the network is reached.",
        "Ask for less; limits are changed by governance.",
    ),
    # Organisations and DIDs.
    "STALE_VERSION": (
        "The record has changed since you read it.",
        "Read it again and repeat the change on the current version.",
    ),
    "DID_UNKNOWN": (
        "There is no such DID on this ledger.",
        "Check the DID and the network.",
    ),
    "DID_DEACTIVATED": (
        "The DID was deactivated and cannot act any more.",
        "Act in the name of the organisation's current DID.",
    ),
    "REQUEST_MALFORMED": (
        "The organisation's request is not in canonical encoding or is incomplete.",
        "Have the organisation make it again with pset org request.",
    ),
    "REQUEST_SIGNATURE_INVALID": (
        "The request is not signed by each of its own keys.",
        "Have the organisation make it again with pset org request; do not edit the file.",
    ),
    "REQUEST_OTHER_NETWORK": (
        "The request was made for another network.",
        "Have the organisation make it again for this network.",
    ),
    "ORGANISATION_EXISTS": (
        "An organisation with this request is on the ledger already.",
        "Nothing to do; pset org show shows it.",
    ),
    "SHORT_NAME_TAKEN": (
        "Another organisation has this short name.",
        "Have the organisation choose another and make a new request.",
    ),
    "CODE_TAKEN": (
        "Another organisation has this code.",
        "Check the code with the body that gives it out.",
    ),
    "ORGANISATION_UNKNOWN": (
        "There is no such organisation on this ledger.",
        "Check the name or DID; have the organisation endorsed first.",
    ),
    "ORGANISATION_TYPE_UNKNOWN": (
        "The charter knows no organisations of this type.",
        "Use a type that the charter lists.",
    ),
    "SITE_EXISTS": (
        "The organisation has a site with this code.",
        "Choose another code for a new site.",
    ),
    "PROVINCE_UNKNOWN": (
        "The charter knows no province with this code.",
        "Use EC, FS, GP, KZN, LP, MP, NC, NW or WC.",
    ),
    "KEY_EXISTS": (
        "The DID has, or had, a key with this id or these bytes.",
        "Make a new key with a new name; neither is ever used again.",
    ),
    "KEY_UNKNOWN": (
        "The DID has no such key in use.",
        "pset did show lists the keys and their ids.",
    ),
    "KEY_FORMAT": (
        "A key is not acceptable: its bytes, its type for the role, or its name.",
        "Make the key with pset key generate.",
    ),
    "KEY_ROLE_MISSING": (
        "A key that every organisation needs is missing, or would be.",
        "Request with an admin key and a ledger key; retire the last admin key with a new one.",
    ),
    "KEY_POSSESSION_INVALID": (
        "It is not proven that the holder of the new key agreed.",
        "Let the SDK sign the possession message with the new key itself.",
    ),
    "SERVICE_UNKNOWN": (
        "The DID has no such service in use.",
        "pset did show lists the services and their ids.",
    ),
    "NOT_OWNER": (
        "Only the owner may change this.",
        "Act as the owner (--as), or ask the owner.",
    ),
    "ORGANISATION_SUCCEEDED": (
        "The organisation was closed or merged; another one succeeded it.",
        "Address the successor; pset org show names it.",
    ),
    "NAME_TAKEN": (
        "Another organisation has this legal name, or one that looks like it.",
        "Look it up with pset org list; another body needs a name that tells it apart.",
    ),
    # Resources.
    "RESOURCE_EXISTS": (
        "The publisher has used this id for a resource or status list.",
        "Publish under a new UUID.",
    ),
    "RESOURCE_NAME_TAKEN": (
        "Another organisation owns this name; only it may publish further versions.",
        "Choose another name, or ask the owner.",
    ),
    "RESOURCE_TYPE_MISMATCH": (
        "The versions of this name are of another type.",
        "Choose another name, or the type of the earlier versions.",
    ),
    "RESOURCE_CONTENT_INVALID": (
        "The content is not what a resource of this type must be.",
        "Correct the place that the receipt names.",
    ),
    "CHECKSUM_MISMATCH": (
        "The checksum is not the SHA-256 of the content.",
        "Send the content unchanged with its own checksum.",
    ),
    "RESOURCE_TYPE_UNSUPPORTED": (
        "Resources of this type cannot be published yet.",
        "Use JsonSchema, CredentialTemplate, DisplayBundle or Qualification.",
    ),
    # Status lists.
    "STATUS_LIST_EXISTS": (
        "The publisher has used this id for a status list or resource.",
        "Create the list under a new UUID.",
    ),
    "STATUS_LIST_UNKNOWN": (
        "The organisation has no such status list.",
        "Check the list's URL; a new list is created first.",
    ),
    "STATUS_LIST_TOO_SMALL": (
        "The list is too small to hide one credential among many.",
        "Create it with at least 131072 entries.",
    ),
    "STATUS_INDEX_OUT_OF_RANGE": (
        "The list has no entry with this index.",
        "Check which list the credential names.",
    ),
    "STATUS_VALUE_OUT_OF_RANGE": (
        "The value does not fit the bits of an entry.",
        "Use 0 or 1, or more only in lists with more bits.",
    ),
    "REVOCATION_IS_FINAL": (
        "A revoked credential stays revoked.",
        "Issue a new credential; use suspension for what may be lifted.",
    ),
    # Accreditation.
    "SELF_GRANT": (
        "No organisation accredits itself.",
        "The accreditation comes from the body above: pset explain GrantAccreditation.",
    ),
    "GRANT_CYCLE": (
        "The grantee is one of those from whom the grantor's own power comes.",
        "Power passes down only; the body above accredits.",
    ),
    "NO_POWER": (
        "The grantor may accredit nobody: it holds no power today that lets it grant.",
        "Ask the body that accredits; pset accreditation list shows what is held.",
    ),
    "SEPARATION_OF_DUTIES": (
        "Training, external assessment and certification of a qualification are three bodies.",
        "Accredit another body for this duty, or for other qualifications or another time.",
    ),
    "SCOPE_NOT_COVERED": (
        "No single grant that the grantor holds covers these powers, grantee, scope and term.",
        "Narrow the scope or term to what the grantor holds; name qualifications where needed.",
    ),
    "TERM_TOO_LONG": (
        "The term is longer than the charter allows for this accreditation.",
        "Providers: at most five years less a day; accredit again after that.",
    ),
    "GRANT_UNKNOWN": (
        "There is no such accreditation on this ledger.",
        "pset accreditation list shows the ids.",
    ),
    "NOT_GRANTOR": (
        "Only who made the grant, or its successor, may change it.",
        "Act as the grantor (--as), or ask it.",
    ),
    "GRANT_ENDED": (
        "The accreditation has ended by that day: expired, withdrawn or void.",
        "Make a new grant if the power is to be given again.",
    ),
    "GRANT_NOT_SUSPENDED": (
        "The accreditation is not suspended on that day.",
        "Nothing to do; pset accreditation show --history shows its events.",
    ),
    "GRANT_SUSPENDED_ALREADY": (
        "The accreditation is suspended on that day already.",
        "Nothing to do; to suspend earlier, name an earlier day that is not in the past.",
    ),
    "EFFECTIVE_IN_PAST": (
        "The effective day lies before today; what was done in good faith stays good.",
        "Name today or a later day. Only a withdrawal ab initio reaches back.",
    ),
    "EFFECTIVE_OUTSIDE_TERM": (
        "The effective day lies outside the term of the accreditation.",
        "Name a day from the first to the last day of the term.",
    ),
    "AB_INITIO_MISMATCH": (
        "Reason or effective day differ from what the grantor opened.",
        "Repeat the grantor's reason and effective day exactly.",
    ),
    "AB_INITIO_PENDING": (
        "This withdrawal ab initio is open already, with the same reason and day.",
        "The grantor's own grantor confirms it within 30 days; another reason or day replaces it.",
    ),
    "NO_SECOND_PARTY": (
        "The grantor was accredited by the charter: nobody can confirm a withdrawal ab initio.",
        "Withdraw it from a day on.",
    ),
    "SITE_UNKNOWN": (
        "The grantee has no site with this code.",
        "Add the site first: pset org add-site.",
    ),
    "QUALIFICATION_UNKNOWN": (
        "The qualification is not registered on this ledger.",
        "SAQA publishes it first as a resource of type Qualification.",
    ),
    "AB_INITIO_NOT_OPEN": (
        "There is no open withdrawal ab initio to confirm: none was opened, or it lapsed.",
        "The grantor opens it first.",
    ),
    # Validators.
    "WOULD_LOSE_QUORUM": (
        "The change would leave fewer validators than the fault model needs, or than answer now.",
        "Start those that do not answer, activate another first, or replace this one in one change.",
    ),
    "CHANGE_PENDING": (
        "The set of validators was changed one block ago, or in this one; one change at a time.",
        "Send it again, as a new transaction, when two more blocks are certified.",
    ),
    "VALIDATOR_EXISTS": (
        "There is, or was, a validator with this id.",
        "Choose another id; none is ever used again.",
    ),
    "VALIDATOR_UNKNOWN": (
        "No validator with this id was ever admitted.",
        "Check the id; a newcomer is admitted first.",
    ),
    "VALIDATOR_KEY_USED": (
        "A validator has, or had, this vote key, peer key or TLS certificate.",
        "Make new keys for every validator and every return; a key that was removed never votes again.",
    ),
    "VALIDATOR_KEY_INVALID": (
        "A key or the TLS certificate of the validator is none that it can have on this network.",
        "Make the validator's keys with the node's own command, for this network's certificate scheme.",
    ),
    "VALIDATOR_NOT_LEARNER": (
        "The validator is active already, or was removed.",
        "Only a learner is activated; after a removal a new validator, with new keys, is admitted.",
    ),
    "VALIDATOR_NOT_ACTIVE": (
        "The validator that is to be replaced is not active.",
        "Name an active validator, or none.",
    ),
    "VALIDATOR_REMOVED": (
        "The validator was removed, which is final.",
        "Nothing to do; to come back it is admitted with another id and new keys.",
    ),
    "ACTIVATION_STALE": (
        "The block that the newcomer signed is not one of the last 100 since a learner was admitted.",
        "Let the newcomer catch up and sign its newest certified block, then send it at once.",
    ),
    "ACTIVATION_SIGNATURE_INVALID": (
        "The newcomer's vote key did not sign this block of this ledger for this validator.",
        "Make the signature on the newcomer itself, with the key of its record.",
    ),
}
"""Meaning and remedy."""
