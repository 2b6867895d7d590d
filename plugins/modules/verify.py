#!/usr/bin/python
# Copyright: (c) 2026, jetson.thor contributors
# Apache License 2.0 or GNU General Public License v3.0+, at your option
# (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""Asks each service of a host a question and judges the answer."""

from __future__ import annotations

DOCUMENTATION = r"""
module: verify
short_description: Ask each service of a host a question and judge the answer
version_added: 0.1.0
author:
  - jetson.thor contributors (@jetson-thor)
description:
  - Sends a real request to each service, from the device itself and to all services at the same time, and judges the
    answers.
  - A chat service must answer with a well-formed completion of the served model that holds text. Where its C(thinking)
    is V(false) the answer must show no thinking.
  - A service whose API this module cannot ask yet is told as V(unverified).
  - The module does not fail on a bad answer; it returns what is wrong with each service.
options:
  services:
    description: Resolved services, as in the fact C(thor_services). Other keys than those below are ignored.
    type: list
    elements: dict
    required: true
  prompt:
    description: The question.
    type: str
    default: Say hello in one short sentence.
  max_tokens:
    description: Longest answer, in tokens. A model that thinks may spend all of them on thinking.
    type: int
    default: 128
  timeout:
    description: Seconds that each answer may take.
    type: float
    default: 120
attributes:
  check_mode:
    description: Can run in check mode and return what is found without modifying the target.
    support: full
  diff_mode:
    description: Returns details on what has changed, or would change in check mode.
    support: none
notes:
  - Of each service the keys C(name), C(unit), C(api), C(address), C(port), C(served_name) and C(thinking) are read.
  - It changes nothing, so there is nothing to show in diff mode.
seealso:
  - module: jetson.thor.services
"""

EXAMPLES = r"""
- name: Ask all services of this host
  jetson.thor.verify:
    services: "{{ ansible_facts['thor_services'] }}"
  register: answers
"""

RETURN = r"""
results:
  description: One entry per service, in their order.
  type: list
  elements: dict
  returned: always
  contains:
    name:
      description: Name of the service.
      type: str
    state:
      description: V(ok), V(failed), or V(unverified) where no request is known for its API.
      type: str
    ok:
      description: Whether the service answered as it should.
      type: bool
    api:
      description: The service's API.
      type: str
    endpoint:
      description: Where it was asked.
      type: str
    seconds:
      description: Wall time of the request.
      type: float
    tokens:
      description: Tokens of the answer.
      type: int
    tokens_per_second:
      description: Speed of generation as the engine tells it; where it does not, of the request as a whole.
      type: float
    answer:
      description: The first 200 characters of the answer.
      type: str
    problems:
      description: What is wrong, each with C(code), C(variable), C(value), C(reason) and C(remedy).
      type: list
      elements: dict
    messages:
      description: The same as sentences.
      type: list
      elements: str
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.jetson.thor.plugins.module_utils import ask


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "services": {"type": "list", "elements": "dict", "required": True},
            "prompt": {"type": "str", "default": "Say hello in one short sentence."},
            "max_tokens": {"type": "int", "default": 128, "no_log": False},
            "timeout": {"type": "float", "default": 120},
        },
        supports_check_mode=True,
    )
    given = module.params
    results = ask.ask_all(given["services"], given["prompt"], given["max_tokens"], given["timeout"])
    module.exit_json(changed=False, results=results)


if __name__ == "__main__":
    main()
