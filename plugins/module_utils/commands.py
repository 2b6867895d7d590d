# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Programs of the device whose output is read."""

from __future__ import annotations

import os
import subprocess


def output(*command: str, seconds: float = 20) -> str:
    """What a program prints, in English; empty if it is missing or does not end in time.

    Its exit status does not matter: ``apt-cache`` fails if it does not know one of many names.
    """
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=seconds,
            errors="replace",
            env={**os.environ, "LC_ALL": "C"},
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout
