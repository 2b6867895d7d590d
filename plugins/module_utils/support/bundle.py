# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""An archive of texts, made in memory: nothing of it is ever on the disk of the device. Its size is bounded."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from dataclasses import dataclass, field

from ansible_collections.jetson.thor.plugins.module_utils.redaction import Secrets, redact

TEXT_MOST = 1 << 20  # bytes of one text; of a longer one the end counts
ALL_MOST = 24 << 20  # bytes of all texts
PACKED_MOST = 8 << 20  # bytes of the archive
LEFT_OUT = "LEFT_OUT.txt"


@dataclass
class Bundle:
    """Collects texts below one folder; each is redacted on its way in."""

    folder: str
    secrets: Secrets
    at: int  # seconds since 1970
    texts: dict[str, str] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)
    _size: int = 0

    def add(self, name: str, text: str | None) -> None:
        """Add a text, unless there is none."""
        if not text:
            return
        # Cut after the secrets are gone: a half of one would not be known.
        data = redact(text, self.secrets).encode(errors="replace")
        if len(data) > TEXT_MOST:
            self.left_out.append(f"{name}: all but the last {TEXT_MOST} of {len(data)} bytes")
            data = data[-TEXT_MOST:].partition(b"\n")[2]
        if self._size + len(data) > ALL_MOST:
            self.left_out.append(f"{name}: the bundle is full")
            return
        self._size += len(data)
        self.texts[name] = data.decode(errors="replace")

    def collect(self, name: str, read: Callable[[], str | None]) -> None:
        """Add what ``read`` returns. A part that cannot be read must not cost the others."""
        try:
            self.add(name, read())
        except (OSError, ValueError, LookupError, TypeError, RuntimeError) as error:
            self.left_out.append(f"{name}: {type(error).__name__}: {error}")

    def packed(self) -> bytes:
        """The archive, as tar.gz. If it is too large, the largest texts are left out."""
        while True:
            told = redact("\n".join(self.left_out), self.secrets)
            data = _pack(self.folder, {**self.texts, LEFT_OUT: f"{told}\n" if told else "nothing\n"}, self.at)
            if len(data) <= PACKED_MOST or not self.texts:
                return data
            largest = max(self.texts, key=lambda name: len(self.texts[name]))
            self.left_out.append(f"{largest}: the archive would be larger than {PACKED_MOST} bytes")
            del self.texts[largest]


def _pack(folder: str, texts: dict[str, str], at: int) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz", compresslevel=6) as archive:
        for name, text in sorted(texts.items()):
            data = text.encode(errors="replace")
            entry = tarfile.TarInfo(f"{folder}/{name.lstrip('/')}")
            entry.size, entry.mtime, entry.mode = len(data), at, 0o600
            archive.addfile(entry, io.BytesIO(data))
    return stream.getvalue()
