# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Text for a unit file that stays the one line and the words that it is."""

from __future__ import annotations

DOCUMENTATION = r"""
name: systemd_text
short_description: Escape text for a unit file
version_added: 0.1.0
author:
  - jetson.thor contributors (@jetson-thor)
description:
  - Makes of a text the value of a directive of a unit file that is not split into words, such as C(Description=).
  - C(%) is doubled (specifiers). A text that cannot stay on its line is an error - one with a control character, which would begin
    another directive, and one that ends with a backslash, which would take the next line in.
  - P(jetson.thor.systemd_argv#filter) is for directives that are split into words, such as C(ExecStart=).
positional: _input
options:
  _input:
    description: The text.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Show a description as a unit file needs it
  ansible.builtin.debug:
    msg: "Description={{ 'a chat at 100%' | jetson.thor.systemd_text }}"
"""

RETURN = r"""
_value:
  description: The text.
  type: str
  sample: a chat at 100%%
"""

import re
from collections.abc import Callable

from ansible.errors import AnsibleFilterError

_BREAKING = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]|\\\s*$")


def systemd_text(value: object) -> str:
    """The text, or an error where it would not stay what it is."""
    text = str(value).strip()
    if _BREAKING.search(text):
        raise AnsibleFilterError(f"systemd_text: {text!r} cannot be the value of a directive of a unit")
    return text.replace("%", "%%")


class FilterModule:
    """The filter, for Ansible."""

    def filters(self) -> dict[str, Callable[[object], str]]:
        """Name and function."""
        return {"systemd_text": systemd_text}
