# SPDX-License-Identifier: Apache-2.0
"""Ordering of log entries: a pure state machine driven by data, without clock, disk or network."""
