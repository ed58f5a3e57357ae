# SPDX-License-Identifier: Apache-2.0
"""What the suites with real guests have in common: the probe's image, snippets run in a guest, and what must not be left behind."""

import contextlib
import os
import pathlib
import random
import threading
import time
import urllib.request

import botocore.exceptions

from tests.support.daemon import Daemon
from tests.support.machine import Machine, vmm_processes

HERE = pathlib.Path(__file__).resolve().parent
ACCOUNT = "000000000000"
HOOKS = ("ready", "run", "resume", "suspend")
# Errors of a client whose daemon dies while it asks.
CUT_OFF = (botocore.exceptions.HTTPClientError, botocore.exceptions.ConnectionError, OSError)
CLOCK_READINGS = 8  # the one that took least time counts
# Sleeps when told to, is woken by traffic.
WAKES = {"maxIdleDurationSeconds": 3600, "suspendedDurationSeconds": 3600, "autoResumeEnabled": True}
# Sleeps when told to, wakes when told to.
STAYS = WAKES | {"autoResumeEnabled": False}


def eventually(condition, seconds=60, what="the condition"):
    """The first true value of `condition()`; an AssertionError with its last value after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not come true within {seconds} s (last: {value!r})")
        time.sleep(0.05)


class World:
    """A daemon with its client and the probe's image: the shared daemon's, or those of `daemon`."""

    def __init__(self, daemon=None):
        self.daemon = daemon or Daemon.shared()
        self.machine = Machine(self.daemon)
        self.vms = []

    def image(self, name="vm-probe", directory=HERE / "probe", **more):
        """The ARN of an image, which is built unless an earlier suite did."""
        arn = f"arn:aws:lambda:{self.daemon.region}:{ACCOUNT}:microvm-image:{name}"
        try:
            self.machine.microvms.get_microvm_image(imageIdentifier=arn)
        except self.machine.microvms.exceptions.ResourceNotFoundException:
            arn = self.machine.begin_image(name, directory, hooks=HOOKS, **more)
        self.machine.finish_image(arn)
        return arn

    def run(self, arn, idlePolicy=WAKES, **more):
        vm = self.machine.run(arn, wait=False, idlePolicy=idlePolicy, **more)
        self.vms.append(vm)
        vm.wait_for("RUNNING")
        return vm

    def end(self, *vms):
        """Terminates VMs, all of this world's if none are named."""
        ending = list(vms or self.vms)
        for vm in ending:
            self.vms.remove(vm)
            vm.terminate(wait=False)
        for vm in ending:
            vm.wait_for("TERMINATED")

    def metric(self, name):
        """The value of a metric without labels."""
        with urllib.request.urlopen(self.daemon.url + "/metrics", timeout=30) as answer:
            lines = answer.read().decode().splitlines()
        return float(next(line.split()[1] for line in lines if line.startswith(name + " ")))

    def made_ahead(self):
        """The pids of VMMs that wait for a launch or a wake, and whose sandbox is closed."""
        found = []
        for pid in processes(self.daemon)[1]:
            with contextlib.suppress(OSError):  # it may be gone
                if status_of(pathlib.Path(f"/proc/{pid}/status"))["Seccomp"] == CONFINED["Seccomp"]:
                    found.append(pid)
        return found

    def close(self):
        """Ends what this suite made, and its daemon if that is its own."""
        own = self.daemon._process
        if own is None or own.poll() is None:
            self.end()
        if own is not None and own.poll() is None:
            self.daemon.stop()

    def start_again(self, seconds=120):
        """A new daemon over the data directory of the one that has ended."""
        self.daemon.launch()
        self.daemon.wait_ready(seconds)

    def restart(self, seconds=120):
        """The daemon's end without warning, and a new one over the same data directory."""
        self.daemon.kill()
        self.start_again(seconds)

    def kill_during(self, call, delay, expected=()):
        """restart()s `delay` seconds after `call` was begun. What the call answered; None if it was cut off or `expected`."""
        answers = []

        def begin():
            try:
                answers.append(call())
            except (*CUT_OFF, *expected):
                pass

        asking = threading.Thread(target=begin)
        asking.start()
        time.sleep(delay)  # the moment is what is tested
        self.restart()
        asking.join(120)
        return answers[0] if answers else None

    def await_end(self, vm, seconds=60, what=None):
        """The record of a VM that ends without being told to."""
        record = eventually(lambda: vm.state() == "TERMINATED" and vm.record(), seconds, what or f"{vm.id}'s end")
        if vm in self.vms:
            self.vms.remove(vm)
        return record

    def describe(self, vm):
        """Dormouse's own description of a VM: with how its application ended, and its last output."""
        return self.machine.extension(f"/dormouse/2026-11-01/microvms/{vm.id}")


