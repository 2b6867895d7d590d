# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The main process of a thor-*.service: it starts one inference engine and reports to systemd on its behalf.

    python3 -I /opt/thor/supervisor --config /etc/thor/services/NAME.json -- ENGINE ARGUMENT...
    python3 -I /opt/thor/supervisor --config /etc/thor/services/NAME.json --remove

Ready means answered: systemd hears READY=1 after the engine has answered a real request of its API.
Alive means answering: an engine that hangs or only answers with errors is killed, this process ends, and systemd restarts it.
Engines start one after the other (a lock), each after the page cache was dropped: where the GPU shares the CPU's memory,
page cache counts as used, and engines measure free memory when they start.

An engine in a container is started by docker's client in the foreground: its output and its exit status arrive here like those
of any other engine, and the client passes SIGTERM on. The container itself is a child of dockerd and outlives the client.
Whatever the end was, the container is looked for and removed: here, by ``--remove`` (ExecStopPost, in case this process was
killed), and before the next start (in case dockerd was down as well).

When the supervisor gives up, its last line in the journal begins with a code: THOR-ENGINE-EXITED, THOR-ENGINE-REFUSED,
THOR-START-LOCK, THOR-START-TIMEOUT, THOR-GPU-UNUSED, THOR-GPU-PARTIAL, THOR-ENGINE-HUNG, THOR-DOCKER-GONE,
THOR-CONTAINER-START, THOR-CONTAINER-TAKEN or THOR-GENERATION-CONFIG. docs/errors.md of the collection explains them.

Standard library only. Files of the collection's module_utils that both sides need are deployed beside this package under their
full names (see support_files.py), so there is one source and one way to import them.
"""
