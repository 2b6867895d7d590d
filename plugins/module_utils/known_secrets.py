# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The secrets that are on this host, so that they can be taken out of what leaves it (redaction.py). Only reads."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from ansible_collections.jetson.thor.plugins.module_utils import files
from ansible_collections.jetson.thor.plugins.module_utils.redaction import Secrets

SERVICES = "etc/thor/secrets"
GATEWAY = "etc/thor/gateway"
PROXY = "etc/thor/proxy"
_LINE = re.compile(r'^([A-Za-z_]\w*)="((?:\\.|[^"\\])*)"', re.MULTILINE | re.DOTALL)
_DIGEST = re.compile(r"\b[0-9a-f]{64}\b")
_USERINFO = re.compile(r"://([^\s/@\"']+)@")
_KEY = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----(.*?)-----END", re.DOTALL)


def on_host(digests: Iterable[str] = (), root: Path = Path("/")) -> Secrets:
    """The secrets of services, of the gateway and of a proxy. ``digests``: of what only the control machine knows."""
    values, names, known = set[str](), set[str](), set(digests)
    for text in _texts(root / SERVICES):
        for name, quoted in _LINE.findall(text):
            names.add(name)
            values.add(re.sub(r"\\(.)", r"\1", quoted, flags=re.DOTALL))
    for text in _texts(root / GATEWAY):
        # The gateway has its clients' keys as SHA-256.
        known |= set(_DIGEST.findall(text))
        values |= {line for block in _KEY.findall(text) for line in block.split()}
    for text in _texts(root / PROXY):
        for userinfo in _USERINFO.findall(text):
            values |= {userinfo, userinfo.partition(":")[2]}
    return Secrets(frozenset(values - {""}), frozenset(names), frozenset(known))


def _texts(folder: Path) -> list[str]:
    found = (files.content(path) for path in sorted(folder.rglob("*")) if path.is_file())
    return [content.decode(errors="replace") for content in found if content is not None]
