# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Whether an engine that was ready is still alive. Alive means answering."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NoReturn

from ansible_collections.jetson.thor.plugins.module_utils.clients import api, smallest_request

from thor_supervisor.configuration import Configuration
from thor_supervisor.endings import GiveUp
from thor_supervisor.engine import Engine
from thor_supervisor.notification import notify, say
from thor_supervisor.threads import Background

TRUST = 5  # checks in a row for which a progress page that moves is trusted without a request
HUNG = "THOR-ENGINE-HUNG"


class Liveness:
    """Decides from progress and requests whether the engine is alive.

    A request of ours costs a user of a single-slot engine the prompt cache, so none is sent while the progress page
    shows that the engine works. The page is not trusted forever, nor after a failure: an engine that answers with errors
    may count its requests there too. ``ask`` raises api.ProbeError, ``look`` returns what the page shows, or None.
    """

    def __init__(self, ask: Callable[[], None], look: Callable[[], list[Any] | None], allowed: int = 3) -> None:
        self.ask = ask
        self.look = look
        self.allowed = allowed
        self.failures = 0
        self.reason = ""
        self._seen: list[Any] | None = None
        self._trusted = 0

    @property
    def dead(self) -> bool:
        """Whether the engine failed as often in a row as is allowed."""
        return self.failures >= self.allowed

    def _moved(self) -> bool:
        """Whether the page has changed since the last look at it."""
        now = self.look()
        moved = now is not None and self._seen is not None and now != self._seen
        if now is not None:
            self._seen = now
        return moved

    def check(self) -> str:
        """One round; returns ``working``, ``answered``, ``busy`` or ``failed`` (``reason`` says why)."""
        if self._moved() and not self.failures and self._trusted < TRUST:
            self._trusted += 1
            return "working"
        self._trusted = 0
        try:
            self.ask()
        except api.ProbeError as error:
            if error.status == 429:
                self.failures = 0  # its queue is full, and it says so
                return "busy"
            # Progress excuses silence, but not errors.
            if error.kind == "timeout" and self._moved():
                self.failures = 0
                return "busy"
            self.failures += 1
            self.reason = str(error)
            return "failed"
        self.failures = 0
        self._seen = self.look()  # our own request has moved the page
        return "answered"


def progress_of(configuration: Configuration, engine: Engine, timeout: float) -> list[Any] | None:
    """What shows that the engine works: its progress page, or the number of lines in its output that show progress."""
    if configuration.progress_line:
        return [engine.progressed]
    return api.progress(configuration.service, timeout)


class Watch:
    """Checks liveness in a thread for as long as the engine serves, and is itself watched by the main thread."""

    def __init__(self, configuration: Configuration, engine: Engine, status: str = "serving") -> None:
        self.configuration = configuration
        self.status = status  # what systemd was told last
        self.engine = engine
        self.liveness = Liveness(
            ask=self._ask,
            look=lambda: progress_of(configuration, engine, min(configuration.timeout, 10.0)),
            allowed=configuration.failures,
        )
        self._last_check = time.monotonic()

    def _ask(self) -> None:
        """Send the smallest request, and tell systemd how long its answer took; metrics read that (module_utils/metrics/services.py)."""
        begin = time.monotonic()
        smallest_request.ready(self.configuration.service, self.configuration.timeout)
        took, now = time.monotonic() - begin, time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        notify(f"STATUS={self.status}; last answer in {took:.3f} s at {now}")

    def run(self, wait: Callable[[], None]) -> NoReturn:
        """Watch until the engine ends or no longer answers, which raises GiveUp, or ``wait`` raises."""
        # Longer than any check may take: a thread that is stuck must not look like one that is content.
        patience = 2 * self.configuration.interval + 3 * self.configuration.timeout + 60
        checking = Background(self._keep_checking)
        while True:
            checking.ended()
            self.engine.check()
            if time.monotonic() - self._last_check > patience:
                raise GiveUp(HUNG, f"no check of the engine has ended for {patience:.0f} s")
            wait()

    def _keep_checking(self) -> None:
        """In a thread: check forever; raises GiveUp when the engine is dead."""
        liveness, interval = self.liveness, self.configuration.interval
        while True:
            # A first failure is followed up soon: meanwhile a user waits for an answer.
            time.sleep(min(interval, 5.0) if liveness.failures else interval)
            self._last_check = time.monotonic()
            if liveness.check() == "failed":
                say(f"no answer, {liveness.failures} of {liveness.allowed}: {liveness.reason}", level=4)
            if liveness.dead:
                raise GiveUp(
                    HUNG,
                    f"the engine failed {liveness.failures} requests in a row and is started again. "
                    f"Last: {liveness.reason}",
                )
