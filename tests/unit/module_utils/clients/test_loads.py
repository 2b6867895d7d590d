# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The requests of a load, and the figures of their answers."""

from __future__ import annotations

import threading
import time

from ansible_collections.jetson.thor.plugins.module_utils.clients import (
    api,
    load_generator,
    loads,
)
from streaming_engine import METHOD


def test_errors_are_in_the_order_of_the_requests() -> None:
    numbers = iter(range(3))
    taken = threading.Lock()

    def ask() -> load_generator.Sample:
        with taken:
            number = next(numbers)
        time.sleep(0.3 if number == 0 else 0)
        raise api.ProbeError("http", f"request {number} failed")

    method = {**METHOD, "requests": 3}
    told = loads.load(loads.Request(ask, {}), 3, method, lambda _text: None)
    assert told["errors"] == ["request 0 failed", "request 1 failed", "request 2 failed"]
