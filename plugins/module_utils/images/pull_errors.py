# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What dockerd says when a pull fails, as a problem with a way out. Pure.

dockerd passes on what a registry says, each of its stores in its own way:

* the containerd store (moby 29, daemon/containerd/registry_errors.go): ``error from registry: `` and the registry's messages,
  without their codes; containerd's own words (core/remotes/docker/{fetcher,resolver,authorizer}.go,
  core/remotes/errors/errors.go) where the answer is not JSON;
* the classic store (daemon/internal/distribution/errors.go): ``pull access denied for``, ``manifest for ... not found``, and
  ``code: message`` as distribution's registry/api/errcode/errors.go writes it.

The messages themselves are the registry's own: those of the OCI distribution specification, and what Docker Hub, ghcr.io,
nvcr.io, Quay, Harbor and the clouds say in their place. What matches nothing here is shown and not tried again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils import network_errors as network
from ansible_collections.jetson.thor.plugins.module_utils.images import inventory
from ansible_collections.jetson.thor.plugins.module_utils.problems import Problem

PRUNE = "engine_image_prune: true removes our images that nothing uses."
PLATFORM_WAY_OUT = "Choose a version whose image is made for aarch64 devices (arm64), or mend the image's name."

# The first that matches counts, in the order of explain().
_DISK = re.compile(r"no space left on device|disk quota (has been )?exceeded", re.IGNORECASE)
_LIMIT = re.compile(
    r"too ?many ?requests|rate.?limit|pull limit|(rate|QPS|quota|(pulls?|requests?) limit) (has been |was |is )?exceeded|throttl|"
    r"(reached|exceeded) (its|your|the|their) (?![^\n]{0,40}\b(size|memory)\b)[^\n]{0,40}?\b(limit|quota)\b|"
    r"\bretry.?after: [^\n]{1,40}\ballowed: \d|\b(status|HTTP)\b[^\n]{0,80}?[: ]429\b",
    re.IGNORECASE,
)
# ghcr.io: "toomanyrequests: retry-after: 226.294µs, allowed: 44000/minute"; containerd 2: "(Retry-After: 2026-11-26T10:00:00Z)".
_RETRY_AFTER = re.compile(
    r"retry.?after[: ]+(?:(\d{1,9}(?:\.\d+)?)(µs|us|ms|s|m|h)?\b(?!-)|(\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d)?))",
    re.IGNORECASE,
)
_UNITS = {"µs": 1e-6, "us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_PLATFORM = re.compile(
    r"no matching manifest|no match for platform|does not (match|provide) the specified platform|cannot be used on this platform",
    re.IGNORECASE,
)
_PROXY = re.compile(r"proxy authentication required|\b407 Proxy", re.IGNORECASE)
_TRUST = re.compile(
    r"x509|certificate|server gave HTTP response to HTTPS client|\btls: |does not look like a TLS handshake",
    re.IGNORECASE,
)
# "permission denied" is the kernel's, and about a file or a socket, unless a registry says it.
_DENIED = re.compile(
    r"unauthori[sz]ed|unauthenticated|not authori[sz]ed|(authentication|login) (is )?required|"
    r"requires (authentication|authori[sz]ation|login)|"
    r"(authentication|authorization) failed|insufficient.?(scope|permission|privilege)|(does|do) not have (the )?permission|"
    r"(?<!permission )\bdenied\b|permission_?denied|from registry: permission denied|\bforbidden\b|payment required|no basic auth|"
    r"incorrect username or password|authorization token|(invalid|bad|wrong|expired) (username|credentials?|token|api.?key)|"
    r"token (has |is )?expired|(must|have to|need to) (first )?(be logged|log|sign|authenticate)|"
    r"may require (authorization|'docker login')|"
    r"\b(status|HTTP)\b[^\n]{0,80}?[: ]40[123]\b|not subscribed|subscription|accept the (license|terms)",
    re.IGNORECASE,
)
_UNKNOWN = re.compile(
    r"manifest unknown|manifest (for .*)?not found|manifest invalid|(repository )?name (unknown|invalid|not known)|"
    r"repository \S* ?not found|failed to resolve (reference|image).*not found|from remote: not found|content at .*not found|"
    r"\b404 Not Found|\b(status|HTTP)\b[^\n]{0,80}?[: ]404\b|invalid (reference format|repository name|tag)|tag invalid|"
    r"no such (image|manifest|repository)|repository does not exist|blob unknown|^: not found$",
    re.IGNORECASE | re.MULTILINE,
)


class ImageError(Exception):
    """One image that cannot be had. ``transient``: asking again may help, after ``wait`` seconds at the earliest."""

    def __init__(self, problem: Problem, transient: bool = False, wait: float = 0) -> None:
        super().__init__(problem.text())
        self.problem = problem
        self.transient = transient
        self.wait = wait


def sends_key(spec: Mapping[str, Any], reference: str) -> bool:
    """The key is meant for one registry, and nobody else gets it."""
    return bool(spec["registry_key"]) and inventory.registry_of(reference) == spec["registry"]


def broken_off(words: str, image: Mapping[str, Any], how_far: str) -> ImageError:
    """A pull that began and did not end: the only failure, with a registry that is away, after which the pull is tried again."""
    remedy = "Run the play again: it goes on at the layer where it broke. engine_image_attempts allows for more."
    reason = f"the pull broke off{f' ({how_far})' if how_far else ''}; {_said(words)}"
    return ImageError(Problem("THOR-IMAGE-INTERRUPTED", _variable(image), image["reference"], reason, remedy), True)


