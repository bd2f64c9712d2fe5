# SPDX-License-Identifier: Apache-2.0
"""The project's own transcription of public facts: a qualification, occupations, NQF types, SETAs.

Every part names its source (`Catalogue.sources`). What goes on the ledger is made here: the content of
Qualification resources and the labels of a DisplayBundle.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any, Final

from ledger.model.identifiers import qualification_name

CATALOGUE_FORMAT: Final = "psetledger-catalogue/1"
LANGUAGE: Final = "en"

_NOT_IN_LABEL: Final = re.compile(r"[^a-z0-9]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The data file, by part."""

    sources: Sequence[Mapping[str, str]]
    qualifications: Sequence[Mapping[str, Any]]
    occupations: Sequence[Mapping[str, str]]
    nqf_types: Sequence[Mapping[str, Any]]
    setas: Sequence[Mapping[str, str]]
    provinces: Sequence[Mapping[str, str]]

    def qualification(self, saqa_id: int) -> tuple[str, Mapping[str, Any]]:
        """Name and content of the Qualification resource with this SAQA id.

        Raises:
            KeyError: it is not in the catalogue.
        """
        for record in self.qualifications:
            if record["saqa_id"] == saqa_id:
                return qualification_name(saqa_id), record
        raise KeyError(saqa_id)

    def display_bundle(self) -> Mapping[str, Any]:
        """Content of a DisplayBundle resource: what codes are called, in English.

        Labels: ``za:ofo:2021:651202`` (occupations), ``za:nqf:OQSF:4:<type>`` (qualification types),
        ``za:seta:merseta`` (SETAs), ``za:province:EC`` (provinces).
        """
        labels = {item["code"]: item["title"] for item in self.occupations}
        for item in self.nqf_types:
            word = _label(item["type"])
            labels[f"za:nqf:{item['sub_framework']}:{item['level']}:{word}"] = item["type"]
        labels |= {f"za:seta:{_label(item['short_name'])}": item["name"] for item in self.setas}
        labels |= {f"za:province:{item['code']}": item["name"] for item in self.provinces}
        return {"languages": {LANGUAGE: labels}}


def load_catalogue() -> Catalogue:
    """The catalogue that comes with the software."""
    data = (resources.files("psetcloud") / "data" / "za_catalogue.json").read_bytes()
    document = json.loads(data)
    assert document["format"] == CATALOGUE_FORMAT
    return Catalogue(
        **{
            part: document[part]
            for part in (
                "sources",
                "qualifications",
                "occupations",
                "nqf_types",
                "setas",
                "provinces",
            )
        }
    )


def _label(text: str) -> str:
    return _NOT_IN_LABEL.sub("-", text.lower()).strip("-")
