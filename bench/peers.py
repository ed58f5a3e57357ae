# SPDX-License-Identifier: Apache-2.0
"""The same container in runc on this host, with no VM at all; and QEMU's own savevm and loadvm of one of our VMs.

The container's file system is made of the layers that the image's disk holds, mounted read-only; all that is mounted and made
goes away again. Needs root, as the daemon does.
"""

import contextlib
import ctypes
import http.client
import json
import os
import pathlib
import subprocess
import tempfile
import threading
import time

from bench.launch import launch
from tests.support.monitor import Monitor

IN_GUEST = "/var/lib/dormouse"  # where a guest has its disks
POLL_SECONDS = 0.001
START_SECONDS = 60
CLONE_NEWNET = 0x40000000


def run(*command):
    return subprocess.run([str(part) for part in command], check=True, capture_output=True, text=True).stdout


class Container:
    """The image's container under runc, in a network namespace of its own that has nothing but loopback."""

    def __init__(self, machine, arn, base_dir):
        self._cleanup = contextlib.ExitStack()
        try:
            self._prepare(machine, arn, base_dir)
        except BaseException:
            self._cleanup.close()
            raise

    def close(self):
        self._cleanup.close()

    def _mount(self, *arguments):
        target = pathlib.Path(arguments[-1])
        target.mkdir(parents=True)
        run("mount", *arguments)
        self._cleanup.callback(run, "umount", target)

    def _prepare(self, machine, arn, base_dir):
        top = pathlib.Path(self._cleanup.enter_context(tempfile.TemporaryDirectory(prefix="dormouse-bench-")))
        snapshot = next((machine.daemon.data_dir / "images").glob("*/*/disk"))
        self._mount("-o", "loop,ro", snapshot, top / "application")
        self._mount("-o", "loop,ro", base_dir / "containers.ext4", top / "containers")
        image = json.loads((top / "application/application.json").read_text())
        lower = ":".join(path.replace(IN_GUEST, str(top), 1) for path in image["layers"])
        for name in ("upper", "work"):
            (top / name).mkdir()
        self._mount("-t", "overlay", "overlay", "-o", f"lowerdir={lower},upperdir={top}/upper,workdir={top}/work", top / "rootfs")
        self.namespace = f"dormouse-bench-{os.getpid()}"
        run("ip", "netns", "add", self.namespace)
        self._cleanup.callback(run, "ip", "netns", "delete", self.namespace)
        run("ip", "-n", self.namespace, "link", "set", "lo", "up")
        run("runc", "spec", "--bundle", top)
        spec = json.loads((top / "config.json").read_text())
        config = image["config"]
        spec["process"] |= {
            "terminal": False,
            "args": (config.get("Entrypoint") or []) + (config.get("Cmd") or []),
            "cwd": config.get("WorkingDir") or "/",
            "env": config.get("Env") or [],
        }
        spec["root"]["readonly"] = False
        for entry in spec["linux"]["namespaces"]:
            if entry["type"] == "network":
                entry["path"] = f"/var/run/netns/{self.namespace}"
        (top / "config.json").write_text(json.dumps(spec))
        self.bundle = top
        self._number = 0

    def start(self):
        """Starts the container; its name, once it has answered a request with 200."""
        self._number += 1
        name = f"{self.namespace}-{self._number}"
        run_quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        subprocess.run(["runc", "run", "--detach", "--bundle", self.bundle, name], check=True, **run_quiet)
        self.request("/")
        return name

    def end(self, name):
        run("runc", "delete", "--force", name)

    def request(self, path):
        """The JSON of a 200, from inside of the namespace; waits for the listener."""
        result = []

        def ask():
            try:
                enter_network(self.namespace)
                result.append(self._ask(path))
            except Exception as error:
                result.append(error)

        asking = threading.Thread(target=ask)
        asking.start()
        asking.join()
        if isinstance(result[0], Exception):
            raise result[0]
        return result[0]

    def _ask(self, path):
        deadline = time.monotonic() + START_SECONDS
        while True:
            connection = http.client.HTTPConnection("127.0.0.1", 8080, timeout=600)
            try:
                connection.request("GET", path)
                answer = connection.getresponse()
                if answer.status != 200:
                    raise RuntimeError(f"{path}: {answer.status}")
                return json.load(answer)
            except ConnectionRefusedError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(POLL_SECONDS)
            finally:
                connection.close()


def enter_network(name):
    """Moves the calling thread, and it alone, into a network namespace."""
    libc = ctypes.CDLL(None, use_errno=True)
    with open(f"/var/run/netns/{name}") as file:
        if libc.setns(file.fileno(), CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), f"setns to {name}")


def measure_runc(machine, arn, base_dir, series, options):
    container = Container(machine, arn, base_dir)
    try:
        for _ in range(options.vms):
            name = series.measure("runc: start to first 200", container.start)
            if name:
                container.end(name)
        name = container.start()
        for _ in range(options.turns):
            series.measure("agent's turn in runc", lambda: container.request("/turn"))
        container.end(name)
    finally:
        container.close()


def measure_turn(machine, arn, series, options):
    vm = launch(machine, arn)
    for _ in range(options.turns):
        series.measure("agent's turn in a VM", lambda: vm.json(path="/turn", timeout=600))
    vm.terminate()


def measure_savevm(machine, arn, series, options):
    """QEMU's savevm and loadvm of a VM whose daemon is not there meanwhile."""
    vm = launch(machine, arn)
    vm.json(path="/dirty?mib=1")
    daemon = machine.daemon
    daemon.kill()
    try:
        with Monitor(vm) as monitor:
            monitor.execute("stop")
            nodes = [node["node-name"] for node in monitor.execute("query-named-block-nodes") if node["drv"] == "qcow2"]
            names = {"tag": "bench", "vmstate": nodes[0], "devices": nodes}
            for _ in range(options.suspensions):
                series.measure("QEMU's savevm", lambda: monitor.job("snapshot-save", **names))
                series.measure("QEMU's loadvm", lambda: monitor.job("snapshot-load", **names))
                monitor.job("snapshot-delete", tag="bench", devices=nodes)
            monitor.execute("cont")
    finally:
        daemon.launch()
        daemon.wait_ready()
    vm.terminate()