def explain(words: str, image: Mapping[str, Any], spec: Mapping[str, Any], how_far: str = "") -> ImageError:
    """dockerd's words of a failure as a problem with a way out. What they do not say is not guessed."""
    reference, engine = image["reference"], image["engine"]
    registry = inventory.registry_of(reference)
    said, far = _said(words), f" ({how_far})" if how_far else ""
    # A name may hold any of these words.
    text = re.sub(r"https?://[^\s\"]+[^\s\":]", "", words)
    for name in (reference, inventory.split(reference)[0]):
        text = text.replace(name, "")

    def error(code: str, reason: str, remedy: str, transient: bool = False) -> ImageError:
        return ImageError(Problem(code, _variable(image), reference, f"{reason}; {said}", remedy), transient)

    if _DISK.search(text):
        return error(
            "THOR-IMAGE-DISK",
            f"the disk is full{far}",
            f"Free space there, or set container_runtime_data_root. {PRUNE}",
        )
    if _LIMIT.search(text):
        return _limited(words, image)
    if _PLATFORM.search(text):
        return error("THOR-IMAGE-PLATFORM", "the image does not exist for this machine", PLATFORM_WAY_OUT)
    if network.clock_is_behind(text):
        reason = f"the certificate of {registry} is valid only later than this host's clock says"
        return error("THOR-CLOCK-WRONG", reason, network.CLOCK_REMEDY)
    if network.has_expired(text):
        remedy = "Look at the host's clock (timedatectl); where that is right, the registry needs a new certificate."
        return error("THOR-REGISTRY-DOWN", f"the certificate of {registry} has expired", remedy)
    if _TRUST.search(text) and not network.is_cut(text):
        remedy = (
            f"Put the registry's certificate under /etc/docker/certs.d/{registry}/ca.crt, or name a registry without TLS "
            "in container_runtime_daemon_options: {insecure-registries: [...]}."
        )
        return error("THOR-REGISTRY-DOWN", f"{registry} cannot be talked to", remedy)
    # What is refused there no registry has seen.
    if _PROXY.search(text) or ("proxyconnect" in text and _DENIED.search(text)):
        remedy = (
            f"Have the proxy let this host through to {registry}; where it wants user and password, give them to dockerd "
            "(container_runtime_daemon_options: {proxies: ...})."
        )
        return error("THOR-REGISTRY-DOWN", f"the proxy of dockerd lets nobody through to {registry}", remedy)
    if _DENIED.search(text):
        if sends_key(spec, reference):
            remedy = f"Check the key in thor_ngc_key (it was sent to {registry}), and that it may read this image."
        else:
            remedy = f"Set thor_ngc_key, in a vault, if {registry} wants a key; else check the image's name."
        return error("THOR-IMAGE-DENIED", f"{registry} does not let us have it", remedy)
    if network.is_down(text) or network.is_cut(text):
        if how_far or network.is_cut(text):
            return broken_off(words, image, how_far)
        remedy = f"Check that {registry} is up and that the host reaches it (name service, proxy of dockerd, firewall)."
        return error("THOR-REGISTRY-DOWN", f"{registry} does not answer", remedy, transient=True)
    if _UNKNOWN.search(text):
        remedy = (
            f"Choose a version of {engine} whose image there is (thor_engine_versions), or mend its image or digest."
        )
        return error("THOR-IMAGE-UNKNOWN", f"{registry} has no such image", remedy)
    remedy = "Look for these words in sudo journalctl -u docker. Where it is the network, run the play again: it goes on from there."
    return error(
        "THOR-IMAGE-FAILED", f"the pull failed{far}, for a reason not known here, so it was not tried again", remedy
    )


def _limited(words: str, image: Mapping[str, Any]) -> ImageError:
    """A registry that counts pulls: waited for where it says that the wait is short."""
    registry = inventory.registry_of(image["reference"])
    found = _RETRY_AFTER.search(words)
    seconds = None
    if found:
        seconds = float(found[1]) * _UNITS[(found[2] or "s").lower()] if found[1] else network.retry_after(found[3])
    # Docker Hub counts over six hours and does not say when they began: docs.docker.com/docker-hub/usage.
    unsaid = "within six hours" if registry == "docker.io" else "later (it does not say when)"
    when = unsaid if seconds is None else network.back_in(seconds)
    reason = f"{registry} counts pulls, and this address has had its share; come back {when}; {_said(words)}"
    remedy = (
        "Run the play again then. A registry of your own avoids it: registry-mirrors in container_runtime_daemon_options for "
        "Docker Hub, or another name of the image in thor_extra_engines."
    )
    problem = Problem("THOR-REGISTRY-LIMIT", _variable(image), image["reference"], reason, remedy)
    short = seconds is not None and seconds <= network.LONGEST_WAIT
    return ImageError(problem, short, seconds or 0)


def _said(words: str) -> str:
    return f"dockerd says: {' '.join(words.split()) or 'nothing'}"


def _variable(image: Mapping[str, Any]) -> str:
    return f"thor_services[{image['engine']} {image['version']}].image"
