# SPDX-License-Identifier: Apache-2.0
"""gRPC servicers and the codec between generated stubs and the model."""
