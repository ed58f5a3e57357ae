# SPDX-License-Identifier: Apache-2.0
"""Many VMs on one host: memory of each idle clone, and what sleeping ones cost."""

import time

from bench import subject
from bench.launch import launch
from bench.measure import Goal

RESTARTS = 3


def measure_idle(machine, arn, series, options):
    """Anonymous memory of all that the engine runs, per VM, and by how much MemAvailable fell for it."""
    machine.daemon.restart()  # with nothing made ahead
    before = subject.available_kib()
    vms = [series.measure("launch for density", lambda: launch(machine, arn)) for _ in range(options.clones)]
    vms = [vm for vm in vms if vm]
    time.sleep(3)  # idle: what the launches left is done
    pids = [*subject.processes(machine.daemon.data_dir), machine.daemon.pid]
    anonymous = sum(subject.rollup(pid)["Anonymous"] for pid in pids)
    shared_out = sum(subject.rollup(pid)["Pss"] for pid in pids)
    after = subject.available_kib()
    for vm in vms:
        series.measure("terminate", vm.terminate)
    if not vms:
        return {}
    return {
        "figures": {
            "idle clones": len(vms),
            "processes, those made ahead and the daemon among them": len(pids),
            "anonymous KiB per clone": anonymous / len(vms),
            "proportional KiB per clone": shared_out / len(vms),
            "KiB less of MemAvailable per clone": (before - after) / len(vms),
        }
    }


def measure_sleeping(machine, arn, series, options):
    """VMs that all sleep: the daemon's memory, the disk they hold, and how long a restart of the daemon takes."""
    daemon = machine.daemon
    vms = []
    for _ in range(options.sleepers):
        vm = series.measure("launch for the sleepers", lambda: launch(machine, arn))
        if vm:
            vms.append(vm)
            vm.suspend(wait=False)
    for vm in vms:
        vm.wait_for("SUSPENDED")
    resident = subject.rollup(daemon.pid)
    disk = sum(subject.disk_bytes(daemon.data_dir / "microvms" / vm.id) for vm in vms)
    for _ in range(RESTARTS):
        series.measure("restart of the daemon over the sleepers", daemon.restart)
    for vm in vms[:: max(1, len(vms) // 20)]:
        series.measure("request to a sleeper after the restart", vm.json)
    for vm in vms:
        vm.terminate(wait=False)
    for vm in vms:
        vm.wait_for("TERMINATED")
    if not vms:
        return {}
    return {
        "figures": {
            "sleeping VMs": len(vms),
            "resident KiB of the daemon": resident["Rss"],
            "anonymous KiB of the daemon": resident["Anonymous"],
            "disk bytes per sleeping VM": disk / len(vms),
        }
    }


def goals(idle):
    if not idle:
        return []
    return [Goal("anonymous memory per idle clone", idle["figures"]["anonymous KiB per clone"] / 1024, 15, "MiB")]
