# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""List a model with the Hugging Face hub's own client, ``huggingface_hub``, in a virtual environment of its own.

It lists and does nothing else. Facts about its 2.4.0 that this file relies on:

- It throws away what a killed download had (file_download.py, _download_to_tmp_and_move: a temporary file with a random name, which
  is unlinked in ``finally``), and compares sizes only. So the files are fetched by hub_files.py.
- model_info and list_repo_tree ask for the commit, and then for the files of this commit (as _snapshot_download.py does).
- list_repo_tree waits for as long as a rate limit says, 5 times, without a bound (utils/_http.py, _http_backoff_base), and without a
  timeout. So a refusal leaves at once by a hook of its HTTP client, and SIGALRM ends a request without an answer.
- The token is given on stdin. ``HF_HUB_DISABLE_IMPLICIT_TOKEN`` keeps it from looking for others. It would send the token to whatever
  address the header ``Link`` names as the next page (utils/_pagination.py), so the hook takes it off for other hosts.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils import bounded
from ansible_collections.jetson.thor.plugins.module_utils.models import errors, huggingface
from ansible_collections.jetson.thor.plugins.module_utils.models.entries import Listing
from ansible_collections.jetson.thor.plugins.module_utils.models.huggingface import Refusal, Refused

# Runs in the client's environment: one JSON object on stdin, one on stdout.
CLIENT_CODE = r"""
import ctypes, json, os, resource, signal, sys
ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
resource.setrlimit(resource.RLIMIT_DATA, (1 << 31, 1 << 31))  # it reads whole bodies, however long
work = json.load(sys.stdin)
if os.getppid() != work["parent"]:
    sys.exit("the parent is gone")
import httpx2
from huggingface_hub import HfApi, set_client_factory
from huggingface_hub.hf_api import RepoFile
class Answered(Exception):
    pass
def origin(url):
    return url.scheme, url.host, url.port
own, requests = origin(httpx2.URL(work["endpoint"])), []
def asked(request):
    signal.alarm(work["idle_timeout"])
    requests.append(request.url.path)
    if len(requests) > work["most_requests"]:
        raise ValueError("it has more than %d pages" % work["most_requests"])
    if origin(request.url) != own:
        request.headers.pop("authorization", None)
def answered(response):
    signal.alarm(work["page_seconds"])
    if response.status_code >= 400:
        wanted = ("X-Error-Code", "X-Error-Message", "RateLimit", "Retry-After")
        headers = {name: response.headers[name] for name in wanted if name in response.headers}
        raise Answered(str(response.request.url), response.status_code, headers)
set_client_factory(lambda: httpx2.Client(follow_redirects=True, timeout=work["idle_timeout"],
                                         event_hooks={"request": [asked], "response": [answered]}))
api = HfApi(endpoint=work["endpoint"], token=work["token"] or False)
try:
    info = api.model_info(work["id"], revision=work["revision"], timeout=work["idle_timeout"])
    files = [{"path": one.path, "size": one.size, "oid": one.blob_id,
              "lfs": {"oid": one.lfs.sha256, "size": one.lfs.size} if one.lfs else None}
             for one in api.list_repo_tree(work["id"], recursive=True, revision=info.sha) if isinstance(one, RepoFile)]
    answer = {"info": {"sha": info.sha, "gated": info.gated}, "files": files}
except Answered as error:
    url, status, headers = error.args
    answer = {"refused": {"url": url, "status": status, "headers": headers}}
except httpx2.TransportError as error:
    lasting = "certificate" in str(error).lower()
    answer = {"refused": {"url": work["endpoint"], "status": 0, "reason": f"{type(error).__name__}: {error}", "lasting": lasting}}
except (AttributeError, KeyError, TypeError, ValueError) as error:  # an answer of another shape
    answer = {"unusable": f"{type(error).__name__}: {error}"[:300]}
json.dump(answer, sys.stdout)
"""


def list_with_client(at: Mapping[str, Any], home: Path, say: Callable[[str], None]) -> Listing:
    """The files of a model at a revision, as the hub's own client lists them; ``home`` is a directory for files of its own.

    Raises FetchError: those of huggingface.list_over_http, and THOR-HUB-CLIENT.
    """
    answer = huggingface.patiently(at, lambda: _once(at, home), say)
    return huggingface.listing_of(at, answer["info"], answer["files"])


def _once(at: Mapping[str, Any], home: Path) -> dict[str, Any]:
    """What one process of the client says. Raises Refused."""
    python = Path(at["client"]) / "bin" / "python"
    work = {
        "parent": os.getpid(),
        "revision": at.get("commit") or at["revision"],
        "page_seconds": int(huggingface.PAGE_SECONDS),
        "most_requests": huggingface.MAX_PAGES,
        **{key: at[key] for key in ("id", "endpoint", "token", "idle_timeout")},
    }
    try:
        done = subprocess.run(
            [str(python), "-I", "-c", CLIENT_CODE],
            input=json.dumps(work),
            capture_output=True,
            text=True,
            env=_environment(at, home),
            cwd=home,
            check=False,
        )
    except OSError as error:
        raise errors.bad_client(at, f"{python} cannot be run: {error.strerror}.") from error
    if done.returncode == -signal.SIGALRM:
        raise Refused(Refusal(at["endpoint"], 0, message=f"TimeoutError: no answer within {at['idle_timeout']} s"))
    answer = None
    with contextlib.suppress(ValueError):
        answer = bounded.parse(done.stdout)
    if isinstance(answer, dict) and "refused" in answer:
        raise Refused(_refusal(answer["refused"]))
    if isinstance(answer, dict) and "unusable" in answer:
        raise errors.bad_answer(at, f"huggingface_hub cannot read its listing ({answer['unusable']}).")
    if not isinstance(answer, dict) or "files" not in answer:
        if "MemoryError" in done.stderr:
            raise errors.bad_answer(at, "its listing does not end.")
        words = " ".join(done.stderr[-600:].split()) or "nothing"
        raise errors.bad_client(at, f"it ended with status {done.returncode} and printed: {words}.")
    return answer


def _refusal(said: Mapping[str, Any]) -> Refusal:
    headers = said.get("headers", {})
    return huggingface.refusal_from(
        said["url"], said["status"], headers, said.get("reason", ""), said.get("lasting", False)
    )


def _environment(at: Mapping[str, Any], home: Path) -> dict[str, str]:
    """The client's environment: only our settings, so that nothing in somebody's shell changes what is listed."""
    inherited = {
        key: value for key, value in os.environ.items() if not key.startswith(("HF_", "HUGGING_FACE_", "HUGGINGFACE_"))
    }
    return inherited | {
        "HOME": str(home),
        "HF_HOME": str(home / "huggingface"),
        "HF_ENDPOINT": at["endpoint"],
        "HF_HUB_DISABLE_IMPLICIT_TOKEN": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_UPDATE_CHECK": "1",
        "HF_HUB_DISABLE_XET": "1",
    }
