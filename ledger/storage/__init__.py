# SPDX-License-Identifier: Apache-2.0
"""The key-value port, LevelDB behind it, and an in-memory store that can lose unsynced writes."""
