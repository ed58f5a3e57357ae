# SPDX-License-Identifier: Apache-2.0
"""Wakes while the host holds a quarter of the VMs that are used: others must be put to sleep for each."""

import concurrent.futures
import itertools
import random
import statistics
import threading
import time

from bench import subject
from bench.launch import launch
from bench.measure import Goal
from tests.support.machine import vmm_processes

SHARE = 4  # of what the VMs use when all of them run
CLIENTS = 32
USE_INTERVAL = 5  # seconds
SEED = 20261122


def private_bytes(machine, vms):
    """Anonymous memory of those that run."""
    wanted = {vm.id for vm in vms}
    total = 0
    for name, (pid, _) in vmm_processes(machine.daemon).items():
        try:
            total += subject.rollup(pid)["Anonymous"] * 1024 if name in wanted else 0
        except (OSError, KeyError):
            continue  # it has just gone to sleep
    return total


def measure(machine, arn, series, options):
    """Zipf traffic over VMs that do not fit together, until enough of it found its VM asleep."""
    daemon = machine.daemon
    vms = [vm for vm in (series.measure("launch for overcommit", lambda: launch(machine, arn)) for _ in range(options.crowd)) if vm]
    used = private_bytes(machine, vms)
    budget = used // SHARE
    arguments = daemon.restart(["--memory-budget", f"{budget >> 20}M"])
    try:
        traffic = Traffic(vms, series, options, lambda: private_bytes(machine, vms))
        traffic.run()
    finally:
        daemon.restart(arguments)
    for vm in vms:
        vm.terminate(wait=False)
    for vm in vms:
        vm.wait_for("TERMINATED")
    if traffic.wakes < options.wakes:
        series.fail("overcommit: wakes", AssertionError(f"{traffic.wakes} of {options.wakes} in {traffic.seconds:.0f} s"))
    return {
        "figures": {
            "VMs": len(vms),
            "MiB used when all run": used >> 20,
            "MiB of the budget": budget >> 20,
            "MiB used, median": int(statistics.median(traffic.used)) >> 20,
            "MiB used, largest": max(traffic.used) >> 20,
            "requests a second": traffic.requests / traffic.seconds,
            "wakes": traffic.wakes,
        }
    }


class Traffic:
    """Requests at a fixed rate, as if clients did not wait for each other, each to a VM drawn by Zipf's law.

    Each is timed from the moment at which it was due: one that waits for another of the same VM, or for a thread, has waited.
    """

    def __init__(self, vms, series, options, use):
        self._vms = vms
        self._locks = {vm.id: threading.Lock() for vm in vms}
        self._counts = {vm.id: vm.json()["count"] for vm in vms}
        self._series = series
        self._interval = 1 / options.rate
        self._wanted = options.wakes
        self._seconds_max = options.overcommit_seconds
        self._use = use
        self._counted = threading.Lock()
        self.requests = 0
        self.wakes = 0  # guarded by _counted
        self.seconds = 0.0
        self.used = []  # bytes, every USE_INTERVAL

    def run(self):
        drawn = random.Random(SEED)
        weights = list(itertools.accumulate(1 / rank for rank in range(1, len(self._vms) + 1)))
        begun = time.monotonic()
        look_at = begun
        with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
            while self.wakes < self._wanted and time.monotonic() < begun + self._seconds_max:
                due = time.perf_counter()
                pool.submit(self._ask, drawn.choices(self._vms, cum_weights=weights)[0], due)
                self.requests += 1
                if time.monotonic() >= look_at:
                    self.used.append(self._use())
                    look_at += USE_INTERVAL
                time.sleep(max(0.0, begun + self.requests * self._interval - time.monotonic()))
        self.seconds = time.monotonic() - begun

    def _ask(self, vm, due):
        with self._locks[vm.id]:  # one at a time for each VM, so that its counter shows whether one was lost
            try:
                asleep = vm.state() != "RUNNING"
                answer = vm.json()
                name = "overcommit: request that wakes" if asleep else "overcommit: request to a VM that runs"
                self._series.seconds[name].append(time.perf_counter() - due)
                with self._counted:
                    self.wakes += asleep
                self._counts[vm.id] += 1
                if answer["count"] != self._counts[vm.id]:
                    raise AssertionError(f"{vm.id} counted {answer['count']}, not {self._counts[vm.id]}")
            except Exception as error:
                self._series.fail("overcommit: state lost or no answer", error)


def goals(series):
    wakes = series.summary().get("overcommit: request that wakes", {"count": 0})
    return [Goal("wake under 4x overcommit, p99", wakes["p99"] * 1000, 500, "ms")] if wakes["count"] else []
