# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Turns what dockerd says about a failed pull into a problem with a way out. Pure.

dockerd forwards what a registry says, each of its stores in its own way:

* the containerd store (moby 29, daemon/containerd/registry_errors.go): ``error from registry: `` and the registry's messages,
  without their codes; containerd's own words (core/remotes/docker/{fetcher,resolver,authorizer}.go,
  core/remotes/errors/errors.go) if the answer is not JSON;
* the classic store (daemon/internal/distribution/errors.go): ``pull access denied for``, ``manifest for ... not found``, and
  ``code: message`` as distribution's registry/api/errcode/errors.go writes it.

The messages themselves are the registry's own: those of the OCI distribution specification, and their variants on Docker Hub,
ghcr.io, nvcr.io, Quay, Harbor and the clouds. A message that matches nothing here is shown, and the pull is not retried.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils import network_errors
from ansible_collections.jetson.thor.plugins.module_utils.docker_api import DockerError
from ansible_collections.jetson.thor.plugins.module_utils.images import logins, references
from ansible_collections.jetson.thor.plugins.module_utils.problems import Problem

PRUNE = "engine_image_prune: true removes our images that nothing uses."
PLATFORM_WAY_OUT = "Choose a version whose image is made for aarch64 devices (arm64), or correct the image's name."

# The first match counts, in the order of explain().
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
# "permission denied" comes from the kernel, about a file or a socket, unless a registry says it.
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
    """An image that cannot be used. ``transient``: a retry may help, after ``wait`` seconds at the earliest."""

    def __init__(self, problem: Problem, transient: bool = False, wait: float = 0) -> None:
        super().__init__(problem.text())
        self.problem = problem
        self.transient = transient
        self.wait = wait


def image_error(
    code: str, image: Mapping[str, Any], reason: str, remedy: str, transient: bool = False, wait: float = 0
) -> ImageError:
    """An error about one image."""
    variable = f"thor_services[{image['engine']} {image['version']}].image"
    return ImageError(Problem(code, variable, image["reference"], reason, remedy), transient, wait)


def docker_error(error: DockerError, transient: bool = False) -> ImageError:
    """dockerd itself does not work."""
    remedy = "Check `systemctl status docker` and `sudo journalctl -u docker` (the role container_runtime installs it)."
    reason = f"images need dockerd: {error.message}"
    return ImageError(Problem("THOR-IMAGE-DOCKER", "thor_host.docker", None, reason, remedy), transient)


def gave_up(error: ImageError, attempts: int) -> ImageError:
    """The last of several attempts."""
    reason = f"{error.problem.reason} (attempt {attempts} without lasting progress)"
    return ImageError(replace(error.problem, reason=reason))


def interrupted(words: str, image: Mapping[str, Any], how_far: str) -> ImageError:
    """A pull that began and did not finish. Only this and an unreachable registry lead to a retry."""
    remedy = "Run the play again: it resumes at the interrupted layer. engine_image_attempts allows for more attempts."
    reason = f"the pull was interrupted{_in_brackets(how_far)}; {_quoted(words)}"
    return image_error("THOR-IMAGE-INTERRUPTED", image, reason, remedy, transient=True)


def explain(words: str, image: Mapping[str, Any], spec: Mapping[str, Any], how_far: str = "") -> ImageError:
    """dockerd's words about a failure as a problem with a way out. Never guesses what they do not say."""
    registry = references.registry_of(image["reference"])
    text = _without_names(words, image["reference"])
    if _DISK.search(text):
        remedy = f"Free space there, or set container_runtime_data_root. {PRUNE}"
        found = ("THOR-IMAGE-DISK", f"the disk is full{_in_brackets(how_far)}", remedy)
    elif _LIMIT.search(text):
        return _limited(words, image)
    elif _PLATFORM.search(text):
        found = ("THOR-IMAGE-PLATFORM", "the image does not exist for this machine", PLATFORM_WAY_OUT)
    elif refused := _certificate(text, registry) or _proxy(text, registry):
        found = refused
    elif _DENIED.search(text):
        return _denied(words, image, spec)
    elif network_errors.is_cut(text) or (network_errors.is_down(text) and how_far):
        return interrupted(words, image, how_far)
    elif network_errors.is_down(text):
        remedy = f"Check that {registry} is up and reachable from the host (DNS, dockerd's proxy, firewall)."
        reason = f"{registry} does not answer; {_quoted(words)}"
        return image_error("THOR-REGISTRY-DOWN", image, reason, remedy, transient=True)
    elif _UNKNOWN.search(text):
        remedy = f"Choose a version of {image['engine']} whose image exists (thor_engine_versions), or correct its image or digest."
        found = ("THOR-IMAGE-UNKNOWN", f"{registry} does not have this image", remedy)
    else:
        remedy = "Search for these words in sudo journalctl -u docker. If it is the network, run the play again: it resumes the pull."
        reason = f"the pull failed{_in_brackets(how_far)} for an unknown reason, so it was not retried"
        found = ("THOR-IMAGE-FAILED", reason, remedy)
    code, reason, remedy = found
    return image_error(code, image, f"{reason}; {_quoted(words)}", remedy)


