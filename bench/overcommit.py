# SPDX-License-Identifier: Apache-2.0
"""Wakes while the host holds a quarter of the VMs that are used: others must be put to sleep for each."""

import concurrent.futures
import itertools
import random
import threading
import time

from bench import subject
from bench.launch import launch
from bench.measure import Goal

SHARE = 4  # of what the VMs use when all of them run
CLIENTS = 8
SEED = 20261122


def private_bytes(machine, vms):
    return sum(subject.rollup(vm.vmm()[0])["Anonymous"] * 1024 for vm in vms)


def measure(machine, arn, series, options):
    """Zipf traffic over VMs that do not fit together, until enough of it found its VM asleep."""
    daemon = machine.daemon
    vms = [vm for vm in (series.measure("launch for overcommit", lambda: launch(machine, arn)) for _ in range(options.crowd)) if vm]
    used = private_bytes(machine, vms)
    budget = used // SHARE
    arguments = daemon.restart(["--memory-budget", f"{budget >> 20}M"])
    try:
        traffic = Traffic(vms, series, options)
        traffic.run()
        peak = private_bytes(machine, [vm for vm in vms if vm.vmm()])
    finally:
        daemon.restart(arguments)
    for vm in vms:
        vm.terminate(wait=False)
    for vm in vms:
        vm.wait_for("TERMINATED")
    return {
        "vms": len(vms),
        "used_when_all_run_mib": used >> 20,
        "budget_mib": budget >> 20,
        "used_at_the_end_mib": peak >> 20,
        "requests_per_second": traffic.requests / traffic.seconds,
        "wakes": traffic.wakes,
    }


class Traffic:
    """Requests at a fixed rate, as if clients did not wait for each other, each to a VM drawn by Zipf's law."""

    def __init__(self, vms, series, options):
        self._vms = vms
        self._locks = {vm.id: threading.Lock() for vm in vms}
        self._counts = {vm.id: vm.json()["count"] for vm in vms}
        self._series = series
        self._interval = 1 / options.rate
        self._wanted = options.wakes
        self._deadline = time.monotonic() + options.overcommit_seconds
        self.requests = 0
        self.wakes = 0
        self.seconds = 0.0

    def run(self):
        drawn = random.Random(SEED)
        weights = list(itertools.accumulate(1 / rank for rank in range(1, len(self._vms) + 1)))
        begun = time.monotonic()
        with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
            while self.wakes < self._wanted and time.monotonic() < self._deadline:
                pool.submit(self._ask, drawn.choices(self._vms, cum_weights=weights)[0])
                self.requests += 1
                time.sleep(max(0.0, begun + self.requests * self._interval - time.monotonic()))
        self.seconds = time.monotonic() - begun

    def _ask(self, vm):
        with self._locks[vm.id]:  # one at a time for each VM, so that its counter shows whether one was lost
            try:
                asleep = vm.state() != "RUNNING"
                name = "overcommit: request that wakes" if asleep else "overcommit: request to a VM that runs"
                answer = self._series.measure(name, vm.json)
                self.wakes += asleep
                self._counts[vm.id] += 1
                if answer and answer["count"] != self._counts[vm.id]:
                    raise AssertionError(f"{vm.id} counted {answer['count']}, not {self._counts[vm.id]}")
            except Exception as error:
                self._series.fail("overcommit: state lost or no answer", error)


def goals(series):
    wakes = series.summary().get("overcommit: request that wakes", {"count": 0})
    return [Goal("wake under 4x overcommit, p99", wakes["p99"] * 1000, 500, "ms")] if wakes["count"] else []
