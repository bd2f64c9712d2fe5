# SPDX-License-Identifier: Apache-2.0
"""Credential formats, their proofs and their structural validation."""
