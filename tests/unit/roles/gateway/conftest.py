# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""A gateway in the real nginx on loopback, with services of every kind whose engine is a double."""

from __future__ import annotations

from collections.abc import Iterator

import gateway_run
import pytest
import recording_engine
from gateway_services import ENGINE_KEY, clients, services_on


@pytest.fixture(scope="module")
def engine() -> Iterator[recording_engine.Engine]:
    """The engine of all services."""
    with recording_engine.running() as found:
        yield found


@pytest.fixture(scope="module")
def gateway(engine: recording_engine.Engine) -> Iterator[gateway_run.RunningGateway]:
    """A gateway that the tests of a file share."""
    with gateway_run.running(services_on(engine.server_port), clients(), {"vectors": ENGINE_KEY}) as found:
        yield found


@pytest.fixture
def own_gateway(engine: recording_engine.Engine) -> Iterator[gateway_run.RunningGateway]:
    """A gateway of a test's own."""
    with gateway_run.running(services_on(engine.server_port), clients()) as found:
        yield found
