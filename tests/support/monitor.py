# SPDX-License-Identifier: Apache-2.0
"""A VM's QEMU spoken to directly (QMP). Its monitor serves one client at a time: only while there is no daemon."""

import json
import socket
import time

POLL_SECONDS = 0.001
ANSWER_SECONDS = 120


class Monitor:
    def __init__(self, vm):
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(ANSWER_SECONDS)
        self._socket.connect(str(vm.machine.daemon.data_dir / "microvms" / vm.id / "run/qmp.sock"))
        self._lines = self._socket.makefile("rw")
        self._lines.readline()  # the greeting
        self.execute("qmp_capabilities")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._lines.close()
        self._socket.close()

    def execute(self, command, **arguments):
        self._lines.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
        self._lines.flush()
        while True:
            answer = json.loads(self._lines.readline())
            if "error" in answer:
                raise RuntimeError(f"{command}: {answer['error']['desc']}")
            if "return" in answer:
                return answer["return"]

    def job(self, command, **arguments):
        """A command that begins a job, up to the job's end."""
        self.execute(command, **{"job-id": command}, **arguments)
        while True:
            job = next(entry for entry in self.execute("query-jobs") if entry["id"] == command)
            if job["status"] == "concluded":
                self.execute("job-dismiss", id=command)
                if job.get("error"):
                    raise RuntimeError(f"{command}: {job['error']}")
                return
            time.sleep(POLL_SECONDS)
