# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""How a supervisor's work ends, other than by the engine's own success."""

from __future__ import annotations


class GiveUp(Exception):
    """The service cannot go on; ``code`` is stable, the message is a sentence."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Stopped(Exception):
    """systemd (or a person) asked this process to end."""
