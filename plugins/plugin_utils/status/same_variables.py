# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Which hosts have the same variables, so that what follows from them is computed once. Pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Mapping
from typing import Any

# They differ from host to host and say nothing by themselves: only through a template that names them.
OF_ONE_HOST = frozenset(
    {
        *("inventory_hostname", "inventory_hostname_short", "group_names", "ansible_facts"),
        *("ansible_host", "ansible_port", "ansible_user", "ansible_ssh_private_key_file", "ansible_control_path"),
        *("ansible_become_password", "ansible_password", "ansible_ssh_common_args", "ansible_ssh_extra_args"),
    }
)
_NAMED = re.compile(rf"\b(?:{'|'.join(sorted(OF_ONE_HOST))}|hostvars)\b")


def fingerprint(host: str, variables: Mapping[str, Any], without: Collection[str] = ()) -> str:
    """The same for two hosts only if everything that follows from their variables, as written, is the same.

    A value that names a variable of one host, or other hosts' variables, makes a fingerprint of that host's own. ``without``: further
    variables that do not count.
    """
    left_out = OF_ONE_HOST | frozenset(without)
    text = repr(sorted((str(key), value) for key, value in variables.items() if key not in left_out))
    if _NAMED.search(text):
        text += f"\n{host}\n{[variables.get(key) for key in sorted(OF_ONE_HOST)]!r}"
    return hashlib.sha256(text.encode()).hexdigest()
