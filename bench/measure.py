# SPDX-License-Identifier: Apache-2.0
"""Times of operations, what failed, and the table that they become."""

import collections
import os
import pathlib
import platform
import re
import statistics
import subprocess
import time


class Series:
    """Times of operations by name, and what failed."""

    def __init__(self):
        self.seconds = collections.defaultdict(list)
        self.failures = collections.defaultdict(list)

    def measure(self, name, action):
        """The result of `action`, or None when it failed."""
        begun = time.perf_counter()
        try:
            result = action()
        except Exception as error:
            self.fail(name, error)
            return None
        self.seconds[name].append(time.perf_counter() - begun)
        return result

    def fail(self, name, error):
        self.failures[name].append(f"{type(error).__name__}: {error}"[:300])

    def median(self, name):
        return statistics.median(self.seconds[name]) if self.seconds[name] else None

    def summary(self):
        names = list(dict.fromkeys([*self.seconds, *self.failures]))
        return {name: describe(self.seconds[name]) | {"failures": self.failures[name]} for name in names}


def describe(values):
    if not values:
        return {"count": 0}
    ordered = sorted(values)
    return {
        "count": len(ordered),
        "minimum": ordered[0],
        "median": statistics.median(ordered),
        "p95": ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))],
        "p99": ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))],
        "maximum": ordered[-1],
        "values": values,
    }


def first_line(command):
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=30).stdout.splitlines()[0]
    except (OSError, IndexError, subprocess.TimeoutExpired):
        return None


def isolation_of(daemon):
    """kvm or tcg, and why, as the daemon's log has it."""
    found = re.findall(r"the host was probed isolation=(.*?) qemu=", daemon.log())
    return found[-1] if found else None


def file_system_of(path):
    """Its type and device, as /proc/mounts has them."""
    mounts = [line.split() for line in open("/proc/mounts")]
    fitting = [mount for mount in mounts if path.is_relative_to(mount[1])]
    device, _, kind = max(fitting, key=lambda mount: len(mount[1]))[:3]
    return f"{kind} on {device}"


def fingerprint(root, build_dir):
    """What all figures depend on."""
    cpu = [line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")]
    memory = next(line.split()[1] for line in open("/proc/meminfo") if line.startswith("MemTotal"))
    return {
        "processor": cpu[0] if cpu else platform.processor(),
        "processors": os.cpu_count(),
        "memory_kib": int(memory),
        "kernel": platform.release(),
        "qemu": first_line(["qemu-system-x86_64", "--version"]),
        "runc": first_line(["runc", "--version"]),
        "commit": first_line(["git", "-C", root, "describe", "--always", "--dirty"]),
        "build": build_dir.name,
        "load_average": os.getloadavg(),
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


def daemon_facts(machine):
    """What figures depend on that are of VMs."""
    return {
        "isolation": isolation_of(machine.daemon),
        "daemon": " ".join(pathlib.Path(f"/proc/{machine.daemon.pid}/cmdline").read_text().split("\0")[1:]).strip(),
        "file_system": file_system_of(machine.daemon.data_dir.resolve()),
    }


class Goal:
    """What a figure should be: a goal to strain for, or a bound whose miss is a failure of the run."""

    def __init__(self, what, value, limit, unit, bound=False):
        self.what, self.value, self.limit, self.unit, self.bound = what, value, limit, unit, bound

    @property
    def reached(self):
        return self.value is not None and self.value <= self.limit

    def record(self):
        names = ("what", "value", "limit", "unit", "bound", "reached")
        return {name: getattr(self, name) for name in names}

    def line(self):
        value = "not measured" if self.value is None else f"{self.value:.4g} {self.unit}"
        verdict = "reached" if self.reached else "MISSED" if self.bound else "missed"
        return f"  {self.what:<62} {value:>16}  <= {self.limit:.4g} {self.unit:<6} {verdict}"


def table(operations):
    """The lines of a readable table of Series.summary()."""
    lines = [f"  {'':<44} {'p50':>11} {'p95':>11} {'p99':>11} {'max':>11}    of  failed"]
    for name, values in operations.items():
        if values["count"]:
            numbers = " ".join(f"{values[key] * 1000:8.1f} ms" for key in ("median", "p95", "p99", "maximum"))
        else:
            numbers = " ".join(f"{'-':>11}" for _ in range(4))
        lines.append(f"  {name:<44} {numbers}  {values['count']:>4}  {len(values['failures']):>3}")
    return lines


def markdown(result):
    """All that was measured, as the tables of docs/performance.md."""
    yield "| milliseconds | p50 | p95 | p99 | max | of | failed |"
    yield "|---|---|---|---|---|---|---|"
    for name, values in result["operations"].items():
        numbers = [f"{values[key] * 1000:,.0f}" if values["count"] else "-" for key in ("median", "p95", "p99", "maximum")]
        yield f"| {name} | {' | '.join(numbers)} | {values['count']} | {len(values['failures'])} |"
    yield ""
    yield "| figure | |"
    yield "|---|---|"
    for section in result.values():
        for name, value in section.get("figures", {}).items() if isinstance(section, dict) else []:
            yield f"| {name} | {'none' if value is None else f'{value:,.0f}'} |"
    for name, found in result["breakdown"].items():
        yield ""
        yield f"| {name} ({found['operations']}) | p50 ms | p99 ms | in |"
        yield "|---|---|---|---|"
        for row in found["steps"]:
            yield f"| {'&emsp;' * (row['depth'] - 1)}{row['step']} | {row['median_ms']:.1f} | {row['p99_ms']:.1f} | {row['count']} |"
