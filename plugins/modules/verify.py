#!/usr/bin/python
# Copyright: (c) 2026, jetson.thor contributors
# Apache License 2.0 or GNU General Public License v3.0+, at your option
# (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""Asks each service of a host a question and judges the answer."""

from __future__ import annotations

DOCUMENTATION = r"""
module: verify
short_description: Send each service of a host the requests that it is there for, and judge the answers
version_added: 0.1.0
author:
  - jetson.thor contributors (@jetson-thor)
description:
  - Sends real requests to each service, from the device itself and all of them side by side, and judges the answers.
  - A chat service must answer with a well-formed completion of the served model that holds text and does not repeat itself. Where its
    C(thinking) is V(false) the answer must show no thinking.
  - One whose model sees images (C(vision)) is asked about a picture by its address and, where it may read a folder, as a file there.
    Where its C(remote_media) is V(false) it must not fetch the picture.
  - A transcription service is sent a sound as C(multipart/form-data), and must answer with a text.
  - A service whose API this module cannot ask is told as V(unverified).
  - A service whose unit is not on the host is not asked.
  - The module does not fail on a bad answer; it returns what is wrong with each.
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
  image_prompt:
    description: The question about the picture.
    type: str
    default: What do you see?
  max_tokens:
    description:
      - Longest answer, in tokens; six times as many for a service that may think.
      - An answer to O(prompt) that is cut there is wrong, be it a thought without an answer or a text without an end.
    type: int
    default: 128
  timeout:
    description: Seconds that each answer may take.
    type: float
    default: 120
  image_url:
    description:
      - Address of an image that the engines are to fetch.
      - Empty means a picture that the device itself offers meanwhile, which needs no network.
    type: str
    default: ""
  audio_file:
    description:
      - A sound on the controller; read only where there is a transcription service. Needs the action plugin of the same name.
      - Without one a second of silence is sent.
    type: path
  audio:
    description: The content of O(audio_file) in base64. The action plugin sets it.
    type: str
attributes:
  check_mode:
    description: Can run in check mode and return what is found without modifying the target.
    support: full
  diff_mode:
    description: Returns details on what has changed, or would change in check mode.
    support: none
  action:
    description: Has a corresponding action plugin, so that some parts run on the controller.
    support: full
notes:
  - Of each service the keys C(name), C(unit), C(api), C(api_path), C(address), C(port), C(served_name), C(thinking), C(vision),
    C(remote_media) and C(trained) are read.
  - It changes nothing, so there is nothing to show in diff mode. The picture lies in the service's folder while that is asked about it.
seealso:
  - module: jetson.thor.services
"""

EXAMPLES = r"""
- name: Ask all services of this host
  jetson.thor.verify:
    services: "{{ ansible_facts['thor_services'] }}"
    audio_file: speech.wav
  register: answers
"""

RETURN = r"""
results:
  description: One entry per request, in the order of the services.
  type: list
  elements: dict
  returned: always
  contains:
    name:
      description: Name of the service.
      type: str
    request:
      description: What was asked.
      type: str
      sample: image by URL
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

import base64
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.jetson.thor.plugins.module_utils.clients import keys, verify
from ansible_collections.jetson.thor.plugins.module_utils.observe import host
from ansible_collections.jetson.thor.plugins.module_utils.services import deployed

ARGUMENTS: dict[str, Any] = {
    "services": {"type": "list", "elements": "dict", "required": True},
    "prompt": {"type": "str", "default": "Say hello in one short sentence."},
    "image_prompt": {"type": "str", "default": "What do you see?"},
    "max_tokens": {"type": "int", "default": 128, "no_log": False},
    "timeout": {"type": "float", "default": 120},
    "image_url": {"type": "str", "default": ""},
    "audio_file": {"type": "path"},
    "audio": {"type": "str"},
}


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    given = module.params
    questions = verify.Questions(
        **{key: given[key] for key in ("prompt", "image_prompt", "max_tokens", "timeout", "image_url")},
        **({"sound_name": given["audio_file"], "sound": base64.b64decode(given["audio"])} if given["audio"] else {}),
    )
    keys.learn_keys(given["services"])
    results = verify.ask_all(given["services"], questions, deployed.missing, host.listening())
    module.exit_json(changed=False, results=results)


if __name__ == "__main__":
    main()
