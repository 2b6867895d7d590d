#!/usr/bin/python
# Copyright: (c) 2026, jetson.thor contributors
# Apache License 2.0 or GNU General Public License v3.0+, at your option
# (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""Documentation of the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: resolve
short_description: Resolve thor_profiles into thor_services
version_added: 0.1.0
author:
  - jetson.thor contributors (@jetson-thor)
description:
  - Merges the catalog with the entries of the inventory, resolves the profiles of a host into services, and checks everything that can be
    checked without a connection to the host.
  - What neither the catalog nor the inventory says about a model is taken from what the model says of itself.
  - Returns the facts C(thor_services), C(thor_problems), C(thor_looks) and C(thor_sources).
  - Puts a host with models that have to be looked at into the group C(thor_models_unknown). Like M(ansible.builtin.group_by), it reports a
    change when it does.
options:
  catalog:
    description: Folder with the catalog's files.
    type: path
    required: true
  profiles:
    description: List of profile names, or of mappings that override a profile.
    type: raw
  extra_engines:
    description: Engines of the inventory, merged over the catalog's.
    type: raw
  extra_models:
    description: Models of the inventory, merged over the catalog's.
    type: raw
  extra_profiles:
    description: Profiles of the inventory, merged over the catalog's.
    type: raw
  engine_versions:
    description: Version of each engine, if it is not the catalog's default.
    type: dict
    default: {}
  address:
    description: Address on which the services listen.
    type: str
    default: 127.0.0.1
  allow_unauthenticated:
    description: Whether services may listen on an address other than loopback, although the engines do not authenticate their clients.
    type: bool
    default: false
  allow_broken:
    description: Whether profiles that are known to be broken may be served.
    type: bool
    default: false
  allow_unsafe_options:
    description:
      - Names of engine options and variables that are allowed although they let a client run or read things on the device.
    type: list
    elements: str
    default: []
  ngc_registry:
    description: Registry that replaces C(nvcr.io) in the names of images.
    type: str
    default: nvcr.io
  package_locks:
    description: Folder on the controller with lock files of Python packages, which come before those of the collection.
    type: path
    default: ""
  hubs:
    description: The hubs that may be asked for models, in this order.
    type: list
    elements: str
    choices: [modelscope, huggingface]
    default: [modelscope, huggingface]
  held:
    description: The models on the host, as the fact C(thor_host) has them.
    type: dict
    default: {}
  seen:
    description: What models say of themselves that are not on the host yet, as M(jetson.thor.model_look) returns it.
    type: dict
    default: {}
  update_models:
    description:
      - Whether models of a branch are looked at again, because the branch is followed.
      - Models whose revision is a commit, and those in the lock, are not.
    type: bool
    default: false
  device_memory_gib:
    description: Memory of the device in GiB, of which vLLM and SGLang get their share.
    type: float
    default: 122.0
  metrics:
    description: Whether engines that have a page of metrics show it.
    type: bool
    default: false
  refuse:
    description: Whether to fail when there are problems, instead of leaving that to M(jetson.thor.preflight).
    type: bool
    default: true
extends_documentation_fragment:
  - jetson.thor.attributes.reads
  - jetson.thor.attributes.controller
  - jetson.thor.attributes.facts
"""

EXAMPLES = r"""
- name: Resolve the profiles of the host
  jetson.thor.resolve:
    catalog: "{{ role_path }}/files"
    profiles:
      - qwen3-coder-30b-a3b-q5-k-m-llama-cpp
      - profile: qwen3-8b-q5-k-m-llama-cpp
        name: chat
        thinking: false
        port: 8001
"""

RETURN = r"""
ansible_facts:
  description: The facts.
  type: dict
  returned: always
  contains:
    thor_services:
      description: The resolved services; C(docs/catalog.md) describes their structure.
      type: list
      elements: dict
      returned: always
    thor_problems:
      description:
        - What is wrong with the profiles, each problem with C(code), C(variable), C(value), C(reason) and C(remedy).
      type: list
      elements: dict
      returned: always
    thor_looks:
      description: Models that have to be looked at before it is known what the services need, as M(jetson.thor.model_look) takes them.
      type: list
      elements: dict
      returned: always
    thor_sources:
      description:
        - By path of a model that was looked at, its hubs as M(jetson.thor.hub_model) takes them, first the one that was asked, with the
          commit that it named.
      type: dict
      returned: always
"""