def share_of(pid):
    """The control group of a process, its share of the processors, and what a whole processor would be."""
    mounts = [line.split() for line in pathlib.Path("/proc/mounts").read_text().splitlines()]
    for line in pathlib.Path(f"/proc/{pid}/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if "cpu" in controllers.split(","):
            root = next(mount[1] for mount in mounts if mount[2] == "cgroup" and "cpu" in mount[3].split(","))
            group = pathlib.Path(root + path)
            return group, int((group / "cpu.shares").read_text()), 1024
        if not controllers and "dormouse" in path:
            root = next(mount[1] for mount in mounts if mount[2] == "cgroup2")
            group = pathlib.Path(root + path)
            return group, int((group / "cpu.weight").read_text()), 100
    raise RuntimeError(f"process {pid} is in no group with the cpu controller")


def seeded_random():
    """(a generator of random numbers, its seed: to be told with a failure)."""
    seed = random.randrange(1 << 32)
    return random.Random(seed), seed


def python(vm, code, timeout=120):
    """The value of `result` after `code` ran in the guest."""
    answer = vm.json("POST", "/python", {"code": code}, timeout=timeout)
    if "error" in answer:
        raise AssertionError(f"in {vm.id}: {answer['error']}")
    return answer["result"]


def clock_error(vm, clock="time"):
    """(seconds that the guest's clock is ahead of ours, seconds that this may be wrong): the best of some readings."""
    best = None
    for _ in range(CLOCK_READINGS):
        before = time.time()
        told = python(vm, f"import time\nresult = time.{clock}()")
        after = time.time()
        reading = (told - (before + after) / 2, (after - before) / 2)
        if best is None or reading[1] < best[1]:
            best = reading
    return best


def send_python(vm, code):
    """The same for code that ends the guest: no answer is expected."""
    try:
        vm.request("POST", "/python", {"code": code}, timeout=60)
    except OSError:
        pass


# --- what must not be left behind --------------------------------------------------------------------------------------


def processes(daemon):
    """(pid -> command line of the processes that a daemon started for guests, the pids of those of clones made ahead)."""
    mark = f"DORMOUSE_DATA_DIRECTORY={daemon.data_dir}".encode()
    found = {}
    stock = []
    for entry in pathlib.Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            if mark not in (entry / "environ").read_bytes().split(b"\0"):
                continue
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            opened = [os.readlink(link) for link in (entry / "fd").iterdir()]
        except OSError:
            continue
        # Who was taken for a VM may hold what it had when it was nobody's, which no path leads to any more.
        if any(target.startswith(f"{daemon.data_dir}/warm/") and not target.endswith(" (deleted)") for target in opened):
            stock.append(int(entry.name))
        else:
            found[int(entry.name)] = command[:120]
    return found, stock


def descriptors(daemon):
    """What of guests a daemon holds open, counted: namespaces, processes, taps, files of VMs and builds."""
    counts = {}
    directory = pathlib.Path(f"/proc/{daemon.pid}/fd")
    for link in directory.iterdir():
        try:
            target = os.readlink(link)
        except OSError:
            continue
        kind = None
        if target.startswith("net:["):
            kind = "network namespace"
        elif target == "anon_inode:[pidfd]":
            kind = "process"
        elif target == "/dev/net/tun":
            kind = "tap"
        elif target.startswith((f"{daemon.data_dir}/microvms/", f"{daemon.data_dir}/builds/")):
            kind = "file"
        if kind:
            counts[kind] = counts.get(kind, 0) + 1
    return counts


def files(daemon):
    found = set()
    for pattern in ("builds/*", "microvms/*", "images/*/*", "checkpoints/*"):
        found |= {str(path.relative_to(daemon.data_dir)) for path in daemon.data_dir.glob(pattern)}
    return found


class Traces:
    """What a daemon holds of guests now; `grown()` says what came since, with what ends by itself given time to do so.

    Clones that the daemon makes ahead, without anybody's launch, come and go as they like.
    """

    def __init__(self, daemon):
        self.daemon = daemon
        self.before = self.look()

    def look(self):
        found, stock = processes(self.daemon)
        return {"processes": found, "stock": len(stock), "descriptors": descriptors(self.daemon), "files": files(self.daemon)}

    def grown(self, seconds=20):
        deadline = time.monotonic() + seconds
        while True:
            now = self.look()
            found = [f"process {pid}: {command}" for pid, command in now["processes"].items() if pid not in self.before["processes"]]
            for kind, count in now["descriptors"].items():
                more = count - self.before["descriptors"].get(kind, 0)
                more -= max(0, now["stock"] - self.before["stock"])  # a clone made ahead has one of each
                if more > 0:
                    found.append(f"{more} open descriptors of a {kind}")
            found += [f"file {name}" for name in sorted(now["files"] - self.before["files"])]
            if not found or time.monotonic() > deadline:
                return found
            time.sleep(0.1)


# --- how a guest's process is confined ----------------------------------------------------------------------------------

CONFINED = {
    "NoNewPrivs": "1",
    "Seccomp": "2",
    "Groups": "",
} | dict.fromkeys(("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"), "0" * 16)


def status_of(path):
    """The fields of a `status` file of /proc."""
    return {name: value.strip() for name, _, value in (line.partition(":") for line in path.read_text().splitlines())}


def assert_confined(test, *pids):
    """Each thread of each of these processes runs without privileges; as a user, and in a network, that are no other's."""
    users, networks = set(), {os.stat("/proc/self/ns/net").st_ino}
    for pid in pids:
        threads = [status_of(thread / "status") for thread in pathlib.Path(f"/proc/{pid}/task").iterdir()]
        test.assertTrue(threads[0]["Name"].startswith("qemu"), threads[0]["Name"])
        for status in threads:
            test.assertEqual({name: status[name] for name in CONFINED}, CONFINED, status)
            test.assertEqual(status["Uid"], "\t".join([status["Uid"].split()[0]] * 4), status)
            test.assertEqual(status["Gid"], status["Uid"], status)
        users |= {status["Uid"] for status in threads}
        networks.add(os.stat(f"/proc/{pid}/ns/net").st_ino)
    test.assertEqual(len(users), len(pids), users)
    test.assertNotIn("0", [user.split()[0] for user in users])
    test.assertEqual(len(networks), len(pids) + 1, networks)


def vmm_pid(vm):
    return vmm_processes(vm.machine.daemon)[vm.id][0]
