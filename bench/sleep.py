# SPDX-License-Identifier: Apache-2.0
"""Suspensions by dirty set, and what wakes a VM again."""

import statistics

from bench import subject
from bench.launch import launch
from bench.measure import Goal

DIRTY_MIB = (1, 32, 256)
SLACK_BYTES = 256 << 10  # over the dirty pages: device state, index


def measure(machine, arn, series, options, breakdown):
    """Over the files, as after an hour's sleep or a restart, and with the process that is kept for the first minute."""
    before = machine.daemon.restart(["--keep-suspended", "0"])
    measured = measure_by_files(machine, arn, series, options, breakdown)
    machine.daemon.restart(["--keep-suspended", "60"])
    measure_kept(machine, arn, series, options, breakdown)
    machine.daemon.restart(before)
    return measured | {"figures": figures(measured)}


def figures(measured):
    found = {"disk bytes of a suspended VM, median": median(measured["disk_bytes_suspended"])}
    for mib, written in measured["bytes_written"].items():
        found[f"bytes written, {mib} MiB dirtied, median"] = median(written)
    return found


def median(values):
    return statistics.median(values) if values else None


def measure_kept(machine, arn, series, options, breakdown):
    def sleep_and_wake(vm, mib):
        for _ in range(options.suspensions):
            vm.json(path=f"/dirty?mib={mib}")
            series.measure(f"suspend until durable, {mib} MiB dirtied, process kept", vm.suspend)
            series.measure(f"request to a suspended VM, {mib} MiB, process kept", vm.json)

    for mib in (DIRTY_MIB[0], DIRTY_MIB[-1]):
        vm = series.measure("launch for the suspensions", lambda: launch(machine, arn))
        if vm:
            breakdown.measure(
                {"wake": f"wake by a request, {mib} MiB, process kept"}, lambda vm=vm, mib=mib: sleep_and_wake(vm, mib)
            )
            measure_resumptions(vm, series, options, f"resume to first 200, {mib} MiB, process kept")
            vm.terminate()


def measure_by_files(machine, arn, series, options, breakdown):
    """Also: bytes written by each suspension, over the pages that the kernel says were private to the VM before."""
    measured = {"bytes_written": {mib: [] for mib in DIRTY_MIB}, "bytes_over_private_pages": [], "disk_bytes_suspended": []}
    for mib in DIRTY_MIB:
        vm = series.measure("launch for the suspensions", lambda: launch(machine, arn))
        if not vm:
            continue
        names = {"suspend": f"suspend until durable, {mib} MiB dirtied", "wake": f"wake by a request, {mib} MiB"}
        breakdown.measure(names, lambda vm=vm, mib=mib: measure_dirty_set(machine, vm, series, options, mib, measured))
        measure_resumptions(vm, series, options, f"resume to first 200, {mib} MiB")
        vm.terminate()
    return measured


def measure_dirty_set(machine, vm, series, options, mib, measured):
    files = machine.daemon.data_dir / "microvms" / vm.id
    memory = memory_file(machine, vm)
    for _ in range(options.suspensions):
        vm.json(path=f"/dirty?mib={mib}")
        private = subject.private_guest_kib(vm.vmm()[0], memory) * 1024
        series.measure(f"suspend until durable, {mib} MiB dirtied", vm.suspend)
        size = sum((files / name).stat().st_size for name in ("pages", "state"))
        measured["bytes_written"][mib].append(size)
        measured["bytes_over_private_pages"].append(size - private)
        measured["disk_bytes_suspended"].append(subject.disk_bytes(files))
        series.measure(f"request to a suspended VM, {mib} MiB", vm.json)


def measure_resumptions(vm, series, options, name):
    """Over what the VM has dirtied before."""
    for _ in range(options.suspensions):
        series.measure("suspend again at once", vm.suspend)
        series.measure(name, lambda: (vm.resume(), vm.json()))


def memory_file(machine, vm):
    """The template's memory that the VM's process has mapped."""
    for line in open(f"/proc/{vm.vmm()[0]}/maps"):
        if line.rstrip().endswith("/memory"):
            return line.split(None, 5)[5].rstrip()
    raise LookupError(f"{vm.id} has no template mapped")


def goals(series, measured):
    found = []
    operations = series.summary()
    for mib, limit in ((1, 25), (32, 75)):
        values = operations.get(f"suspend until durable, {mib} MiB dirtied", {"count": 0})
        if values["count"]:
            found.append(Goal(f"suspend until durable, {mib} MiB dirtied, p50", values["median"] * 1000, limit, "ms"))
    for what in ("request to a suspended VM, 1 MiB", "resume to first 200, 1 MiB"):
        for name in (what, f"{what}, process kept"):
            values = operations.get(name, {"count": 0})
            if values["count"]:
                found.append(Goal(f"{name}, p50", values["median"] * 1000, 80, "ms"))
                found.append(Goal(f"{name}, p99", values["p99"] * 1000, 250, "ms"))
    if measured["bytes_over_private_pages"]:
        over = max(measured["bytes_over_private_pages"]) / 1024
        found.append(Goal("bytes written over the dirty pages, largest", over, SLACK_BYTES / 1024, "KiB", bound=True))
    return found
