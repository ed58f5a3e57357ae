# SPDX-License-Identifier: Apache-2.0
"""Forks: one running VM into many, all answering, and how long the source stands still; checkpoints under requests."""

import concurrent.futures
import re
import statistics
import threading
import time

from bench.launch import launch
from bench.measure import Goal

LARGE_DISK_MIB = 256
SAVED = re.compile(r"a microvm was saved microvm=(\S+) bytes=(\d+) stood_still_us=(\d+)")


def saves(machine, vm):
    """(bytes, seconds that the guest stood still) of each save of a VM, as the daemon's log has them."""
    found = SAVED.findall(machine.daemon.log())
    return [(int(size), int(still) / 1e6) for name, size, still in found if name == vm.id]


class Client(threading.Thread):
    """Asks a VM without pause and keeps how long each answer took."""

    def __init__(self, vm):
        super().__init__()
        self.vm = vm
        self.over = threading.Event()
        self.seconds = []
        self.error = None
        self.start()

    def run(self):
        try:
            connection = self.vm.connect()
            headers = {"X-aws-proxy-auth": self.vm.token()}
            while not self.over.is_set():
                begun = time.perf_counter()
                connection.request("GET", "/", headers=headers)
                answer = connection.getresponse()
                answer.read()
                assert answer.status == 200, answer.status
                self.seconds.append(time.perf_counter() - begun)
                self.over.wait(0.005)
            connection.close()
        except Exception as error:
            self.error = error

    def stop(self, series, name):
        self.over.set()
        self.join()
        series.seconds[name] += self.seconds
        if self.error:
            series.fail(name, self.error)


def fork(vm, children, series, name):
    """Forks, and waits until each child has answered a request; counted from the call."""
    begun = time.perf_counter()
    made = []
    try:
        made = vm.fork(children, wait=False)
        with concurrent.futures.ThreadPoolExecutor(children) as pool:
            list(pool.map(lambda child: child.json(), made))
        series.seconds[name].append(time.perf_counter() - begun)
    except Exception as error:
        series.fail(name, error)
    finally:
        for child in made:
            child.terminate(wait=False)
        for child in made:
            child.wait_for("TERMINATED")


def measure(machine, arn, series, options, breakdown):
    """Also: bytes of each save, None when there was none."""
    parent = launch(machine, arn)
    for children, name in ((options.children, f"fork into {options.children}, all answering"), (1, "fork into 1, answering")):
        breakdown.measure(
            {"launch": f"{name}: each child"},
            lambda children=children, name=name: [fork(parent, children, series, name) for _ in range(options.forks)],
        )
    client = Client(parent)
    made = []
    for _ in range(options.forks):
        checkpoint = series.measure("checkpoint until durable, under requests", parent.checkpoint)
        if checkpoint:
            made.append(checkpoint["checkpointId"])
    client.stop(series, "request to a VM of which checkpoints are made")
    client = Client(parent)
    for _ in range(options.forks):
        fork(parent, 1, series, "fork into 1, answering, under requests")
    client.stop(series, "request to a VM that is forked")
    saved = saves(machine, parent)
    series.seconds["source of a fork or checkpoint stands still"] += [still for _, still in saved]
    measure_large_disk(machine, parent, series, options, made)
    for checkpoint in made:
        machine.extension(f"/dormouse/2026-11-01/checkpoints/{checkpoint}", "DELETE")
    parent.terminate()
    return {"figures": {"bytes of a save, median": statistics.median(size for size, _ in saved) if saved else None}}


def measure_large_disk(machine, vm, series, options, made):
    """A checkpoint copies what the VM has written to its disk while it stands still, where the file system cannot share it."""
    vm.json(path=f"/write?mib={LARGE_DISK_MIB}")
    before = len(saves(machine, vm))
    for _ in range(options.forks):
        checkpoint = series.measure(f"checkpoint until durable, {LARGE_DISK_MIB} MiB on its disk", vm.checkpoint)
        if checkpoint:
            made.append(checkpoint["checkpointId"])
    name = f"source of a checkpoint stands still, {LARGE_DISK_MIB} MiB on its disk"
    series.seconds[name] += [still for _, still in saves(machine, vm)[before:]]


def goals(series, options):
    found = []
    operations = series.summary()
    for name, limit in ((f"fork into {options.children}, all answering", 1000), ("source of a fork or checkpoint stands still", 20)):
        values = operations.get(name, {"count": 0})
        if values["count"]:
            found.append(Goal(f"{name}, p50", values["median"] * 1000, limit, "ms"))
    return found
