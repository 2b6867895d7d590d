# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The engine's process: its output, its signals, and what its end means."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading

from ansible_collections.jetson.thor.plugins.module_utils import docker_api
from ansible_collections.jetson.thor.plugins.module_utils.services import gpu_evidence

from thor_supervisor.container import GONE, Container
from thor_supervisor.endings import GiveUp
from thor_supervisor.notification import say

EXITED = "THOR-ENGINE-EXITED"
CONTAINER_START = "THOR-CONTAINER-START"
DOCKER_LOST = b"error waiting for container"  # docker's client, before it ends with 125
# See "Exit status" in docker-run(1). A container's own code may be the same; then its output tells.
DOCKER_CODES = {125: "docker refused", 126: "the image's command cannot be run", 127: "the image has no such command"}


class Engine:
    """The engine's process in a process group of its own, and its output on the way to the journal.

    With ``container``, that process is docker's client, and the engine is in the container. ``progress`` is an expression
    for lines of output that show progress.
    """

    def __init__(
        self,
        argv: list[str],
        evidence: gpu_evidence.Evidence | None,
        container: Container | None = None,
        progress: str | None = None,
    ) -> None:
        self.container = container
        self.docker_lost = False  # docker's client said that dockerd went away
        self.evidence = evidence
        self._progress = re.compile(progress.encode()) if progress else None
        self.progressed = 0  # lines of output that show progress
        self.scanning = True
        supervisors = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")
        try:
            self.process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env={name: value for name, value in os.environ.items() if name not in supervisors},
                process_group=0,
            )
        except OSError as error:
            raise GiveUp(EXITED, f"{argv[0]} cannot be started: {error.strerror}") from None
        self._pump = threading.Thread(target=self._pass_output, daemon=True)
        self._pump.start()

    def _pass_output(self) -> None:
        output = self.process.stdout
        assert output is not None
        while line := output.readline(65536):
            if self.scanning and self.evidence is not None:
                self.evidence.read(line.decode("utf-8", "replace"))
            if self._progress is not None and self._progress.search(line):
                self.progressed += 1
            if self.container is not None and DOCKER_LOST in line:
                self.docker_lost = True
            # The pipe is emptied whatever happens to the journal: an engine that blocks on its log hangs.
            with contextlib.suppress(OSError):
                sys.stdout.buffer.write(line)
                sys.stdout.buffer.flush()

    def flush(self, timeout: float = 2.0) -> None:
        """Let the last lines of a dead engine reach the journal before ours."""
        self._pump.join(timeout)

    def check(self) -> None:
        """Raise GiveUp when the engine has ended. No exit status is good: whisper-server ends with 0 without ffmpeg."""
        end = self.ending()
        if end is not None:
            raise end

    def ending(self) -> GiveUp | None:
        """What the engine's end means, or None while it runs."""
        code = self.process.poll()
        if code is None:
            return None
        self.flush()
        if self.container is not None:
            if code == 125 and self.docker_lost:
                return GiveUp(GONE, "dockerd ended, and the container with it")
            if code < 0:
                return GiveUp(EXITED, f"docker's client was ended by {signal_name(-code)}; the container is removed")
            if code in DOCKER_CODES:
                return GiveUp(CONTAINER_START, f"{DOCKER_CODES[code]} (code {code}): its words stand above")
            if code > 128:  # the kernel's word reaches us as a number: 128 plus the signal's
                more = " (somebody killed it, or memory ran out: see journalctl -k)" if code == 137 else ""
                return GiveUp(EXITED, f"the engine was ended by {signal_name(code - 128)}{more}")
        if code < 0:
            return GiveUp(EXITED, f"the engine was ended by {signal_name(-code)}")
        return GiveUp(EXITED, f"the engine ended with code {code}")

    def stop(self, timeout: float) -> None:
        """End the engine: SIGTERM, ``timeout`` seconds to finish its answers, SIGKILL.

        SIGTERM goes to the first process alone: vLLM and SGLang finish their answers with the help of processes that would end
        at once themselves.
        """
        if self.process.poll() is None:
            self.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(timeout)
        self.kill()  # also when the engine itself has gone: a worker that it left would hold the port and the memory
        self.wait(10)  # one that is stuck in a driver is left to systemd
        self.flush()

    def kill(self) -> None:
        """End the engine and what it has started, at once. In a container SIGKILL would end docker's client alone."""
        self.remove_container()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)

    def wait(self, timeout: float) -> None:
        """Wait for the end of the engine, up to ``timeout`` seconds."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout)

    def remove_container(self) -> None:
        """Make sure that no container is left; where dockerd does not answer, the next start does."""
        if self.container is None:
            return
        try:
            if self.container.remove():
                say(f"removed the container {self.container.name}, which was still there")
        except docker_api.DockerError as error:
            say(
                f"the container {self.container.name} cannot be removed now: {error}. The next start tries again",
                level=4,
            )


def signal_name(number: int) -> str:
    """SIGKILL for 9; a number without a name is returned as such."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
