# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What the modules that fetch files of models have in common (module_utils/models/parameters.py)."""

from __future__ import annotations


class ModuleDocFragment:
    """Options of a job that fetches files, and what check mode cannot predict of it."""

    DOCUMENTATION = r"""
options:
  path:
    description: Absolute path of the directory for the files.
    type: path
    required: true
  staging:
    description:
      - Directory for unfinished downloads, on the file system of O(path).
      - Defaults to C(.thor/staging) beside O(path), or beside the owner's directory for the models of a hub (C(/models/.thor/staging) for
        C(/models/owner/name)).
    type: path
  verify_checksums:
    description: Whether to read all files and compare their SHA-256, even if size and time match the manifest.
    type: bool
    default: false
  retries:
    description: How often an attempt that brings not a single byte is repeated.
    type: int
    default: 3
  idle_timeout:
    description: Seconds of silence after which a connection is closed and opened again.
    type: int
    default: 30
  timeout:
    description: Seconds allowed for the whole job.
    type: int
    default: 172800
attributes:
  check_mode:
    support: partial
    details: Check mode cannot predict changes that only a hash reveals; see the notes.
requirements:
  - systemd and root, for the transient unit
"""
