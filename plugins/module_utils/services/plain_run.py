# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""A service without its speculation for a while, so that bench can measure what speculation is worth.

A drop-in below /run overrides the command of its unit. It goes in every case: ``plainly`` removes it, after a job that was killed
``restore`` does (jobs.start, ``after``), and a reboot empties /run. Meanwhile a play that compares the unit with the inventory
refuses to switch on top of it (drop_ins.py).
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils import files, jobs
from ansible_collections.jetson.thor.plugins.module_utils.services import quoting
from ansible_collections.jetson.thor.plugins.module_utils.services.parts import proxy_of
from ansible_collections.jetson.thor.plugins.module_utils.services.systemctl import Systemctl

UNITS = Path("/run/systemd/system")
# systemd reads drop-ins in the order of their names: this one is the last.
NAME = "zz-thor-bench.conf"
SWITCH = "switch"  # the job that changes units
NOTE = (
    "# bench measures this service without speculation. It removes this file when it has done so; a reboot does, too."
)
RESTORE = "THOR-BENCH-RESTORE"


class Failed(Exception):
    """Why a service could not run without speculation, in a sentence; or that it does not run with it again."""


@contextlib.contextmanager
def plainly(service: Mapping[str, Any], tell: Callable[[str], None], systemctl: Systemctl) -> Iterator[None]:
    """Run the service without speculation inside, and as before afterwards. Raises Failed.

    Of ``service`` the keys ``name``, ``unit``, ``argv``, ``plain_argv`` and ``on_demand`` are read.
    """
    unit = service["unit"]
    if jobs.is_running(SWITCH):
        raise Failed("Not measured without speculation: a play is changing services on this host.")
    plain = _plain_command(_running(unit, systemctl), service["argv"], service["plain_argv"])
    drop_in = _drop_in(unit)
    drop_in.parent.mkdir(parents=True, exist_ok=True)
    files.write(drop_in, f"{NOTE}\n[Service]\nExecStart=\nExecStart={quoting.command(plain)}\n", mode=0o644)
    try:
        try:
            _restart(service, systemctl, lambda status: tell(f"starts without speculation: {status}"))
        except Failed as error:
            raise Failed(f"Not measured without speculation: {error}") from None
        if _running(unit, systemctl) != plain:
            raise Failed(f"Not measured without speculation: something else sets the command of {unit}.")
        yield
    finally:
        _remove(drop_in)
        try:
            _restart(service, systemctl, lambda status: tell(f"starts with speculation again: {status}"))
        except Failed as error:
            raise Failed(
                f"{RESTORE}: {socket.gethostname()}: {unit}: after the measurement without speculation it does not start as before: "
                f"{error} Read sudo journalctl -u {unit}, then sudo systemctl restart {unit}."
            ) from None


def restore(systemctl: Systemctl | None = None) -> None:
    """Undo what a job that was killed left behind: remove each drop-in, and restart its unit without waiting for it."""
    left = sorted(UNITS.glob(f"thor-*.service.d/{NAME}"))
    if not left:
        return
    systemctl = systemctl or Systemctl()
    for drop_in in left:
        _remove(drop_in)
    systemctl.reload()
    for drop_in in left:
        systemctl.run("restart", "--no-block", drop_in.parent.name.removesuffix(".d"), check=False)


def _plain_command(running: Sequence[str], argv: Sequence[str], plain_argv: Sequence[str]) -> list[str]:
    """The running command with ``plain_argv`` in place of ``argv``, the engine's command, with which it ends.

    Its first words may differ: the path of the program, or what an image's entrypoint adds by itself. Raises Failed.
    """
    for head in range(len(argv)):
        tail = list(argv[head:])
        if list(running[-len(tail) :]) == tail and list(plain_argv[:head]) == list(argv[:head]):
            return [*running[: -len(tail)], *plain_argv[head:]]
    raise Failed("Not measured without speculation: what runs is not the command of the inventory. Run site.yml first.")


def _running(unit: str, systemctl: Systemctl) -> list[str]:
    """The words of the command that the unit's main process runs; empty if it does not run."""
    process = systemctl.states([unit])[unit].main_pid
    command = files.content(Path(f"/proc/{process}/cmdline")) if process else None
    return command.decode(errors="surrogateescape").removesuffix("\0").split("\0") if command else []


def _restart(service: Mapping[str, Any], systemctl: Systemctl, tell: Callable[[str], None]) -> None:
    """Raises Failed where the unit does not start. One that starts on demand is started, and held up, by its door."""
    systemctl.reload()
    unit = service["unit"]
    started = (
        systemctl.start(proxy_of(service["name"]), True, tell, unit)
        if service.get("on_demand")
        else systemctl.start(unit, True, tell)
    )
    if not started:
        status = systemctl.states([unit])[unit]
        raise Failed(f"{unit} did not start ({status.active}, {status.sub}).")


def _drop_in(unit: str) -> Path:
    return UNITS / f"{unit}.d" / NAME


def _remove(drop_in: Path) -> None:
    drop_in.unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # somebody else has a drop-in there
        drop_in.parent.rmdir()