def _certificate(text: str, registry: str) -> tuple[str, str, str] | None:
    """Code, reason and remedy if TLS fails."""
    if network_errors.clock_is_behind(text):
        reason = f"according to this host's clock, the certificate of {registry} is not valid yet"
        return "THOR-CLOCK-WRONG", reason, network_errors.CLOCK_REMEDY
    if network_errors.has_expired(text):
        remedy = "Check the host's clock (timedatectl). If it is right, the registry needs a new certificate."
        return "THOR-REGISTRY-DOWN", f"the certificate of {registry} has expired", remedy
    if _TRUST.search(text) and not network_errors.is_cut(text):
        remedy = (
            f"Put the registry's certificate under /etc/docker/certs.d/{registry}/ca.crt, or name a registry without TLS "
            "in container_runtime_daemon_options: {insecure-registries: [...]}."
        )
        return "THOR-REGISTRY-DOWN", f"a TLS connection to {registry} is not possible", remedy
    return None


def _proxy(text: str, registry: str) -> tuple[str, str, str] | None:
    """Code, reason and remedy if the proxy refuses; the registry has not seen such a request."""
    if not (_PROXY.search(text) or ("proxyconnect" in text and _DENIED.search(text))):
        return None
    remedy = (
        f"Allow this host to reach {registry} through the proxy; if the proxy requires a user and a password, give them to dockerd "
        "(thor_proxy: http://USER:PASSWORD@...)."
    )
    return "THOR-REGISTRY-DOWN", f"dockerd's proxy refuses connections to {registry}", remedy


def _denied(words: str, image: Mapping[str, Any], spec: Mapping[str, Any]) -> ImageError:
    """A registry that refuses: the login that was sent, or everybody without one."""
    registry, variable = references.registry_of(image["reference"]), logins.variable(image["reference"])
    if login := logins.login_of(spec, image["reference"]):
        user = login["username"]
        reason = f"{registry} refuses this user, or does not let it read {image['reference']}; {_quoted(words)}"
        remedy = f"Check user and password (vaulted), whether {user} may read this image, and the image's name."
        return ImageError(Problem("THOR-REGISTRY-LOGIN", variable, user, reason, remedy))
    remedy = f"Set {variable}, with username and password, in a vault, if {registry} requires a login; otherwise check the image's name."
    return image_error("THOR-IMAGE-DENIED", image, f"{registry} denies access to it; {_quoted(words)}", remedy)


def _limited(words: str, image: Mapping[str, Any]) -> ImageError:
    """A registry that limits pulls. A short wait is waited for."""
    registry = references.registry_of(image["reference"])
    found = _RETRY_AFTER.search(words)
    seconds = None
    if found:
        seconds = (
            float(found[1]) * _UNITS[(found[2] or "s").lower()] if found[1] else network_errors.retry_after(found[3])
        )
    # Docker Hub counts over six hours and does not say when they began: docs.docker.com/docker-hub/usage.
    unsaid = "within six hours" if registry == "docker.io" else "later (it does not say when)"
    when = unsaid if seconds is None else network_errors.back_in(seconds)
    reason = f"{registry} limits pulls, and this address has reached the limit; come back {when}; {_quoted(words)}"
    remedy = (
        "Run the play again then. A registry of your own avoids the limit: registry-mirrors in container_runtime_daemon_options for "
        "Docker Hub, or another name of the image in thor_extra_engines."
    )
    short = seconds is not None and seconds <= network_errors.LONGEST_WAIT
    return image_error("THOR-REGISTRY-LIMIT", image, reason, remedy, short, seconds or 0)


def _without_names(words: str, reference: str) -> str:
    """The words without addresses and the image's own name, which may contain any of the words we look for."""
    text = re.sub(r"https?://[^\s\"]+[^\s\":]", "", words)
    for name in (reference, references.split(reference)[0]):
        text = text.replace(name, "")
    return text


def _in_brackets(how_far: str) -> str:
    return f" ({how_far})" if how_far else ""


def _quoted(words: str) -> str:
    return f"dockerd says: {' '.join(words.split()) or 'nothing'}"
