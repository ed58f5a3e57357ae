#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Forks: one running VM into many, all answering, and how long the source stands still for it.

    bench/fork.py [--build-dir build/release] [--rounds 5] [--children 20]

`measure(machine, arn)` does it with a daemon and an image that are there.
"""

import argparse
import concurrent.futures
import json
import pathlib
import re
import statistics
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

SAVED = re.compile(r"a microvm was saved microvm=(\S+) bytes=(\d+) stood_still_us=(\d+)")


def saves(machine, vm):
    """(bytes, seconds that the guest stood still) of each save of a VM, as the daemon's log has them."""
    found = []
    for line in (machine.daemon.data_dir / "daemon.log").read_text(errors="replace").splitlines():
        saved = SAVED.search(line)
        if saved and saved[1] == vm.id:
            found.append((int(saved[2]), int(saved[3]) / 1e6))
    return found


class Client(threading.Thread):
    """Asks a VM without pause and keeps how long each answer took."""

    def __init__(self, vm):
        super().__init__()
        self.vm = vm
        self.over = threading.Event()
        self.seconds = []
        self.start()

    def run(self):
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

    def stop(self):
        self.over.set()
        self.join()
        return self.seconds


def fork_once(vm, children, pool):
    """Seconds until the call was answered, and until each child had answered a request, counted from the call."""
    begun = time.perf_counter()
    made = vm.fork(children, wait=False)
    called = time.perf_counter() - begun

    def ask(child):
        status, text = child.request()
        assert status == 200, f"{child.id}: {status} {text[:200]}"
        return time.perf_counter() - begun

    try:
        answered = sorted(pool.map(ask, made))
    finally:
        for child in made:
            child.terminate(wait=False)
        for child in made:
            child.wait_for("TERMINATED")
    return called, answered


def measure(machine, arn, rounds=5, children=20):
    """Seconds, and bytes, of `rounds` forks of one VM into `children`; then of checkpoints of the same VM."""
    parent = machine.run(arn)
    parent.request()
    result = {"children": children, "call": [], "first_answering": [], "all_answering": [], "checkpoint": []}
    with concurrent.futures.ThreadPoolExecutor(children) as pool:
        for _ in range(rounds):
            called, answered = fork_once(parent, children, pool)
            result["call"].append(called)
            result["first_answering"].append(answered[0])
            result["all_answering"].append(answered[-1])
    result["fork_one"] = []
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        for _ in range(rounds):
            result["fork_one"].append(fork_once(parent, 1, pool)[1][0])
    made = []
    client = Client(parent)
    for _ in range(rounds):
        begun = time.perf_counter()
        made.append(parent.checkpoint()["checkpointId"])
        result["checkpoint"].append(time.perf_counter() - begun)
    result["parent_answers_meanwhile"] = client.stop()
    saved = saves(machine, parent)
    result["stood_still"] = [seconds for _, seconds in saved]
    result["saved_bytes"] = [size for size, _ in saved]
    for checkpoint in made:
        machine.extension(f"/dormouse/2026-11-01/checkpoints/{checkpoint}", "DELETE")
    parent.terminate()
    return result


def report(result):
    for name in ("stood_still", "call", "fork_one", "first_answering", "all_answering", "checkpoint", "parent_answers_meanwhile"):
        values = sorted(result[name])
        print(f"  {name.replace('_', ' '):<28} p50 {statistics.median(values) * 1000:8.1f} ms  max {values[-1] * 1000:8.1f} ms  of {len(values)}")
    print(f"  {'saved':<28} p50 {statistics.median(result['saved_bytes']) / (1 << 20):8.1f} MiB")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build-dir", type=pathlib.Path, default=ROOT / "build/release")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--children", type=int, default=20)
    options = parser.parse_args()
    from tests.support import clients

    clients.run_with(ROOT / "examples/requirements.txt")
    from bench import subject
    from tests.support.daemon import Daemon
    from tests.support.machine import Machine

    daemon = Daemon.start(options.build_dir, progress=lambda reason: print(f"  {reason}", flush=True))
    try:
        machine = Machine(daemon)
        with subject.build_context() as context:
            arn = machine.begin_image("bench-fork", context)
            machine.finish_image(arn)
        result = measure(machine, arn, options.rounds, options.children)
        machine.delete_image(arn)
    finally:
        left = daemon.stop()
    report(result)
    target = ROOT / "build/bench" / f"fork-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(result, indent=2) + "\n")
    for line in left:
        print(f"  left behind: {line}")
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main())
