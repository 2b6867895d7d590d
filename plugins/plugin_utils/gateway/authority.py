# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The folder of the small authority on the control machine: ``ca.crt``, ``ca.key`` and, in ``hosts``, a pair for each host.

Several hosts are served at once, each by a process of its own: whoever makes something holds the folder's lock. Files appear complete.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

from ansible_collections.jetson.thor.plugins.module_utils import files
from ansible_collections.jetson.thor.plugins.plugin_utils.gateway import certificates
from ansible_collections.jetson.thor.plugins.plugin_utils.gateway.certificates import Pair, Unusable

IGNORE = "# Keys of the gateways: they belong neither into a repository nor into an archive.\n*\n"


class Authority:
    """The authority in a folder, which need not exist yet."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.certificate, self.key = self.folder / "ca.crt", self.folder / "ca.key"

    def pair(self, host: str) -> Pair | None:
        """The certificate and the key of a host, if both are there."""
        return _read(self._host(host, "crt"), self._host(host, "key"))

    def due(self, host: str, names: Sequence[str], now: datetime) -> str | None:
        """Why the host needs a new certificate; None if it does not. Raises Unusable if the authority itself is unusable."""
        authority = self._authority(now)
        return (
            "there is none yet"
            if authority is None
            else certificates.due(self.pair(host), authority.certificate, names, now)
        )

    def renewed(self, host: str, names: Sequence[str], now: datetime) -> Pair:
        """The host's pair, made or renewed where that is due. Raises Unusable, and OSError if the folder cannot be written."""
        with self._locked():
            authority = self._authority(now)
            if authority is None:
                authority = certificates.make_authority(now)
                # The key first: an authority without its key is refused, and a key without its authority is made anew.
                files.write(self.key, authority.key, 0o600, durable=True)
                files.write(self.certificate, authority.certificate, 0o644, durable=True)
            pair = self.pair(host)
            if pair is None or certificates.due(pair, authority.certificate, names, now):
                pair = certificates.make_certificate(authority, names, now)
                files.write(self._host(host, "key"), pair.key, 0o600, durable=True)
                files.write(self._host(host, "crt"), pair.certificate, 0o644, durable=True)
            return pair

    def _authority(self, now: datetime) -> Pair | None:
        """The authority's own pair; None if there is none yet."""
        if not self.certificate.exists():
            return None
        pair = _read(self.certificate, self.key)
        if pair is None:
            raise Unusable(f"{self.certificate} is there, but its key {self.key} is not, or cannot be read.")
        try:
            certificates.check(pair, now)
        except Unusable as error:
            raise Unusable(f"{self.certificate}: {error}") from error
        return pair

    def _host(self, host: str, ending: str) -> Path:
        return self.folder / "hosts" / f"{host}.{ending}"

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        for folder in (self.folder, self.folder / "hosts"):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            folder.chmod(0o700)
        ignore = self.folder / ".gitignore"
        if not ignore.exists():
            files.write(ignore, IGNORE, 0o644)
        descriptor = os.open(self.folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def _read(certificate: Path, key: Path) -> Pair | None:
    found = [files.content(path) for path in (certificate, key)]
    if any(one is None for one in found):
        return None
    return Pair(*(one.decode(errors="replace") for one in found if one is not None))
