# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The files that hand secrets to services: root's alone, read by systemd (``EnvironmentFile=``) before the service has an account.

A file is never changed. A changed secret makes a file with another name, which is in the unit: so the service is restarted, and
a definition that is brought back finds the secret that it had. The name is random and says nothing about the content.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils import files, known_secrets

FOLDER = known_secrets.SERVICES
# Definitions that name such a file: those in force, those that a switch under way would put back (transaction.py), and those that a
# restore brings back.
DEFINITIONS = (
    "etc/systemd/system/thor-*.service",
    "etc/systemd/system/.thor-*.service.*",
    "var/lib/thor/*.json",
    "var/lib/thor/*/*.json",
)


class SecretFiles:
    """The files below a root folder."""

    def __init__(self, root: str | Path = "/") -> None:
        self.root = Path(root)
        self.folder = self.root / FOLDER

    def tag(self, name: str, values: Mapping[str, str]) -> str | None:
        """The tag of the service's file that holds exactly this, or None."""
        wanted = render(values)
        return self._tag(name, lambda found: found == wanted)

    def observe(self, key: str, digests: Mapping[str, str]) -> dict[str, Any]:
        """``tags``, by service, of the files that hold the secrets with these digests; ``unused``: there are others to be removed."""

        def find(name: str, wanted: str) -> str | None:
            return self._tag(name, lambda text: _digest(key, text) == wanted)

        tags = {name: tag for name, wanted in digests.items() if (tag := find(name, wanted))}
        return {"tags": tags, "unused": any(self.unused(tags))}

    def _tag(self, name: str, matches: Callable[[bytes], bool]) -> str | None:
        for path in sorted(self.folder.glob(f"{name}-????????.env")):
            status = path.stat()
            if (status.st_mode & 0o777, status.st_uid) == (0o600, os.geteuid()) and matches(path.read_bytes()):
                return path.stem.removeprefix(f"{name}-")
        return None

    def write(self, name: str, values: Mapping[str, str]) -> str:
        """Make a file for the service and return its tag."""
        # Every service reads its configuration beside this folder, whatever root's umask is.
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        self.folder.parent.chmod(0o755)
        self.folder.mkdir(mode=0o700, exist_ok=True)
        self.folder.chmod(0o700)
        tag = secrets.token_hex(4)
        path = self.folder / f"{name}-{tag}.env"
        files.write(path, render(values), 0o600, durable=True)
        return tag

    def value(self, name: str, variable: str) -> str | None:
        """The value of a variable in the file that the service's unit names."""
        try:
            unit = (self.root / f"etc/systemd/system/thor-{name}.service").read_text(encoding="utf-8")
            for path in re.findall(rf"^EnvironmentFile=/({FOLDER}/\S+)$", unit, re.MULTILINE):
                for line in (self.root / path).read_text(encoding="utf-8").splitlines():
                    key, _equals, quoted = line.partition("=")
                    if key == variable:
                        return re.sub(r"\\(.)", r"\1", quoted[1:-1])
        except OSError:
            return None
        return None

    def unused(self, tags: Mapping[str, str]) -> Iterator[Path]:
        """Files that are named neither by these tags nor by a definition on the host."""
        kept = {f"{name}-{tag}.env" for name, tag in tags.items()}
        texts = [
            path.read_text(encoding="utf-8", errors="replace")
            for pattern in DEFINITIONS
            for path in self.root.glob(pattern)
            if path.is_file()
        ]
        for path in sorted(self.folder.glob("*")) if self.folder.is_dir() else []:
            if path.name not in kept and not any(f"{FOLDER}/{path.name}" in text for text in texts):
                yield path


def digest(key: str, values: Mapping[str, str]) -> str:
    """A digest by which ``SecretFiles.observe`` recognizes a file; ``key`` is used once, so that it tells nobody else anything."""
    return _digest(key, render(values))


def _digest(key: str, text: bytes) -> str:
    return hmac.new(key.encode(), text, hashlib.sha256).hexdigest()


def render(values: Mapping[str, str]) -> bytes:
    """The lines of a file, quoted as systemd.exec(5) has it for EnvironmentFile=."""
    lines = []
    for key, value in sorted(values.items()):
        quoted = "".join(f"\\{one}" if one in '"\\`$' else one for one in value)
        lines.append(f'{key}="{quoted}"\n')
    return "".join(lines).encode()
