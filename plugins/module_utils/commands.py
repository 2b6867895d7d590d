# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Programs of the device whose output is read. They speak English, get no input, and have a time limit."""

from __future__ import annotations

import os
import subprocess


def output(*command: str, seconds: float = 20) -> str:
    """What a program prints; empty if it is missing or does not end in time.

    Its exit status does not matter: ``apt-cache`` fails if it does not know one of many names.
    """
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=seconds,
            env={**os.environ, "LC_ALL": "C"},
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout


def answer(*command: str, seconds: float, **environment: str) -> tuple[int | None, str]:
    """Exit status (None if it did not end in time or could not start), and what a program said, errors included."""
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
            timeout=seconds,
            env={**os.environ, "LC_ALL": "C", **environment},
            start_new_session=True,  # no terminal to prompt on either
        )
    except subprocess.TimeoutExpired as error:
        return None, (error.output or b"").decode(errors="replace")
    except OSError as error:
        return None, str(error)
    return done.returncode, done.stdout.decode(errors="replace")
