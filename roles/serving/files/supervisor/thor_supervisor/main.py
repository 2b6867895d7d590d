# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The command line."""

from __future__ import annotations

import os
import sys

from ansible_collections.jetson.thor.plugins.module_utils.clients import api

from thor_supervisor import configuration, proxy, turns
from thor_supervisor.container import Container, remove_orphan
from thor_supervisor.notification import say
from thor_supervisor.supervisor import Supervisor

USAGE = """\
usage: supervisor --config FILE (-- ENGINE ARGUMENT... | --remove)
       supervisor --turn NAME
       supervisor --proxy IDLE HOST PORT"""


def main(arguments: list[str]) -> int:
    """Read the arguments and serve; returns the exit status."""
    if len(arguments) == 2 and arguments[0] == "--turn":
        return turns.take(arguments[1])
    if len(arguments) == 4 and arguments[0] == "--proxy":
        return proxy.serve(arguments[1:])
    remove = len(arguments) == 3 and arguments[2] == "--remove"
    if (not remove and (len(arguments) < 4 or arguments[2] != "--")) or arguments[0] != "--config":
        print(USAGE, file=sys.stderr)
        return 2
    try:
        document = configuration.read(arguments[1])
    except (OSError, ValueError) as error:
        say(f"{arguments[1]} cannot be read: {error}", level=3)
        return 2
    if remove:
        remove_orphan(Container.of(document))
        return 0
    if document.get("api_key"):
        api.keys[document["port"]] = os.environ.get(document["api_key"], "")
    return Supervisor(document, arguments[3:]).run()
