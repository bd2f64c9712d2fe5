# SPDX-License-Identifier: Apache-2.0
"""Settings for all tests."""

from __future__ import annotations

from hypothesis import settings

# How long one example takes depends on the machine and on what else runs there.
settings.register_profile("psetledger", deadline=None)
settings.load_profile("psetledger")
