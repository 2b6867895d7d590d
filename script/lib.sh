# shellcheck shell=bash
# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
#
# Shared by the scripts: steps with progress, packages, virtual environments, a Docker Engine.
# Sourcing it changes nothing until one of its functions is called.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
state=$root/.sandbox
export DEBIAN_FRONTEND=noninteractive PIP_DISABLE_PIP_VERSION_CHECK=1
# Ansible requires UTF-8, and this is the only such locale that every Debian has.
export LC_ALL=C.UTF-8

say() { printf '==> %s\n' "$*"; }
warn() { printf 'warning: %s\n' "$*" >&2; }
die() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

# People read "2 min 05 s" faster than "125".
duration() {
    if (($1 < 60)); then printf '%d s' "$1"; else printf '%d min %02d s' $(($1 / 60)) $(($1 % 60)); fi
}

# as_root COMMAND...: directly for root, with sudo for others. Passes on the variables that matter, because sudo drops them.
as_root() {
    if ((EUID == 0)); then
        "$@"
        return
    fi
    command -v sudo >/dev/null || die "this needs root: install sudo or run as root ($*)"
    local carried=() name
    for name in DEBIAN_FRONTEND DOCKER_BUILDKIT http_proxy https_proxy no_proxy HTTP_PROXY HTTPS_PROXY NO_PROXY; do
        [[ -n ${!name-} ]] && carried+=("$name=${!name}")
    done
    sudo env "${carried[@]}" "$@"
}

# Ask for a password now, in the foreground, not in the middle of a background step.
authenticate() {
    ((EUID == 0)) && return
    command -v sudo >/dev/null || return 0
    sudo -n true 2>/dev/null || sudo -v || die "this needs root: sudo refused"
}

