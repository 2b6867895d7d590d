# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Run the tools of a build: their output goes to the job's log, their steps become progress, their failures a reason."""

from __future__ import annotations

import collections
import errno
import os
import re
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from ansible_collections.jetson.thor.plugins.module_utils.jobs import JobFailed, Reporter

NINJA_STATUS = "[%f/%t] "
KEPT_LINES = 200

_ERROR = re.compile(r"\berror\b|\bfatal\b|undefined reference|Killed", re.IGNORECASE)
_STEP = re.compile(r"\[(\d+)/(\d+)\] (.*)")


def run(command: Sequence[str | Path], step: str, environment: Mapping[str, str], report: Reporter) -> None:
    """Run a tool; JobFailed with the lines that explain its failure."""
    report.say(" ".join(map(str, command)))
    last: collections.deque[str] = collections.deque(maxlen=KEPT_LINES)
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", env=environment
    )
    with process:
        for line in process.stdout or ():
            report.say(line.rstrip("\n"))
            if found := parse_step(line):
                done, total, text = found
                report.progress(done, total, "steps", text)
            else:
                last.append(line.rstrip("\n"))
    if process.returncode != 0:
        raise_no_space(last)
        lines = "\n".join(meaningful(last))
        raise JobFailed(
            f"THOR-BUILD-FAILED: {step} failed (exit status {process.returncode}):\n{lines}\n"
            f"The whole log is {report.folder / 'log'} on the host. Fix the cause and run the play again: it continues "
            "from there. If a compiler was killed, memory ran out: set a lower number of jobs."
        )


def parse_step(line: str) -> tuple[int, int, str] | None:
    """``[12/194] Building CXX object x/y.cpp.o`` is ``(12, 194, "y.cpp.o")``; any other line is None."""
    match = _STEP.match(line)
    return (int(match[1]), int(match[2]), match[3].rsplit("/", 1)[-1]) if match else None


def meaningful(lines: Sequence[str], limit: int = 8) -> list[str]:
    """The lines of a build log that explain a failure: from the first error on, or the end of the log."""
    # The command that failed follows FAILED: and is pages long.
    shown = [line for line in lines if line.strip() and len(line) < 500 and not line.startswith("FAILED:")]
    first = next((index for index, line in enumerate(shown) if _ERROR.search(line)), None)
    return shown[-limit:] if first is None else shown[first : first + limit]


def raise_no_space(lines: Iterable[str]) -> None:
    """If a tool failed because the disk is full, raise the error that this program would have got itself."""
    text = os.strerror(errno.ENOSPC)
    if any(text in line for line in lines):
        raise OSError(errno.ENOSPC, text)
