# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What a bundle for support holds: units, configurations, journals, facts, versions, and what the kernel and the GPU say.

Files with secrets are only listed, by name, mode and size. Only reads.
"""

from __future__ import annotations

import json
import re
import stat
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils import commands, files
from ansible_collections.jetson.thor.plugins.module_utils.services import journal
from ansible_collections.jetson.thor.plugins.module_utils.services.definitions import UNITS, Disk
from ansible_collections.jetson.thor.plugins.module_utils.support.bundle import Bundle

# Where files of ours are, and those of others that decide how services run.
CONFIGURATIONS = (
    *("etc/thor/**/*", "etc/tmpfiles.d/thor*.conf", "etc/sysctl.d/*thor*.conf", "etc/logrotate.d/thor*"),
    *(
        "etc/apt/sources.list.d/*",
        "etc/docker/daemon.json",
        "etc/nv_tegra_release",
        "etc/os-release",
        "etc/nvpmodel.conf",
    ),
    *("var/lib/thor/*.json", "var/lib/thor/*/*.json", "var/lib/thor/metrics/*.prom"),
)
OUR_UNITS = (f"{UNITS}/*thor*", f"{UNITS}/*thor*.d/*", f"{UNITS}/docker.service.d/*")
# Of these folders no content leaves the device, except of files that are known to hold none.
SECRET_FOLDERS = ("etc/thor/secrets", "etc/thor/gateway", "etc/thor/proxy")
HARMLESS = re.compile(r"etc/thor/gateway/(nginx\.conf|(?!.*(clients|engine_keys)\.lua)[\w./-]+\.lua|tls\.crt)")
# Further folders whose files are listed: what there is, and how large it is.
LISTED = ("opt/thor", "models", "var/cache/thor", "var/log/thor")
LISTED_MOST = 2000
LARGEST_FILE = 4 << 20
KERNEL = re.compile(
    r"nvidia|nvgpu|nvmap|NVRM|tegra|\bgpu\b|Xid|out of memory|oom[-_]|killed process|thermal|throttl|soctherm|i/o error"
    r"|segfault|hung task|blocked for more than|nvme|EXT4-fs error",
    re.IGNORECASE,
)
JOURNAL_LINES = 3000
JOURNALS = ("docker.service", "containerd.service", "nvidia-cdi-refresh.service", "nv-install-docker.service")
# Each with its limit in seconds, where it needs one. None of them changes anything.
COMMANDS: Mapping[str, tuple[str, ...]] = {
    "uname.txt": ("uname", "-a"),
    "uptime.txt": ("uptime",),
    "packages.txt": ("dpkg-query", "-W", "-f=${db:Status-Abbrev} ${Package} ${Version} ${Architecture}\n"),
    "units.txt": ("systemctl", "--no-pager", "--all", "--full", "list-units", "thor*", "jetson-thor*", "docker*"),
    "unit_files.txt": ("systemctl", "--no-pager", "list-unit-files", "thor*", "jetson-thor*", "docker*"),
    "failed_units.txt": ("systemctl", "--no-pager", "--failed"),
    "cgroups.txt": ("systemd-cgtop", "--batch", "--iterations=1", "--depth=3"),
    "memory.txt": ("free", "-b"),
    "disks.txt": ("df", "-B1", "-T"),
    "mounts.txt": ("findmnt", "--raw"),
    "processes.txt": ("ps", "-eo", "pid,ppid,user,stat,pcpu,pmem,rss,lstart,comm"),
    "sockets.txt": ("ss", "-ltnp"),
    "containers.txt": ("docker", "ps", "--all", "--no-trunc"),
    "images.txt": ("docker", "images", "--digests"),
    "docker.txt": ("docker", "info"),
    "nvidia_smi.txt": ("nvidia-smi", "-q"),
    "power_mode.txt": ("nvpmodel", "-q"),
    "gateway_access.log": ("tail", "-n", "2000", "/var/log/thor/gateway/access.log"),
    # It prints until it is stopped.
    "tegrastats.txt": ("timeout", "3", "tegrastats", "--interval", "1000"),
}
COMMAND_SECONDS = 15


def fill(bundle: Bundle, facts: Mapping[str, Any], disk: Disk, lines: int = JOURNAL_LINES) -> None:
    """Put everything into a bundle; ``facts`` are what the host was observed to be, ``lines`` those of each journal."""
    for name, part in facts.items():
        bundle.add(f"{name}.json", json.dumps(part, indent=1, sort_keys=True, default=str))
    for name, command in COMMANDS.items():
        bundle.collect(f"commands/{name}", partial(commands.output, *command, seconds=COMMAND_SECONDS))
    bundle.collect("kernel.txt", kernel)
    for path in _paths(disk.root, (*OUR_UNITS, *CONFIGURATIONS)):
        name = str(path.relative_to(disk.root))
        if is_open(disk.root, path):
            bundle.collect(f"files/{name}", partial(_text, path))
    bundle.add("listing.txt", "\n".join(listing(disk.root)))
    for unit in dict.fromkeys([*_journal_units(disk), *JOURNALS]):
        bundle.collect(f"journals/{unit}.txt", partial(_journal, unit, bundle, lines))


def is_open(root: Path, path: Path) -> bool:
    """Whether the content of a file may leave the device, redacted: it holds no secret by its place, its mode or its name."""
    name = str(path.relative_to(root))
    if HARMLESS.fullmatch(name):
        return True
    if any(name.startswith(f"{folder}/") for folder in SECRET_FOLDERS) or path.suffix in (
        ".key",
        ".pem",
        ".p12",
        ".env",
    ):
        return False
    # What root keeps for itself below /etc may be anything.
    return not name.startswith("etc/thor/") or bool(path.stat().st_mode & 0o077)


def listing(root: Path) -> list[str]:
    """Mode, size and name of the files with secrets, and of what there is of engines, models and logs."""
    found = []
    for folder in (*SECRET_FOLDERS, *LISTED):
        paths = sorted(path for path in (root / folder).rglob("*") if not path.is_dir())
        found += [_entry(root, path) for path in paths[:LISTED_MOST]]
        if len(paths) > LISTED_MOST:
            found.append(f"/{folder}: and {len(paths) - LISTED_MOST} more")
    return found


def kernel() -> str:
    """What the kernel said of the GPU, memory, heat and disks since boot."""
    said = commands.output("dmesg", "--time-format", "iso") or commands.output(
        "journalctl", "--dmesg", "--boot", "--no-pager", "--output=short-iso", "--lines=20000"
    )
    return "\n".join(line for line in said.splitlines() if KERNEL.search(line))


def _paths(root: Path, patterns: Iterable[str]) -> list[Path]:
    found = {path for pattern in patterns for path in root.glob(pattern)}
    return sorted(path for path in found if path.is_file() and not path.is_symlink())


def _text(path: Path) -> str | None:
    if path.stat().st_size > LARGEST_FILE:
        raise ValueError(f"{path.stat().st_size} bytes are too many")
    content = files.content(path)
    return None if content is None else content.decode(errors="replace")


def _entry(root: Path, path: Path) -> str:
    status = path.lstat()
    return f"{stat.filemode(status.st_mode)} {status.st_uid}:{status.st_gid} {status.st_size:>12} /{path.relative_to(root)}"


def _journal_units(disk: Disk) -> list[str]:
    folder = disk.path(f"/{UNITS}")
    return sorted(
        path.name
        for pattern in ("thor*.service", "thor*.socket", "thor*.target", "jetson-thor*.service")
        for path in folder.glob(pattern)
        if "@" not in path.name
    )


def _journal(unit: str, bundle: Bundle, lines: int) -> str:
    return "\n".join(one.line() for one in journal.read([unit], "", lines, bundle.secrets))
