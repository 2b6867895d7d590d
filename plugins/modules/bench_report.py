#!/usr/bin/python
# Copyright: (c) 2026, jetson.thor contributors
# Apache License 2.0 or GNU General Public License v3.0+, at your option
# (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""Documentation of the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: bench_report
short_description: Judge measurements, and report them as HTML, as Markdown and in the terminal
version_added: 0.1.0
author:
  - jetson.thor contributors (@jetson-thor)
description:
  - Reads result files of M(jetson.thor.bench), of any number of hosts and runs, and uses the newest result of each service of each host.
  - Compares each with earlier runs of its host (same profile, engine version and power mode), otherwise with other hosts, otherwise with
    the reference table.
  - Writes one self-contained HTML page that needs no network, and the same tables in Markdown.
options:
  results:
    description: Result files, or folders of them.
    type: list
    elements: path
    required: true
  floor:
    description: A service is too slow below this fraction of its baseline.
    type: float
    default: 0.9
  floors:
    description: The same for single hosts, by name.
    type: dict
    default: {}
  run:
    description: The run whose verdicts to return; if omitted, the verdicts of all services.
    type: str
  template:
    description: Template of the page.
    type: path
    required: true
  html:
    description: Path of the page.
    type: path
  markdown:
    description: Path of the Markdown file.
    type: path
  strict:
    description: Whether a file that cannot be read is an error. Otherwise it is skipped with a warning, which the page repeats.
    type: bool
    default: true
extends_documentation_fragment:
  - jetson.thor.attributes
  - jetson.thor.attributes.controller
attributes:
  check_mode:
    details: In check mode it compares and predicts, but writes nothing. It still fails if the files could not be written.
  diff_mode:
    support: none
requirements:
  - matplotlib, in the Python that runs Ansible
seealso:
  - module: jetson.thor.bench
"""

EXAMPLES = r"""
- name: Report all results
  jetson.thor.bench_report:
    results: [bench-results]
    template: roles/bench/templates/report.html.j2
    html: bench-results/report.html
"""

RETURN = r"""
text:
  description: The tables, for the terminal.
  type: str
  returned: success
html:
  description: Path of the page.
  type: str
  returned: when one was asked for
messages:
  description: What is wrong, by host, as sentences with a code.
  type: dict
  returned: success
problems:
  description: Files that cannot be used, each with C(code), C(variable), C(value), C(reason) and C(remedy).
  type: list
  elements: dict
  returned: when there are some, and it failed for them
"""
