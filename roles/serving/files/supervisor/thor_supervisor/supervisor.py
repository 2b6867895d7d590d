# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The life of one service, from the wait for the start lock to the end of the engine."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils.clients import smallest_request
from ansible_collections.jetson.thor.plugins.module_utils.services import gpu_evidence

from thor_supervisor import start_lock
from thor_supervisor.configuration import Configuration
from thor_supervisor.container import Container, remove_stale_container, wait_for_dockerd
from thor_supervisor.endings import GiveUp, Stopped
from thor_supervisor.engine import CONTAINER_START, Engine
from thor_supervisor.generation_config import overlay_generation_config
from thor_supervisor.gpu_check import check_gpu
from thor_supervisor.liveness import Watch
from thor_supervisor.memory import drop_caches, fit_memory, free_memory, memory_bytes
from thor_supervisor.notification import Heartbeat, notify, say
from thor_supervisor.readiness import Readiness
from thor_supervisor.threads import StopFlag


class Supervisor:
    """One service: ``argv`` is the engine's command, or that of docker's client."""

    def __init__(self, document: dict[str, Any], argv: list[str]) -> None:
        self.configuration = Configuration.from_document(document)
        self.container = Container.of(document)
        self.argv = argv
        self.engine: Engine | None = None
        self.status = ""
        self.stop = StopFlag()
        self.heartbeat = Heartbeat(self.stop)

    def run(self) -> int:
        """Serve until the end; returns the exit status."""
        signal.signal(signal.SIGTERM, lambda *_: self.stop.set())
        signal.signal(signal.SIGINT, lambda *_: self.stop.set())
        failure: GiveUp | None = None
        try:
            engine = self.start()
            Watch(self.configuration, engine, self.status).run(self.heartbeat.serving)
        except Stopped:
            pass
        except GiveUp as error:
            failure = error
        if self.engine is not None:
            notify("STOPPING=1", "STATUS=stopping the engine")
            if failure:
                self.engine.kill()
            self.engine.stop(self.configuration.stop_timeout)
        if failure:
            say(f"{failure.code}: {failure}", level=3)
            notify(f"STATUS={failure.code}: {failure}")
            return 1
        return 0

    def start(self) -> Engine:
        """Start the engine; returns when it has answered and systemd knows that. Raises GiveUp or Stopped."""
        service = self.configuration.service
        if service["api"] not in smallest_request.SMALLEST_REQUEST:
            raise GiveUp("THOR-ENGINE-REFUSED", f"no request is known for the API {service['api']!r}")
        if self.container is not None:
            wait_for_dockerd(self.container, self.heartbeat.starting)
            remove_stale_container(self.container)
        self.argv = overlay_generation_config(self.argv, self.configuration.generation_config)
        lock = start_lock.take(self.configuration.start_timeout, self.heartbeat.starting)
        try:
            engine, took, gpu_text = self.start_with_lock()
        except GiveUp:
            # The next engine measures free memory as soon as it has the lock: this one's memory has to be back by then.
            if self.engine is not None:
                self.engine.kill()
                self.engine.wait(10)
            raise
        finally:
            os.close(lock)
        engine.scanning = False
        served = f"{service['served_name']} on {service['address']}:{service['port']}"
        self.status = f"serving {served}, first answer after {took:.0f} s{gpu_text}"
        say(self.status)
        notify("READY=1", f"STATUS={self.status}")
        return engine

    def start_with_lock(self) -> tuple[Engine, float, str]:
        """Start the engine while no other one does: it, the seconds to its first answer, and a remark on the GPU."""
        drop_caches()
        free_at_start = free_memory()
        # SGLang 0.5.3 takes its share of MemFree, from 0.5.4 on of MemAvailable: with the larger one it never gets too much.
        free = memory_bytes("MemFree", "MemAvailable")
        argv = fit_memory(self.argv, self.configuration.memory, free)
        begin = time.monotonic()
        try:
            engine = self.launch(argv, begin)
        except GiveUp as error:
            if error.code != CONTAINER_START or self.engine is None or self.engine.process.returncode != 125:
                raise
            # runc sometimes fails to set up a container and succeeds at the next try; a permanent error will still be there.
            say(f"{error}; trying once more", level=4)
            self.engine.remove_container()
            engine = self.launch(argv, begin)
        took = time.monotonic() - begin
        required = self.configuration.require_gpu
        return engine, took, check_gpu(engine.evidence, free_at_start, self.heartbeat.starting) if required else ""

    def launch(self, argv: list[str], begin: float) -> Engine:
        """Start the engine's process; returns when it has answered. Raises GiveUp."""
        gpu = self.configuration.gpu
        evidence = gpu_evidence.Evidence(gpu) if gpu else None
        engine = self.engine = Engine(argv, evidence, self.container, self.configuration.progress_line)
        what = f"the container {self.container.name}" if self.container is not None else argv[0]
        say(f"started {what}, waiting for its first answer")
        Readiness(self.configuration).wait(engine, begin, self.heartbeat.starting)
        return engine
