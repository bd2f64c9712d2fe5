# SPDX-License-Identifier: Apache-2.0
"""What can be said of an UpdateDid, and of new keys, without knowing the DID's record.

A node asks this before it takes a transaction, execution asks it again: the rules belong to a height.
"""

from __future__ import annotations

import re
from typing import Final

from ledger.model.codec import encode
from ledger.model.hashes import possession_message
from ledger.model.keys import verify_signature
from ledger.model.operations import KeyEntry, NewKey, Service, UpdateDid
from ledger.model.organisation_request import RequestError, check_key_entry
from ledger.model.receipts import ReceiptCode

_SERVICE_ID: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,31}", re.ASCII)
_SERVICE_TYPE: Final = re.compile(r"[A-Z][A-Za-z0-9]{0,63}", re.ASCII)
# No user, no query, no fragment: nothing that could carry a person or a secret.
_ENDPOINT: Final = re.compile(
    r"(?:https|grpcs)://[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?){0,8}"
    r"(?::[1-9][0-9]{0,4})?(?:/[A-Za-z0-9._~-]{1,64}){0,8}/?",
    re.ASCII,
)


def check_did_update(operation: UpdateDid) -> None:
    """Accept an update that asks for a change, of services that have a form and are named once.

    Keys have a check of their own: `check_new_key`.

    Raises:
        RequestError: FIELD_INVALID, SERVICE_UNKNOWN for a name that no service can have.
    """
    if not (operation.set_services or operation.remove_services or operation.add_keys):
        raise _invalid("", "the operation asks for no change")
    for position, service in enumerate(operation.set_services):
        _check_service(service, f"set_services[{position}]")
    for position, name in enumerate(operation.remove_services):
        if _SERVICE_ID.fullmatch(name) is None:
            raise RequestError(
                ReceiptCode.SERVICE_UNKNOWN,
                f"remove_services[{position}]",
                "no service has such a name",
            )
    names = [*(service.id for service in operation.set_services), *operation.remove_services]
    if len(set(names)) != len(names):
        raise _invalid("set_services", "a service is named twice")


def _check_service(service: Service, where: str) -> None:
    for name, text, pattern in (
        ("id", service.id, _SERVICE_ID),
        ("type", service.type, _SERVICE_TYPE),
        ("endpoint", service.endpoint, _ENDPOINT),
    ):
        if pattern.fullmatch(text) is None:
            raise _invalid(f"{where}.{name}", "the form is another")


def check_new_key(new_key: NewKey, where: str) -> KeyEntry:
    """The key that is offered, if it has a form. `check_possession` asks whether its holder has it.

    Raises:
        RequestError: FIELD_INVALID, KEY_FORMAT.
    """
    if new_key.key is None:
        raise _invalid(f"{where}.key", "it is missing")
    check_key_entry(new_key.key, f"{where}.key")
    return new_key.key


def check_possession(did: str, new_key: NewKey, where: str) -> None:
    """Accept a new key of a DID whose holder showed that it has it.

    Raises:
        RequestError: KEY_POSSESSION_INVALID.
    """
    entry = new_key.key
    if entry is None or not verify_signature(
        entry.type, entry.public_key, possession_message(did, encode(entry)), new_key.possession
    ):
        raise RequestError(
            ReceiptCode.KEY_POSSESSION_INVALID,
            f"{where}.possession",
            "the signature is not the new key's over this DID and key",
        )


def _invalid(where: str, text: str) -> RequestError:
    return RequestError(ReceiptCode.FIELD_INVALID, where, text)
