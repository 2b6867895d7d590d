# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What the modules of the model store do: nothing, a prediction in check mode, or a job that makes one target present.

A target is the directory of a model or the file of a URL. Its directory holds ``.thor-manifest.json`` (manifest.py). What is
missing arrives in a staging directory (staging.py) and takes its final name in one rename (install.py). A model (model.py, plan.py)
comes from the first of its hubs that can deliver it (sources.py): ModelScope's own client fetches its files (hub.py, client.py),
Hugging Face's own client lists them (huggingface.py, huggingface_client.py) and we fetch them (hub_files.py, receive.py). A plain URL
is fetched over HTTP (url.py, download.py, receive.py).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from ansible_collections.jetson.thor.plugins.module_utils import jobs, proxy
from ansible_collections.jetson.thor.plugins.module_utils.models import model, url
from ansible_collections.jetson.thor.plugins.module_utils.models.errors import FetchError, os_problem
from ansible_collections.jetson.thor.plugins.module_utils.models.hashing import Reporter
from ansible_collections.jetson.thor.plugins.module_utils.models.manifest import lock_digest, write_manifest
from ansible_collections.jetson.thor.plugins.module_utils.models.staging import slug, staging_folder, target_of
from ansible_collections.jetson.thor.plugins.module_utils.records import tell

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule


def run_module(module: AnsibleModule, spec_of: Callable[[Mapping[str, Any]], dict[str, Any]]) -> None:
    """Run a module of the store. ``spec_of`` makes the job's specification from the parameters (parameters.py)."""
    proxy.adopt(module)
    try:
        spec = spec_of(module.params)
        done = settled(spec, module.check_mode)
        if done is None and module.check_mode:
            done = _kind(spec).predict(spec)
    except FetchError as error:
        module.fail_json(msg=str(error), problems=[error.problem.as_dict()])
    if done is None:
        jobs.start(module, job_name(spec), "models.fetch", spec, timeout=spec["timeout"])
    for warning in done.pop("warnings"):
        module.warn(warning)
    tell(module)
    module.exit_json(**done)


def settled(spec: Mapping[str, Any], check_mode: bool) -> dict[str, Any] | None:
    """The module's result if there is nothing to do, found without network and without hashing; else None."""
    if spec["verify_checksums"]:
        return None
    is_model = spec["source"] == "hub"
    found = _kind(spec).complete(spec)
    if found is None:
        return None
    if not check_mode and staging_folder(spec, target_of(spec)).exists():
        return None  # a run that was killed after the rename left something to clean up
    if is_model and not check_mode and found["lock"] != lock_digest(spec["sha256"]):
        # Only a note for the next observation: the files are those of the new lock.
        found = found | {"lock": lock_digest(spec["sha256"])}
        write_manifest(model.where(spec) or Path(spec["path"]), found)
    return {"changed": False, "fetched_bytes": 0, "warnings": [], **_kind(spec).result_of(spec, found)}


def _kind(spec: Mapping[str, Any]) -> ModuleType:
    """The file that knows this kind of target; both have ``complete``, ``result_of``, ``predict`` and ``fetch``."""
    return model if spec["source"] == "hub" else url


def job_name(spec: Mapping[str, Any]) -> str:
    """The name of the job that fetches a target: ``fetch-qwen-qwen3-8b-gguf``."""
    what = spec["sources"][0]["id"] if spec["source"] == "hub" else spec["file"]
    return f"fetch-{slug(what)[:100]}"


def run_job(spec: dict[str, Any], report: Reporter) -> dict[str, Any]:
    """Make one target present, as a job (jobs.py). Raises jobs.JobFailed for what a person can put right."""
    os.umask(0o022)
    os.environ.update(spec["environment"])
    try:
        done: dict[str, Any] = _kind(spec).fetch(spec, report)
        return done
    except FetchError as error:
        raise jobs.JobFailed(str(error), problems=[error.problem.as_dict()]) from error
    except OSError as error:
        problem = os_problem(spec, error)
        if problem is None:
            raise
        raise jobs.JobFailed(str(problem), problems=[problem.problem.as_dict()]) from error
