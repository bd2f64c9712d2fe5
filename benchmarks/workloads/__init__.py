# SPDX-License-Identifier: Apache-2.0
"""What is measured; each module describes its workload."""
