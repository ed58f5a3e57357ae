# SPDX-License-Identifier: Apache-2.0
"""One VM of the largest size: launched, suspended, woken; also where its peak is more than the host has, since it uses little of it.

Where an image of that size cannot be built, the next smaller one is measured, and what was skipped is said with the reason.
"""

import pathlib
import time

import botocore.exceptions

from bench import subject
from bench.launch import launch
from tests.support.machine import BuildFailed

SIZES_MIB = (8192, 4096, 2048)  # minimumMemoryInMiB; a guest has four times as much, and a vCPU for each 2 GiB of that


def title(memory_mib):
    peak_gib = memory_mib * 4 // 1024
    return f"{peak_gib // 2} vCPUs, {peak_gib} GiB"


def build(machine, series, memory_mib):
    """The ARN of an image, or why this host has none of this size."""
    with subject.build_context() as context:
        arn = None
        try:
            arn = machine.begin_image(f"bench-largest-{memory_mib}", pathlib.Path(context), memory_mib)
            begun = time.perf_counter()
            machine.watch_image(arn)
            series.seconds[f"build of the image, {title(memory_mib)}"].append(time.perf_counter() - begun)
            return arn, None
        except (BuildFailed, botocore.exceptions.ClientError) as refused:
            if arn:
                machine.delete_image(arn)
            return None, str(refused)


def measure(machine, series, options):
    before = machine.daemon.restart(["--keep-suspended", "0", "--memory-budget", "none"])
    try:
        return {"skipped": measure_largest(machine, series, options)}
    finally:
        machine.daemon.restart(before)


def measure_largest(machine, series, options):
    """Why larger sizes were not measured."""
    skipped = []
    for memory_mib in SIZES_MIB:
        arn, reason = build(machine, series, memory_mib)
        if arn is None:
            skipped.append(f"{title(memory_mib)}: {reason}")
            continue
        for _ in range(options.largest):
            vm = series.measure(f"launch to first 200, {title(memory_mib)}", lambda: launch(machine, arn))
            if vm:
                vm.json(path="/dirty?mib=1")
                series.measure(f"suspend until durable, {title(memory_mib)}", vm.suspend)
                series.measure(f"request to a suspended VM, {title(memory_mib)}", vm.json)
                vm.terminate()
        machine.delete_image(arn)
        break
    return skipped
