# SPDX-License-Identifier: Apache-2.0
"""Workloads, measured beside the limits of the same machine; `python -m benchmarks run`."""
