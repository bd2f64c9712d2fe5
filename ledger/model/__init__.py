# SPDX-License-Identifier: Apache-2.0
"""Values and their canonical bytes, state keys, receipt codes, hashes, verification. Pure."""
