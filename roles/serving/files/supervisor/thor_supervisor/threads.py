# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Work in threads, and the flag by which a signal handler stops the main thread."""

from __future__ import annotations

import os
import select
import threading
from collections.abc import Callable


class StopFlag:
    """Set by a signal handler to ask this process to end.

    A threading.Event cannot be set there: the main thread may hold its lock when the signal arrives, and would wait for itself.
    """

    def __init__(self) -> None:
        self._reader, self._writer = os.pipe()

    def set(self) -> None:
        """Set the flag; it is never cleared."""
        os.write(self._writer, b".")

    def wait(self, timeout: float) -> bool:
        """Whether the flag is set, now or within ``timeout`` seconds."""
        return bool(select.select([self._reader], [], [], timeout)[0])


class Background:
    """A function at work in a thread; the main loop sees its end and gets its exception."""

    def __init__(self, work: Callable[[], None]) -> None:
        self.error: BaseException | None = None
        self._work = work
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._work()
        except BaseException as error:  # raised again in the main thread
            self.error = error

    def ended(self) -> bool:
        """Whether the work is done; raises what it raised."""
        if self._thread.is_alive():
            return False
        if self.error is not None:
            raise self.error
        return True
