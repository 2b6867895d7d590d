#!/usr/bin/python
# Copyright: (c) 2026, jetson.thor contributors
# Apache License 2.0 or GNU General Public License v3.0+, at your option
# (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""Measures the services of a host through their own APIs."""

from __future__ import annotations

DOCUMENTATION = r"""
module: bench
short_description: Measure the services of a host through their own APIs
version_added: 0.1.0
author:
  - jetson.thor contributors (@jetson-thor)
description:
  - Measures one service after the other, on the device itself, and writes the results to a file on the controller; C(docs/bench.md)
    explains its schema.
  - A chat service gets random prompts and generates a fixed number of tokens, for one client and for several at once. The module records
    time to first token, time per token and decode rate, and the speed that the engine itself reports.
  - A transcription service gets a recording; the module records its real-time factor.
  - An embedding or a rerank service gets random documents; the module records documents per second.
  - Of a service that speculates the module records how many of the drafted tokens the model has accepted, as far as the engine says so.
  - Power mode, clocks, memory, temperatures and MIG are recorded too.
  - A service that fails, hangs or dies is reported as such. The others are still measured, and the module does not fail.
  - The work runs as a job under its own systemd unit, which outlives a lost connection.
options:
  services:
    description: Resolved services, as in the fact C(thor_services).
    type: list
    elements: dict
    required: true
  results:
    description: Folder on the controller for the result file. Needs the action plugin of the same name.
    type: path
    default: bench-results
  run:
    description: Name of the run, the same for all hosts that are measured in it; a later run must sort after an earlier one. Defaults to
      the time. Needs the action plugin.
    type: str
  input_tokens:
    description: Length of a prompt, in tokens as the service counts them.
    type: int
    default: 2048
  output_tokens:
    description: Length of an answer, in tokens.
    type: int
    default: 128
  concurrency:
    description: Numbers of requests in flight, one load for each.
    type: list
    elements: int
    default: [1, 8]
  requests:
    description: Number of requests of a load; at least as many as are in flight.
    type: int
    default: 8
  warmups:
    description: Requests before the first load, which do not count.
    type: int
    default: 1
  audio_file:
    description:
      - A recording on the controller, a WAV file. It is repeated until it is long enough.
      - Without one, the collection's own recording is used.
    type: path
  audio:
    description: The content of O(audio_file) in base64. The action plugin sets it.
    type: str
  audio_seconds:
    description: Length of the recording in seconds.
    type: float
    default: 30
  documents:
    description: Documents in each request to an embedding or a rerank service.
    type: int
    default: 16
  document_tokens:
    description: Length of such a document, in tokens as the service counts them.
    type: int
    default: 256
  tools:
    description: Whether to run the engines' own tools (llama-bench) too, if there is enough memory.
    type: bool
    default: true
  speculation:
    description:
      - Whether to measure services with C(speculative) without speculation, too. Each is restarted twice, through its own unit, and so
        serves nobody for two starts. Afterwards it runs as before, also where the measurement fails or is killed.
    type: bool
    default: false
  request_timeout:
    description: Seconds allowed for each answer.
    type: float
    default: 600
  timeout:
    description: Seconds allowed for all measurements. Services that do not get their turn are reported as not measured.
    type: int
    default: 14400
  facts_root:
    description: Folder whose files stand in for the device's own, see M(jetson.thor.host_facts).
    type: str
    default: ""
  seed:
    description: Seed of the random prompts; defaults to the time.
    type: int
extends_documentation_fragment:
  - jetson.thor.attributes
  - jetson.thor.attributes.action
attributes:
  check_mode:
    details: In check mode nothing is measured.
  diff_mode:
    support: none
    details: Afterwards the host is as it was, so there is nothing to show.
seealso:
  - module: jetson.thor.bench_report
"""

EXAMPLES = r"""
- name: Measure all services of this host
  jetson.thor.bench:
    services: "{{ ansible_facts['thor_services'] }}"
    audio_file: speech.wav
  register: measured
"""

RETURN = r"""
document:
  description: What was measured.
  type: dict
  returned: when it was measured
file:
  description: The file on the controller that contains it.
  type: str
  returned: when it was measured
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.jetson.thor.plugins.module_utils import jobs
from ansible_collections.jetson.thor.plugins.module_utils.clients import bench
from ansible_collections.jetson.thor.plugins.module_utils.services import deployed

ARGUMENTS: dict[str, Any] = {
    "services": {"type": "list", "elements": "dict", "required": True},
    "results": {"type": "path", "default": "bench-results"},
    "run": {"type": "str"},
    "input_tokens": {"type": "int", "default": 2048, "no_log": False},
    "output_tokens": {"type": "int", "default": 128, "no_log": False},
    "concurrency": {"type": "list", "elements": "int", "default": [1, 8]},
    "requests": {"type": "int", "default": 8},
    "warmups": {"type": "int", "default": 1},
    "audio_file": {"type": "path"},
    "audio": {"type": "str"},
    "audio_seconds": {"type": "float", "default": 30},
    "documents": {"type": "int", "default": 16},
    "document_tokens": {"type": "int", "default": 256, "no_log": False},
    "tools": {"type": "bool", "default": True},
    "speculation": {"type": "bool", "default": False},
    "request_timeout": {"type": "float", "default": 600},
    "timeout": {"type": "int", "default": 14400},
    "facts_root": {"type": "str", "default": ""},
    "seed": {"type": "int"},
}


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    given = module.params
    method = {key: given[key] for key in bench.METHOD}
    if module.check_mode:
        module.exit_json(changed=False)
    wrong = deployed.all_missing(given["services"]) if deployed.is_root() else [deployed.no_root()]
    if wrong:
        module.fail_json(msg="\n".join(problem.text() for problem in wrong))
    jobs.start(
        module,
        name="bench",
        target="clients.bench",
        spec={
            "services": given["services"],
            "method": method,
            "audio": given["audio"],
            "audio_file": given["audio_file"],
            "timeout": given["request_timeout"],
            "timeout_all": given["timeout"],
            "tools": given["tools"],
            "speculation": given["speculation"],
            "facts_root": given["facts_root"],
        },
        # The one that is at work then may come to its end.
        timeout=given["timeout"] + 3600,
        # Also of a job that is killed: its service speculates again.
        after="services.plain_run.restore()",
    )


if __name__ == "__main__":
    main()
