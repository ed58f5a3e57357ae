# SPDX-License-Identifier: Apache-2.0
"""A dormoused of its own for tests, the demo and the benchmarks: on free ports, over a data directory that goes with it."""

import atexit
import configparser
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
SHARED = "DORMOUSE_TEST_DAEMON"  # environment variable: the description of a daemon that several suites use
READY_SECONDS = 1200  # the managed base image may have to be made first
STOP_SECONDS = 60


class DaemonError(Exception):
    pass


def free_ports(count):
    """Ports that are free on 127.0.0.1 and ::1 alike now."""
    ports = []
    while len(ports) < count:
        with socket.socket(socket.AF_INET) as four, socket.socket(socket.AF_INET6) as six:
            four.bind(("127.0.0.1", 0))
            port = four.getsockname()[1]
            try:
                six.bind(("::1", port))
            except OSError as error:
                if error.errno == 98:  # EADDRINUSE; a machine without IPv6 is no obstacle
                    continue
            if port not in ports:
                ports.append(port)
    return ports


def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
            return True
    except OSError:
        return False


def clean_environment():
    """The environment without what could send an AWS client elsewhere or make it trust something else."""
    dropped = ("AWS_", "SSL_CERT", "REQUESTS_CA", "CURL_CA", "NODE_EXTRA_CA")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(dropped)}
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        environment.pop(name, None)
    environment["no_proxy"] = "localhost,.localhost,127.0.0.1,::1"
    return environment


