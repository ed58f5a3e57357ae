# SPDX-License-Identifier: Apache-2.0
"""Launches: one a second, one after the other without a pause, eight at once, with everything cold."""

import concurrent.futures
import os
import pathlib
import time

from bench.measure import Goal
from tests.support.machine import WAKES

AT_ONCE = 8
PAUSE_SECONDS = 1  # in which what the last launch took from the stock is made again


def launch(machine, arn):
    """A VM, from RunMicrovm to the first 200 through its endpoint with its token."""
    vm = machine.run(arn, wait=False, idlePolicy=WAKES)
    vm.json()  # the endpoint holds the request until the VM runs
    return vm


def drop_page_cache():
    """False where this machine does not let us."""
    os.sync()
    try:
        pathlib.Path("/proc/sys/vm/drop_caches").write_text("1\n")
        return True
    except OSError:
        return False


def measure_one_a_second(machine, arn, series, options):
    for _ in range(options.vms):
        vm = series.measure("launch to first 200", lambda: launch(machine, arn))
        if vm:
            series.measure("request to a running VM", vm.json)
            series.measure("terminate", vm.terminate)
        time.sleep(PAUSE_SECONDS)


def measure_without_pause(machine, arn, series, options):
    for _ in range(options.vms):
        vm = series.measure("launch to first 200, no pause between", lambda: launch(machine, arn))
        if vm:
            vm.terminate()


def measure_at_once(machine, arn, series, options):
    name = f"launch to first 200, {AT_ONCE} at once"
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        for _ in range(max(1, options.vms // AT_ONCE)):
            time.sleep(AT_ONCE * PAUSE_SECONDS)  # also after what was measured before
            vms = list(pool.map(lambda _: series.measure(name, lambda: launch(machine, arn)), range(AT_ONCE)))
            for vm in filter(None, vms):
                vm.terminate()


def measure(machine, arn, series, options, breakdown):
    skipped = []
    ways = {"one a second": measure_one_a_second, "no pause between": measure_without_pause, f"{AT_ONCE} at once": measure_at_once}
    for name, way in ways.items():
        breakdown.measure({"launch": f"launch to first byte, {name}"}, lambda way=way: way(machine, arn, series, options))
    if drop_page_cache():
        measure_cold(machine, arn, series, options)
    else:
        skipped.append("launch with the page cache dropped: this machine does not allow it")
    return {"skipped": skipped}


def measure_cold(machine, arn, series, options):
    """Each time by a daemon that has made nothing ahead and opened no template, and with the page cache dropped."""

    def restart():
        machine.daemon.restart()
        drop_page_cache()

    for _ in range(max(1, options.vms // 4)):
        restart()
        vm = series.measure("launch to first 200, image cold", lambda: launch(machine, arn))
        if vm:
            vm.terminate()
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        for _ in range(max(1, options.vms // 20)):
            restart()
            name = f"launch to first 200, image cold, {AT_ONCE} at once"
            for vm in filter(None, pool.map(lambda _: series.measure(name, lambda: launch(machine, arn)), range(AT_ONCE))):
                vm.terminate()


def goals(series):
    operations = series.summary()
    launches = operations.get("launch to first 200", {"count": 0})
    at_once = operations.get(f"launch to first 200, {AT_ONCE} at once", {"count": 0})
    if not launches["count"]:
        return []
    found = [
        Goal("launch to first 200, p50", launches["median"] * 1000, 60, "ms"),
        Goal("launch to first 200, p99", launches["p99"] * 1000, 200, "ms"),
    ]
    cold = series.median("cold boot to first 200")
    if cold:
        ratio = launches["median"] / cold
        found.append(Goal("launch / cold boot of the same image, medians", ratio, 1 / 30, "", bound=True))
        found.append(Goal("launch / cold boot of the same image, medians", ratio, 1 / 80, ""))
    runc = series.median("runc: start to first 200")
    if runc:
        found.append(Goal("launch / runc starting the same container, medians", launches["median"] / runc, 1 / 3, ""))
    if at_once["count"]:
        ratio = at_once["p99"] / launches["p99"]
        found.append(Goal(f"{AT_ONCE} at once / one at a time, p99", ratio, 4, ""))
    return found