# step LIMIT TEXT COMMAND...: runs COMMAND (or a function) for at most LIMIT seconds with its output in a log, and shows the
# elapsed time and the log's last line. On failure it shows the end of the log and ends the script.
step() {
    local limit=$1 text=$2 log begin now line pid group_was_on=1 shown=0 rc=0 width mark='-=+*' turn=0
    shift 2
    authenticate
    mkdir -p "$state/logs"
    log=$state/logs/$(printf '%s' "${text,,}" | tr -cs 'a-z0-9' '-').log
    begin=$SECONDS
    [[ -t 1 ]] || say "$text"
    [[ $- == *m* ]] || group_was_on=0
    set -m # its own process group, so that it can be ended as a whole
    ("$@") >"$log" 2>&1 </dev/null &
    pid=$!
    ((group_was_on)) || set +m
    trap 'end_group '"$pid"'; exit 130' INT TERM
    while kill -0 "$pid" 2>/dev/null; do
        now=$((SECONDS - begin))
        if ((now >= limit)); then
            end_group "$pid"
            printf '\nstopped: it took longer than %s\n' "$(duration "$limit")" >>"$log"
            break
        fi
        if [[ -t 1 ]]; then
            line=
            ((now < 3)) || line=$(last_line "$log")
            width=$(($(tput cols 2>/dev/null || echo 100) - ${#text} - 20))
            ((width > 0)) || width=0
            printf '\r\033[K%s %s  %s  %s' "${mark:turn++%4:1}" "$text" "$(duration "$now")" "${line:0:width}"
        elif ((now - shown >= 20)); then
            shown=$now
            printf '    %s so far: %s\n' "$(duration "$now")" "$(last_line "$log" | cut -c 1-120)"
        fi
        sleep 0.3
    done
    wait "$pid" || rc=$?
    trap - INT TERM
    [[ -t 1 ]] && printf '\r\033[K'
    if ((rc)); then
        printf 'error: failed after %s: %s\n' "$(duration $((SECONDS - begin)))" "$text" >&2
        tail -n 25 "$log" | sed 's/^/    /' >&2
        printf '    (all of it: %s)\n' "$log" >&2
        exit 1
    fi
    if [[ -t 1 ]]; then
        say "$text: $(duration $((SECONDS - begin)))"
    elif ((SECONDS - begin >= 5)); then
        printf '    done in %s\n' "$(duration $((SECONDS - begin)))"
    fi
}

# Without the colours and carriage returns of other programs' progress output, which would garble ours.
last_line() { tail -c 1000 "$1" | sed 's/\r/\n/g; s/\x1b\[[0-9;]*[A-Za-z]//g' | grep '[^ ]' | tail -n 1 || :; }

# end_group PID: ends the process group that a step started, and waits until it is gone.
end_group() {
    local _
    send_signal TERM "-$1" 2>/dev/null || return 0
    for _ in {1..50}; do
        kill -0 -- "-$1" 2>/dev/null || return 0
        sleep 0.1
    done
    send_signal KILL "-$1" 2>/dev/null || :
}
# Uses the shell's own kill, because small machines lack the program. As root, because sudo's children belong to root.
send_signal() {
    # shellcheck disable=SC2016 # expanded by the inner shell
    as_root sh -c 'kill -s "$1" -- "$2"' sh "$1" "$2"
}

# need_packages NAME...: installs missing packages; nothing is upgraded, and nothing is ever removed.
need_packages() { install_missing install_packages "$@"; }
# need_idle_packages NAME...: the same for servers of which only the program is wanted: installing them starts nothing.
need_idle_packages() { install_missing install_idle_packages "$@"; }
install_missing() {
    local missing=() name how=$1
    shift
    command -v dpkg-query >/dev/null || die "Debian or Ubuntu is needed to install: $*"
    for name; do
        [[ $(dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null) == installed ]] || missing+=("$name")
    done
    ((${#missing[@]})) || return 0
    step 900 "Install packages: ${missing[*]}" "$how" "${missing[@]}"
    package_lists=fresh
}
package_lists=stale
install_packages() {
    # An unrelated apt source of this machine may be unreachable; only the installation itself matters.
    [[ $package_lists == fresh ]] || as_root apt-get -q -o DPkg::Lock::Timeout=300 update ||
        warn "apt-get update failed; continuing with the existing lists"
    as_root apt-get -q -y -o DPkg::Lock::Timeout=300 install --no-install-recommends "$@"
}
# Debian's way of keeping invoke-rc.d from starting anything (its README.policy-rc.d); an existing policy stays as it is. In a
# subshell of its own, so that the policy goes whatever ends it.
install_idle_packages() (
    policy=/usr/sbin/policy-rc.d
    if [[ ! -e $policy ]]; then
        trap 'as_root rm -f "$policy"' EXIT
        # shellcheck disable=SC2016 # expanded by the inner shell
        printf '#!/bin/sh\nexit 101\n' | as_root sh -c 'cat >"$1" && chmod 755 "$1"' sh "$policy"
    fi
    install_packages "$@"
)

# unpack_package NAME DIRECTORY: the files of a Debian package below a folder, without installing it. None of its daemons is started or
# enabled, and it needs no root.
unpack_package() {
    [[ -d $2 ]] || step 300 "Unpack $1" unpack "$1" "$2"
}
unpack() {
    local scratch rc=0
    mkdir -p "$(dirname "$2")"
    scratch=$(mktemp -d -p "$(dirname "$2")")
    (cd "$scratch" && { apt-get -q download "$1" || { as_root apt-get -q update && apt-get -q download "$1"; }; }) &&
        dpkg-deb -x "$scratch"/*.deb "$scratch/files" || rc=$?
    # Complete or absent; somebody else may have been faster.
    ((rc)) || mv -T "$scratch/files" "$2" || [[ -d $2 ]] || rc=$?
    rm -rf "$scratch"
    return "$rc"
}

# The Python for demo and tests, which use ansible-core 2.19: it runs on 3.11, 3.12 and 3.13.
find_python() {
    local name
    for name in python3 /usr/bin/python3 python3.13 python3.12 python3.11; do
        if "$name" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null; then
            command -v "$name"
            return
        fi
    done
    return 1
}

# ensure_venv DIRECTORY REQUIREMENTS...: a virtual environment with exactly these; a second call costs nothing.
ensure_venv() {
    local directory=$1 python sum
    shift
    sum=$(cat "$@" | sha256sum)
    [[ -x $directory/bin/python && $(cat "$directory/.requirements" 2>/dev/null) == "$sum" ]] && return
    python=$(find_python) || die "Python 3.11 to 3.13 is needed on this machine; python3 is $(python3 --version 2>&1)"
    "$python" -c 'import ensurepip, venv' 2>/dev/null || need_packages python3-venv
    step 900 "Set up ${directory#"$root"/}" make_venv "$python" "$directory" "$@"
    printf '%s\n' "$sum" >"$directory/.requirements"
}
make_venv() {
    local python=$1 directory=$2 arguments=() file
    shift 2
    for file; do arguments+=(-r "$file"); done
    "$directory/bin/python" -c '' 2>/dev/null || "$python" -m venv --clear "$directory"
    "$directory/bin/python" -m pip install --progress-bar off "${arguments[@]}"
}

# The docker client, as root if the user may not use the socket.
engine() {
    if [[ -z ${docker_by_root-} ]]; then
        docker_by_root=no
        docker version >/dev/null 2>&1 || docker_by_root=yes
    fi
    if [[ $docker_by_root == yes ]]; then as_root docker "$@"; else docker "$@"; fi
}
engine_answers() {
    command -v docker >/dev/null && { docker version >/dev/null 2>&1 || as_root docker version >/dev/null 2>&1; }
}

# ensure_docker: a Docker Engine that answers. An existing one is used; one that had to be started is remembered, so that
# stop_docker stops only that one.
ensure_docker() {
    authenticate
    if ! engine_answers; then
        command -v dockerd >/dev/null || need_packages docker.io
        # Debian 13 has the client in a separate package.
        command -v docker >/dev/null || need_packages docker-cli
        # If the kernel has AppArmor, the engine insists on loading a profile.
        [[ $(cat /sys/module/apparmor/parameters/enabled 2>/dev/null) != Y ]] || command -v apparmor_parser >/dev/null || need_packages apparmor
        engine_answers || step 120 "Start the Docker Engine" start_docker
    fi
    unset docker_by_root
}
start_docker() {
    local _
    if [[ -d /run/systemd/system ]]; then
        as_root systemctl start docker
    else
        mkdir -p "$state"
        # No init here: dockerd gets its own session, so that it outlives this script, without the lock that script/sandbox holds.
        # If /proc/sys is read-only, IPv6 cannot be disabled on the containers' links; that is not a reason to fail.
        # shellcheck disable=SC2016 # expanded by the inner shell
        as_root env DOCKER_ALLOW_IPV6_ON_IPV4_INTERFACE=1 sh -c 'setsid dockerd >"$1/dockerd.log" 2>&1 </dev/null & echo $! >"$1/dockerd.pid"' sh "$state" 9>&-
    fi
    for _ in {1..100}; do
        engine_answers && return
        sleep 0.5
    done
    tail -n 15 "$state/dockerd.log" 2>/dev/null
    return 1
}
# The process number may belong to another process by now; and without a reaper, dead processes keep theirs (state Z).
is_dockerd() { grep -qs '^Name:[[:space:]]*dockerd$' "/proc/$1/status" && ! grep -qs '^State:[[:space:]]*Z' "/proc/$1/status"; }
stop_docker() {
    local pid _
    pid=$(cat "$state/dockerd.pid" 2>/dev/null) || return 0
    is_dockerd "$pid" || return 0
    if [[ -n $(engine ps -aq) ]]; then
        warn "the Docker Engine that this checkout started (pid $pid) stays: it has other containers"
        return
    fi
    send_signal TERM "$pid"
    for _ in {1..100}; do
        is_dockerd "$pid" || return 0
        sleep 0.2
    done
    warn "the Docker Engine (pid $pid) did not stop within 20 s"
}
