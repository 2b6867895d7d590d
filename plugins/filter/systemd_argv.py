# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Words for a unit file, quoted so that systemd hands on exactly these."""

from __future__ import annotations

DOCUMENTATION = r"""
name: systemd_argv
short_description: Quote words for a unit file
version_added: 0.1.0
author:
  - jetson.thor contributors (@jetson-thor)
description:
  - Joins words into the value of a directive of a unit file such as C(ExecStart=) or C(Environment=), quoted so that
    systemd hands on exactly these words, whatever they hold.
  - C(%) is doubled (specifiers), and in a command C($) too (variables); see systemd.service(5), COMMAND LINES.
positional: _input
options:
  _input:
    description: The words.
    type: list
    elements: raw
    required: true
  command:
    description: Whether the words are a command, where systemd expands C($VARIABLE). In C(Environment=) it does not.
    type: bool
    default: true
"""

EXAMPLES = r"""
- name: Show a command as a unit file needs it
  ansible.builtin.debug:
    msg: "ExecStart={{ ['/usr/bin/printf', '%s', 'costs $5'] | jetson.thor.systemd_argv }}"

- name: Show an environment as a unit file needs it
  ansible.builtin.debug:
    msg: "Environment={{ ['PROMPT=two words', 'RATE=5%'] | jetson.thor.systemd_argv(command=false) }}"
"""

RETURN = r"""
_value:
  description: The words on one line.
  type: str
  sample: /usr/bin/printf %%s "costs $$5"
"""

import re
from collections.abc import Callable, Iterable

from ansible.errors import AnsibleFilterError

_PLAIN = re.compile(r"[A-Za-z0-9_@%$+=:,./-]+", re.ASCII)
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r"}


def quote(word: str, command: bool = True) -> str:
    """One word as a unit file needs it; a NUL cannot be part of one."""
    if "\0" in word:
        raise AnsibleFilterError("systemd_argv: a word of a command line cannot hold a NUL byte")
    text = re.sub(r'[\\"\x01-\x1f\x7f]', lambda found: _ESCAPES.get(found[0], f"\\x{ord(found[0]):02x}"), word)
    text = text.replace("%", "%%")
    if command:
        text = text.replace("$", "$$")
    return text if _PLAIN.fullmatch(text) else f'"{text}"'


def systemd_argv(words: Iterable[object], command: bool = True) -> str:
    """All words on one line."""
    if isinstance(words, (str, bytes)):
        raise AnsibleFilterError("systemd_argv: a list of words is needed, not one text")
    return " ".join(quote(str(word), command) for word in words)


class FilterModule:
    """The filter, for Ansible."""

    def filters(self) -> dict[str, Callable[..., str]]:
        """Name and function."""
        return {"systemd_argv": systemd_argv}