class Daemon:
    """A daemon and how to reach it. Made by start() or shared()."""

    def __init__(self, description):
        self.api = description["api"]  # host:port
        self.endpoint = description["endpoint"]
        self.data_dir = pathlib.Path(description["data_dir"])
        self.build_dir = pathlib.Path(description["build_dir"])
        self.region = description["region"]
        self.pid = description["pid"]
        self._process = None
        self._own_data_dir = False
        self._before = None

    # --- making one -------------------------------------------------------------------------------------------------

    @classmethod
    def start(cls, build_dir, data_dir=None, arguments=(), wait=True, progress=None):
        build_dir = pathlib.Path(build_dir).resolve()
        binary = find_program(build_dir, "dormoused")
        own = data_dir is None
        if own:
            data_dir = tempfile.mkdtemp(prefix="dormouse-")
        before = machine_state()
        api, endpoint = free_ports(2)
        daemon = cls(
            {
                "api": f"127.0.0.1:{api}",
                "endpoint": f"127.0.0.1:{endpoint}",
                "data_dir": str(data_dir),
                "build_dir": str(build_dir),
                "region": "us-east-1",
                "pid": 0,
            }
        )
        daemon._own_data_dir = own
        daemon._before = before
        daemon._arguments = list(arguments)
        daemon._binary = binary
        atexit.register(daemon._stop_if_it_runs)
        daemon.launch()
        if wait:
            try:
                daemon.wait_ready(progress=progress)
            except BaseException:
                daemon.stop(keep=True)
                raise
        return daemon

    def launch(self):
        """Starts the process over the data directory: also after stop() or kill()."""
        log = open(self.data_dir / "daemon.log", "ab")
        endpoints = ["--endpoint", self.endpoint]
        if has_ipv6():  # names under .localhost are ::1 first
            endpoints += ["--endpoint", f"[::1]:{self.endpoint_port}"]
        # The long way back from a suspension, over the files, is what most tests are about: kept processes have a suite of their own.
        keep = [] if "--keep-suspended" in self._arguments else ["--keep-suspended", "0"]
        self._process = subprocess.Popen(
            [self._binary, "--data-dir", self.data_dir, "--api", self.api, *endpoints, "--region", self.region]
            + keep
            + self._arguments,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=clean_environment(),
            start_new_session=True,
        )
        log.close()
        self.pid = self._process.pid

    @staticmethod
    def default_build_dir():
        """Where the programs under test are: of the shared daemon's build, else what the environment names."""
        path = os.environ.get(SHARED)
        if path:
            return pathlib.Path(json.loads(pathlib.Path(path).read_text())["build_dir"])
        return pathlib.Path(os.environ.get("DORMOUSE_BUILD_DIR", ROOT / "build/dev"))

    @classmethod
    def shared(cls, build_dir=None):
        """The daemon that tests/run started, or one of the caller's own where a suite is run by hand."""
        path = os.environ.get(SHARED)
        if path:
            return cls(json.loads(pathlib.Path(path).read_text()))
        return cls.start(build_dir or cls.default_build_dir())

    def describe(self):
        return {
            "api": self.api,
            "endpoint": self.endpoint,
            "data_dir": str(self.data_dir),
            "build_dir": str(self.build_dir),
            "region": self.region,
            "pid": self.pid,
        }

    # --- using it ---------------------------------------------------------------------------------------------------

    @property
    def url(self):
        return f"http://{self.api}"

    @property
    def endpoint_port(self):
        return int(self.endpoint.rsplit(":", 1)[1])

    @property
    def ca(self):
        return str(self.data_dir / "ca.pem")

    @property
    def credentials(self):
        """The access key and the secret key of the profile `default`."""
        parser = configparser.ConfigParser()
        parser.read(self.data_dir / "credentials")
        return parser["default"]["aws_access_key_id"], parser["default"]["aws_secret_access_key"]

    def environment(self):
        """What an AWS client needs: endpoint, region, credentials, and nothing else."""
        key, secret = self.credentials
        environment = clean_environment()
        environment.update(
            AWS_ENDPOINT_URL=self.url,
            AWS_REGION=self.region,
            AWS_DEFAULT_REGION=self.region,
            AWS_ACCESS_KEY_ID=key,
            AWS_SECRET_ACCESS_KEY=secret,
            AWS_EC2_METADATA_DISABLED="true",
            AWS_CONFIG_FILE="/dev/null",
            AWS_SHARED_CREDENTIALS_FILE="/dev/null",
        )
        return environment

    def log(self):
        try:
            return (self.data_dir / "daemon.log").read_text(errors="replace")
        except FileNotFoundError:
            return ""

    def healthy(self):
        """None when /healthz answers 200, else why not."""
        try:
            with urllib.request.urlopen(f"{self.url}/healthz", timeout=10) as answer:
                answer.read()
                return None
        except urllib.error.HTTPError as error:
            text = error.read().decode(errors="replace").strip()
            try:
                return json.loads(text)["reason"]
            except (ValueError, KeyError, TypeError):
                return text or f"HTTP {error.code}"
        except OSError as error:
            return f"no answer: {getattr(error, 'reason', error)}"

    def wait_ready(self, seconds=READY_SECONDS, progress=None):
        """Returns once a VM can be launched. `progress` is called with each new reason why not yet."""
        deadline = time.monotonic() + seconds
        last = None
        while True:
            reason = self.healthy()
            if reason is None:
                return
            if self._process and self._process.poll() is not None:
                raise DaemonError(f"dormoused ended with {self._process.returncode}:\n{self._log_tail()}")
            if reason != last and progress and not reason.startswith("no answer"):
                progress(reason)
            last = reason
            if time.monotonic() > deadline:
                raise DaemonError(f"not ready after {seconds} s: {reason}\n{self._log_tail()}")
            time.sleep(0.2)

    # --- ending it --------------------------------------------------------------------------------------------------

    def terminate_vms(self):
        """Ends the VMs, so that stopping the daemon leaves none behind."""
        tool = find_program(self.build_dir, "dormouse")
        subprocess.run(
            [tool, "--endpoint", self.url, "--data-dir", self.data_dir, "vm", "terminate", "--all"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=STOP_SECONDS * 2,
            env=clean_environment(),
        )

    def kill(self):
        self._process.kill()
        self._process.wait()

    def shut_down(self):
        """SIGTERM: what is under way is finished, VMs run on."""
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            raise DaemonError(f"dormoused did not end within {STOP_SECONDS} s of SIGTERM:\n{self._log_tail()}")

    def restart(self, arguments=None):
        """Another daemon over the same data directory, after this one has finished what was under way.

        With `arguments` in place of those that start() was given, which are returned.
        """
        before = self._arguments
        self.shut_down()
        self._arguments = list(before if arguments is None else arguments)
        self.launch()
        self.wait_ready()
        return before

    def _stop_if_it_runs(self):
        if self._process and self._process.poll() is None:
            self.stop()

    def stop(self, keep=False):
        """Ends VMs and daemon and returns what they left on the machine, which should be nothing.

        The data directory goes too if start() made it, unless `keep`.
        """
        problems = []
        if self._process and self._process.poll() is None:
            try:
                if self.healthy() is None:
                    self.terminate_vms()
                self.shut_down()
            except (DaemonError, subprocess.TimeoutExpired) as error:
                problems.append(str(error))
        # kill() is the tests' own doing; anything else is a crash, or what a sanitizer found.
        if self._process and self._process.returncode not in (0, -signal.SIGKILL):
            problems.append(f"dormoused ended with {self._process.returncode}:\n{self._log_tail()}")
        problems += self.leftovers()
        if self._own_data_dir and not keep:
            shutil.rmtree(self.data_dir, ignore_errors=True)
        return problems

    def leftovers(self):
        """Processes, namespaces, links and mounts that were not there before start() or that name our data directory."""
        found = []
        for pid, command in processes_naming(str(self.data_dir)):
            found.append(f"process {pid}: {command[:160]}")
        if self._before:
            after = machine_state()
            for kind, names in after.items():
                found += [f"{kind} {name}" for name in sorted(names - self._before[kind])]
        return found

    def _log_tail(self):
        return "\n".join(self.log().splitlines()[-30:])


def find_program(build_dir, name):
    for path in (pathlib.Path(build_dir) / "bin" / name, *pathlib.Path(build_dir).glob(f"src/*/{name}")):
        if path.is_file() and os.access(path, os.X_OK):
            return path
    raise DaemonError(f"no {name} in {build_dir}: run `make build` first")


def processes_naming(text):
    """Processes whose command line contains `text`, but not this one."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
        except OSError:
            continue
        if text in command:
            found.append((int(entry.name), command))
    return found


def is_empty_group(path):
    """Whether a control group has no processes. What has some is theirs, and may be another daemon's."""
    try:
        return not (path / "cgroup.procs").read_text()
    except OSError:  # gone meanwhile, or no group
        return False


def machine_state():
    """What a daemon could leave behind outside of its data directory."""
    mounts = set()
    for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines():
        point = line.split()[4]
        if "dormouse" in point:
            mounts.add(point)
    namespaces = pathlib.Path("/run/netns")
    cgroups = pathlib.Path("/sys/fs/cgroup")
    return {
        "network namespace": {p.name for p in namespaces.iterdir() if "dormouse" in p.name} if namespaces.is_dir() else set(),
        "link": {p.name for p in pathlib.Path("/sys/class/net").iterdir() if p.name.startswith(("dm", "tap", "dormouse"))},
        "mount": mounts,
        "cgroup": {str(p) for p in cgroups.glob("**/*dormouse*") if is_empty_group(p)} if cgroups.is_dir() else set(),
        "loop device": {p.name for p in pathlib.Path("/sys/block").glob("loop*/loop")},
    }
