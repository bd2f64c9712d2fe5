# SPDX-License-Identifier: Apache-2.0
"""Settings for all tests."""

from __future__ import annotations

from hypothesis import settings

# How long one example takes depends on the machine and on what else runs there. All else stays as
# hypothesis chose: new examples at every run, and with CI set the same ones each time.
settings.register_profile("psetledger", settings.default, deadline=None)
settings.load_profile("psetledger")
