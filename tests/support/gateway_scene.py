# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What the tests of the scenario gateway share: its addresses, its keys as the inventory has them, and calls from the client."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import client_machine
import yaml

ROOT = Path(__file__).resolve().parents[2]
HOST = "thor08"
# The name by which the pages call their host: thor_gateway.names has it, and the client finds the sandbox host under it.
NAME = "thor01"
LAYER = ROOT / "molecule" / "gateway" / "inventory"
INVENTORIES = ("-i", str(ROOT / "inventories" / "sandbox"), "-i", str(LAYER))
CA = ROOT / ".sandbox" / "gateway-ca" / "ca.crt"
CALLS = ROOT / "tests" / "integration" / "gateway" / "openai_calls.py"


@cache
def variables() -> dict[str, Any]:
    """The variables of the host in this scenario."""
    text = (LAYER / "host_vars" / f"{HOST}.yml").read_text(encoding="utf-8")
    return dict(yaml.safe_load(text))


def key(client: str) -> str:
    """The key of a client of the gateway."""
    return str(variables()["thor_gateway_keys"][client]["key"])


def set_up() -> None:
    """Give the client what a person there is given: the host's name and the certificate of the CA."""
    client_machine.name_host(NAME, HOST)
    client_machine.write("thor-ca.crt", CA.read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Door:
    """A base URL and a key, used with OpenAI's client."""

    key: str
    url: str = f"https://{NAME}/v1"

    def call(self, name: str, **parameters: Any) -> Any:
        """What a call of tests/integration/gateway/openai_calls.py prints."""
        asked = {"url": self.url, "key": self.key, "ca": "thor-ca.crt", "call": name, "parameters": parameters}
        return client_machine.call(CALLS, json.dumps(asked))

    def refused(self, name: str, **parameters: Any) -> tuple[str, int, dict[str, Any]]:
        """A call that is refused: the class of the client's exception, the status, and the error as OpenAI shapes it."""
        error = self.call(name, **parameters)["error"]
        assert error["headers"]["content-type"].startswith("application/json"), error
        assert set(error["body"]) == {"message", "type", "param", "code"}, error
        return error["class"], error["status"], error["body"]
