#!/usr/bin/python
# Copyright: (c) 2026, jetson.thor contributors
# Apache License 2.0 or GNU General Public License v3.0+, at your option
# (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""Asks each service of a host a question and judges the answer."""

from __future__ import annotations

DOCUMENTATION = r"""
module: verify
short_description: Send each service of a host representative requests, and check the answers
version_added: 0.1.0
author:
  - jetson.thor contributors (@jetson-thor)
description:
  - Sends real requests to all services in parallel, from the device itself, and checks the answers.
  - A chat service must answer with a well-formed completion of the served model that contains text and does not repeat itself. If its
    C(thinking) is V(false), the answer must contain no thinking; if it is V(true), V(medium) or more, the answer must contain some.
  - A service with C(tools) is offered a tool, and must call it with arguments that its schema allows. A model without trained weights is
    made to call it (C(tool_choice) V(required)), so only the engine is checked there.
  - A service with C(loras) must list each adapter, and answer by it.
  - A service with a vision model (C(vision)) is asked about a picture by its address and, if it may read a folder, as a file there. If its
    C(remote_media) is V(false), it must not fetch the picture.
  - A transcription service gets a recording as C(multipart/form-data), and must answer with a text.
  - An embedding service gets three sentences, and must answer with vectors of one length (the model's, where it is known) that are neither
    zero nor infinite; those of the two related sentences must be nearer to each other than to the third.
  - A rerank service gets a question and three documents, must score each of them, and the one that answers the question must be the first.
    The order of sentences and documents counts only if the model has trained weights.
  - A service with an API that this module does not know is reported as V(unverified).
  - A service whose unit is not on the host gets no request.
  - A gateway must show its certificate, and refuse a request without a key.
  - The module does not fail because of a bad answer; it returns what is wrong with each.
options:
  services:
    description: Resolved services, as in the fact C(thor_services). Keys other than those below are ignored.
    type: list
    elements: dict
    required: true
  prompt:
    description: The question for chat services.
    type: str
    default: Say hello in one short sentence.
  image_prompt:
    description: The question about the picture.
    type: str
    default: What do you see?
  max_tokens:
    description:
      - Longest answer, in tokens; six times as many for a service that may think.
      - An answer to O(prompt) that is cut off there is wrong, whether it is thinking without an answer or a text without an end.
    type: int
    default: 128
  timeout:
    description: Seconds allowed for each answer.
    type: float
    default: 120
  image_url:
    description:
      - Address of an image that the engines fetch.
      - Empty means a picture that the device itself offers during the check, which needs no network.
    type: str
    default: ""
  audio_file:
    description:
      - A recording on the controller; read only if there is a transcription service. Needs the action plugin of the same name.
      - Without one, the collection's own recording is sent.
    type: path
  junit_dir:
    description: Folder on the controller for the results as JUnit XML, one file per host. The action plugin writes it; empty for none.
    type: str
    default: ""
  gateway:
    description: Where the gateway listens and what its certificate is. The action plugin sets it, if the host has one.
    type: dict
  audio:
    description: The content of O(audio_file) in base64. The action plugin sets it.
    type: str
  let_sleep:
    description: Names of services that start on demand (C(on_demand)) and are not asked while they sleep. Others are woken.
    type: list
    elements: str
    default: []
extends_documentation_fragment:
  - jetson.thor.attributes.reads
  - jetson.thor.attributes.action
notes:
  - The module reads the keys C(name), C(unit), C(api), C(api_path), C(address), C(port), C(served_name), C(thinking), C(vision),
    C(remote_media), C(trained), C(engine), C(tools), C(loras) and C(about) of each service.
  - While a service is asked about the picture, the picture is in its folder.
  - Keeps states, times and codes of problems, and no answer, in C(/var/lib/thor/last/verify.json), for M(jetson.thor.host_status).
    Check mode does not write there.
seealso:
  - module: jetson.thor.services
"""

EXAMPLES = r"""
- name: Verify all services of this host
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
      description: The kind of request.
      type: str
      sample: image by URL
    state:
      description: V(ok), V(failed), V(asleep) if it was let sleep, or V(unverified) if no request is known for its API.
      type: str
    ok:
      description: Whether the service answered correctly, or sleeps.
      type: bool
    api:
      description: The service's API.
      type: str
    endpoint:
      description: Address of the request.
      type: str
    seconds:
      description: Wall time of the request.
      type: float
    tokens:
      description: Tokens of the answer; for an embedding or a ranking those of the request.
      type: int
    tokens_per_second:
      description: Generation speed as reported by the engine; if it reports none, speed of the whole request.
      type: float
    answer:
      description: The first 200 characters of the answer; the tool call, the length of the vectors or the scores.
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
from ansible_collections.jetson.thor.plugins.module_utils import last_runs
from ansible_collections.jetson.thor.plugins.module_utils.clients import gateway_check, keys, verify
from ansible_collections.jetson.thor.plugins.module_utils.observe import sockets
from ansible_collections.jetson.thor.plugins.module_utils.services import deployed

ARGUMENTS: dict[str, Any] = {
    "services": {"type": "list", "elements": "dict", "required": True},
    "prompt": {"type": "str", "default": "Say hello in one short sentence."},
    "image_prompt": {"type": "str", "default": "What do you see?"},
    "max_tokens": {"type": "int", "default": 128, "no_log": False},
    "timeout": {"type": "float", "default": 120},
    "image_url": {"type": "str", "default": ""},
    "junit_dir": {"type": "str", "default": ""},
    "audio_file": {"type": "path"},
    "audio": {"type": "str"},
    "gateway": {"type": "dict"},
    "let_sleep": {"type": "list", "elements": "str", "default": []},
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
    results = verify.verify_services(
        given["services"], questions, deployed.missing, sockets.listening(), given["let_sleep"]
    )
    results += [gateway_check.check(given["gateway"])] if given["gateway"] else []
    if not module.check_mode:
        last_runs.write_verify(results)
    module.exit_json(changed=False, results=results)


if __name__ == "__main__":
    main()
