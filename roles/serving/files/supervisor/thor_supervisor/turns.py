# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Whose turn it is in a group of services that do not fit in memory together.

The unit ``thor-NAME-exclusive.service`` is a turn: activating while the service waits for it, active while it has it. Its engine
requires it, so it begins before the engine starts and ends after the engine has stopped. There is no lock and no file: what systemd
says of these units is the whole state, so nothing stays behind after a crash or a power cut.

Turns are taken in the order in which they were asked for. The first in line has the holder drained (proxy.py). Once all answers are
out it stops the holder's turn, and with it the engine, and then the door, which has kept the socket from starting both again meanwhile.
What waits at that door asks for another turn, behind everybody else.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.jetson.thor.plugins.module_utils import systemd

from thor_supervisor import configuration
from thor_supervisor.notification import say
from thor_supervisor.proxy import DRAINED

TICK = 0.2  # seconds between two looks
# After so many seconds a drained holder is stopped, whatever it still answers: a client that does not read must not keep the memory.
DRAIN_LIMIT = 3600.0
PROPERTIES = ("ActiveState", "SubState", "StatusText", "InvocationID", "InactiveExitTimestampMonotonic")
GONE = {"inactive", "failed", ""}
WAIT, DRAIN, END = "wait", "drain", "end"


@dataclass(frozen=True)
class Unit:
    """What systemd says of a unit. ``since``: when it last left the inactive state, in microseconds since boot."""

    active: str = "inactive"
    sub: str = ""
    status: str = ""
    invocation: str = ""
    since: int = 0

    @classmethod
    def of(cls, block: Mapping[str, str]) -> Unit:
        """From the properties that ``systemctl show`` prints."""
        since = block.get("InactiveExitTimestampMonotonic") or "0"
        return cls(
            block.get("ActiveState", ""),
            block.get("SubState", ""),
            block.get("StatusText", ""),
            block.get("InvocationID", ""),
            int(since) if since.isdigit() else 0,
        )

    @property
    def retries(self) -> bool:
        """Whether it has failed and waits for its restart."""
        return self.active == "activating" and self.sub.startswith("auto-restart")


@dataclass(frozen=True)
class Member:
    """The units of one service: its turn, its engine and its door."""

    turn: Unit
    engine: Unit
    door: Unit

    @property
    def holds(self) -> bool:
        """Whether it has the turn, or what it had started still runs."""
        return self.turn.active in {"active", "deactivating", "reloading"} or self.engine.active not in GONE

    @property
    def waits(self) -> bool:
        """Whether it is in line."""
        return self.turn.active == "activating" and not self.turn.retries


def units_of(name: str) -> tuple[str, str, str]:
    """The units of a member: turn, engine, door."""
    return f"thor-{name}-exclusive.service", f"thor-{name}.service", f"thor-{name}-proxy.service"


def step(me: str, members: Mapping[str, Member]) -> dict[str, str]:
    """What keeps ``me`` from its turn, with what is to be done about each; empty once it is its turn.

    Only the first in line does anything: what the others would do might hit the next turn of the same service.
    """
    mine = (members[me].turn.since, me)
    others = {name: one for name, one in members.items() if name != me}
    ahead = {name: WAIT for name, one in others.items() if one.waits and (one.turn.since, name) < mine}
    return ahead or {name: _action(one) for name, one in others.items() if one.holds}


def _action(holder: Member) -> str:
    if holder.engine.retries:
        return END  # it has crashed, or does not start: the next one need not wait for its next attempt
    if holder.door.active == "active" and holder.engine.active == "active":
        return END if holder.door.status == DRAINED else DRAIN
    return WAIT  # it is starting, which the engine's own limit ends, or stopping


def members_of(group: str) -> list[str]:
    """The services of a group on this host, as far as their configurations can be read."""
    names = []
    for path in sorted(Path(configuration.CONFIGS).glob("*.json")):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            if json.loads(path.read_text(encoding="utf-8")).get("exclusive") == group:
                names.append(path.stem)
    return names


def look(names: Sequence[str]) -> dict[str, Member]:
    """What systemd says of the members; empty while it does not answer."""
    units = [unit for name in names for unit in units_of(name)]
    found = systemd.observe(units, *PROPERTIES)
    if set(found) != set(units):
        return {}
    return {name: Member(*(Unit.of(found[unit]) for unit in units_of(name))) for name in names}


def order(*arguments: str) -> None:
    """Tell systemctl. What it could not do is done at the next look."""
    subprocess.run(["systemctl", *arguments], stdin=subprocess.DEVNULL, capture_output=True, check=False)


def take(me: str) -> int:
    """``--turn NAME``: returns once the service may start."""
    group = str(configuration.read(f"{configuration.CONFIGS}/{me}.json").get("exclusive"))
    told: dict[str, float] = {}  # when the door with this invocation was told to drain
    waiting = False
    while True:
        members = look([me, *(name for name in members_of(group) if name != me)])
        actions = step(me, members) if members else {me: WAIT}
        if not actions:
            return 0
        if not waiting:
            say(f"{me} waits for its turn in the group {group}: {', '.join(sorted(actions))}")
            waiting = True
        for name, action in actions.items():
            if action != WAIT:
                _carry_out(name, members[name], action, told)
        time.sleep(TICK)


def _carry_out(name: str, member: Member, action: str, told: dict[str, float]) -> None:
    turn, _engine, door = units_of(name)
    if action == DRAIN:
        first = told.setdefault(member.door.invocation, time.monotonic())
        if time.monotonic() - first < DRAIN_LIMIT:
            order("kill", "--kill-whom=main", "--signal=SIGUSR1", door)
            return
        say(f"{name} has not finished its answers in {DRAIN_LIMIT:g} s: they are cut", level=4)
    order("stop", turn)  # and its engine before it
    order("stop", door)  # only now: a waiting client opens it again, and that must be another turn
