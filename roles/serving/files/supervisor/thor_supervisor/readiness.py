# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The start of an engine: real requests until one is answered. Ready means answered."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from ansible_collections.jetson.thor.plugins.module_utils.clients import api, smallest_request

from thor_supervisor.configuration import Configuration
from thor_supervisor.endings import GiveUp
from thor_supervisor.engine import Engine
from thor_supervisor.memory import DROP_EVERY, keep_dropping
from thor_supervisor.threads import Background

REQUEST = 120.0  # seconds at most for one request: the first one may compile kernels
PAUSE = 0.5  # seconds between two requests
TOO_SHORT = 2.0  # seconds: that a request got no answer in less time does not say what is wrong with the engine
REFUSALS = 5  # identical refusals (HTTP 400, 401, ...) after which the start is given up


class Readiness:
    """Waits for the first answer of an engine that was just started."""

    def __init__(self, configuration: Configuration) -> None:
        self.configuration = configuration
        self.last_error = ""

    def wait(self, engine: Engine, begin: float, wait: Callable[[str], None]) -> None:
        """Return when the engine has answered; raise GiveUp when it ends, refuses or runs out of time.

        ``begin`` is when the start began, ``wait`` is called with a status between two looks at the engine.
        """
        limit = self.configuration.start_timeout
        asking = Background(lambda: self._ask_until_answered(begin + limit))
        loaded = threading.Event()
        if self.configuration.memory:
            threading.Thread(target=keep_dropping, args=(loaded, DROP_EVERY), daemon=True).start()
        try:
            while not asking.ended():
                engine.check()
                seconds = time.monotonic() - begin
                if seconds > limit:
                    raise GiveUp(
                        "THOR-START-TIMEOUT",
                        f"the engine has not answered within {limit:.0f} s (start_timeout). "
                        f"Last: {self.last_error or 'nothing'}",
                    )
                wait(f"starting for {seconds:.0f} s: {self.last_error or 'no answer yet'}")
        finally:
            loaded.set()
        engine.check()

    def _ask_until_answered(self, deadline: float) -> None:
        """In a thread: repeat the smallest request; returns when it was answered."""
        refusals = 0
        while (left := deadline - time.monotonic()) > 0:
            try:
                smallest_request.ready(self.configuration.service, min(left, REQUEST))
            except api.ProbeError as error:
                if error.kind == "timeout" and left < TOO_SHORT and self.last_error:
                    break  # what the engine said before tells more
                refusals = refusals + 1 if error.hopeless and str(error) == self.last_error else 1
                self.last_error = str(error)
                if error.hopeless and refusals >= REFUSALS:
                    raise GiveUp("THOR-ENGINE-REFUSED", f"the engine refuses a plain request: {error}") from None
            else:
                return
            time.sleep(PAUSE)
        time.sleep(60)  # the main thread sees that the time is up, and says so
