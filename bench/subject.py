# SPDX-License-Identifier: Apache-2.0
"""What the benchmarks measure: a daemon of their own, the image of bench/application, and its processes as the kernel sees them."""

import pathlib
import re
import shutil
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[1]


def build_context():
    """A temporary directory that holds bench/application with the examples' HTTP server."""
    context = tempfile.TemporaryDirectory()
    shutil.copytree(ROOT / "bench/application", context.name, dirs_exist_ok=True)
    shutil.copy(ROOT / "examples/counter/web.py", context.name)
    return context


def processes(data_dir):
    """The pids of all VMMs that work for a data directory: VMs, and what was made ahead of them."""
    mark = f"DORMOUSE_DATA_DIRECTORY={data_dir}".encode()
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and mark in (entry / "environ").read_bytes().split(b"\0"):
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def rollup(pid):
    """Field -> KiB of /proc/PID/smaps_rollup."""
    text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    return {name: int(kib) for name, kib in re.findall(r"^(\w+): +(\d+) kB", text, re.M)}


def private_guest_kib(pid, memory_file):
    """KiB of the guest's memory that a VMM does not share with its template any more.

    One run of addresses holds it: mappings of the template, and anonymous ones where the template has large holes.
    """
    begin = end = None
    total = 0
    inside = False
    for line in open(f"/proc/{pid}/smaps"):
        if mapping := re.match(r"^([0-9a-f]+)-[0-9a-f]+ \S+ ([0-9a-f]+) ", line):
            address, offset = (int(number, 16) for number in mapping.groups())
            if begin is None and line.rstrip().endswith(str(memory_file)):
                begin = address - offset
                end = begin + pathlib.Path(memory_file).stat().st_size
            inside = begin is not None and begin <= address < end
        elif inside and line.startswith("Anonymous:"):
            total += int(line.split()[1])
    return total


def available_kib():
    return next(int(line.split()[1]) for line in open("/proc/meminfo") if line.startswith("MemAvailable"))


def disk_bytes(directory):
    return sum(path.stat().st_blocks * 512 for path in directory.rglob("*") if path.is_file())
