# SPDX-License-Identifier: Apache-2.0
"""An agent's turn: what it does between two answers of its model. Prints the seconds of each step as JSON."""

import io
import json
import pathlib
import subprocess
import sys
import tarfile
import tempfile
import time

FILES = 300
TESTS = "\n".join(
    ["import unittest", "class Sums(unittest.TestCase):"]
    + [f"    def test_{n}(self):\n        self.assertEqual(sum(range({n})), {n} * ({n} - 1) // 2)" for n in range(200)]
)
IMPORTS = "import asyncio, decimal, email, http.server, json, sqlite3, unittest, urllib.request, xml.etree.ElementTree"


def archive():
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz", compresslevel=1) as tar:
        for number in range(FILES):
            content = (f"line {number} of a source file\n" * 400).encode()
            entry = tarfile.TarInfo(f"project/module_{number}.py")
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return data.getvalue()


def main():
    packed = archive()
    seconds = {}
    with tempfile.TemporaryDirectory() as directory:
        (pathlib.Path(directory) / "test_sums.py").write_text(TESTS)
        steps = {
            "start": lambda: subprocess.run([sys.executable, "-c", ""], check=True),
            "import": lambda: subprocess.run([sys.executable, "-c", IMPORTS], check=True),
            "tests": lambda: subprocess.run(
                [sys.executable, "-m", "unittest", "-q", "test_sums"], cwd=directory, check=True, capture_output=True
            ),
            "unpack": lambda: tarfile.open(fileobj=io.BytesIO(packed)).extractall(directory),
        }
        for name, step in steps.items():
            begun = time.perf_counter()
            step()
            seconds[name] = time.perf_counter() - begun
    print(json.dumps(seconds))


if __name__ == "__main__":
    main()
