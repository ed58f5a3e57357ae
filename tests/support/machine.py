# SPDX-License-Identifier: Apache-2.0
"""What a demo, a test or a benchmark does with a daemon, through boto3: images from directories, VMs, requests to endpoints.

Runs under the Python of a virtual environment that has boto3 (support.clients.run_with).
"""

import http.client
import json
import pathlib
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request

import boto3
import botocore.auth
import botocore.awsrequest
import botocore.config

from .pack import zip_directory

POLL_SECONDS = 0.05
BUILD_SECONDS = 900
ROLE = "arn:aws:iam::000000000000:role/dormouse-build"
# Sleeps when told to or after an hour, and is woken by traffic.
WAKES = {"maxIdleDurationSeconds": 3600, "suspendedDurationSeconds": 3600, "autoResumeEnabled": True}


class BuildFailed(Exception):
    pass


class Refused(Exception):
    """What one of Dormouse's own operations answered instead of a success."""

    def __init__(self, status, message):
        super().__init__(f"{status}: {message}")
        self.status = status
        self.message = message


class Ended(Exception):
    """A VM is terminated although nobody ended it."""


class Machine:
    """A daemon seen through the official client: only endpoint, region and credentials are set."""

    def __init__(self, daemon):
        key, secret = daemon.credentials
        self.daemon = daemon
        self.session = boto3.session.Session(key, secret, region_name=daemon.region)
        options = botocore.config.Config(retries={"total_max_attempts": 1}, connect_timeout=10, read_timeout=120, proxies={})
        self.microvms = self.session.client("lambda-microvms", endpoint_url=daemon.url, config=options)
        self.s3 = self.session.client("s3", endpoint_url=daemon.url, config=options)
        self.sts = self.session.client("sts", endpoint_url=daemon.url, config=options)
        self.tls = ssl.create_default_context(cafile=daemon.ca)

    @property
    def base_arn(self):
        return f"arn:aws:lambda:{self.daemon.region}:aws:microvm-image:debian12-1"

    # --- images -----------------------------------------------------------------------------------------------------

    def upload(self, directory, key, bucket="artifacts"):
        """Puts a directory's zip into a bucket; its s3:// URI."""
        if bucket not in [b["Name"] for b in self.s3.list_buckets()["Buckets"]]:
            self.s3.create_bucket(Bucket=bucket)
        self.s3.put_object(Bucket=bucket, Key=key, Body=zip_directory(directory))
        return f"s3://{bucket}/{key}"

    def begin_image(self, name, directory, memory_mib=512, hooks=("ready", "validate", "run", "resume"), **more):
        """Starts a build; the ARN."""
        image_hooks = {}
        vm_hooks = {}
        for hook in hooks:
            target = image_hooks if hook in ("ready", "validate") else vm_hooks
            target[hook] = "ENABLED"
            target[f"{hook}TimeoutInSeconds"] = 300 if hook in ("ready", "validate") else 20
        request = {
            "name": name,
            "baseImageArn": self.base_arn,
            "buildRoleArn": ROLE,
            "codeArtifact": {"uri": self.upload(directory, f"{name}.zip")},
            "resources": [{"minimumMemoryInMiB": memory_mib}],
        }
        if hooks:
            request["hooks"] = {"port": 9000}
            if image_hooks:
                request["hooks"]["microvmImageHooks"] = image_hooks
            if vm_hooks:
                request["hooks"]["microvmHooks"] = vm_hooks
        return self.microvms.create_microvm_image(**(request | more))["imageArn"]

    def finish_image(self, arn, seconds=BUILD_SECONDS):
        """Waits until the build has ended; the version's record. BuildFailed with the reason."""
        deadline = time.monotonic() + seconds
        while True:
            state = self.microvms.get_microvm_image(imageIdentifier=arn)["state"]
            if state in ("CREATED", "UPDATED"):
                return self.microvms.get_microvm_image_version(imageIdentifier=arn, imageVersion="1.0")
            if state not in ("CREATING", "UPDATING") or time.monotonic() > deadline:
                builds = self.microvms.list_microvm_image_builds(imageIdentifier=arn, imageVersion="1.0")["items"]
                reasons = "; ".join(build.get("stateReason") or build["buildState"] for build in builds)
                raise BuildFailed(f"{arn} is {state}: {reasons}")
            time.sleep(0.25)

    def watch_image(self, arn, seconds=BUILD_SECONDS):
        """Like finish_image(), but answers how long each phase of the build took: {"container": 12.3, ...}."""
        phases = {}
        current = None
        begun = time.monotonic()
        deadline = begun + seconds
        build_id = None
        while time.monotonic() < deadline:
            if build_id is None:
                items = self.microvms.list_microvm_image_builds(imageIdentifier=arn, imageVersion="1.0")["items"]
                build_id = items[0]["buildId"] if items else None
                continue
            label = urllib.parse.quote(arn, safe="")
            build = self.extension(f"/dormouse/2026-11-01/images/{label}/versions/1.0/builds/{build_id}")
            now = time.monotonic()
            phase = build.get("phase") if build["buildState"] == "IN_PROGRESS" else None
            if phase != current:
                if current:
                    phases[current] = now - begun
                current, begun = phase, now
            if build["buildState"] in ("SUCCESSFUL", "FAILED"):
                self.finish_image(arn)
                return phases
            time.sleep(0.02)
        raise TimeoutError(f"{arn} is not built after {seconds} s")

    def extension(self, path, method="GET", value=None, timeout=120):
        """The answer of one of Dormouse's own routes, signed like any other request; Refused when it is no success."""
        body = None if value is None else json.dumps(value).encode()
        headers = {"Content-Type": "application/json"} if body else {}
        request = botocore.awsrequest.AWSRequest(method, self.daemon.url + path, data=body, headers=headers)
        credentials = self.session.get_credentials().get_frozen_credentials()
        botocore.auth.SigV4Auth(credentials, "lambda", self.daemon.region).add_auth(request)
        prepared = request.prepare()
        asked = urllib.request.Request(prepared.url, data=body, headers=dict(prepared.headers), method=method)
        try:
            with urllib.request.urlopen(asked, timeout=timeout) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise Refused(error.code, json.load(error).get("message", "")) from error

    def build(self, arn, version="1.0"):
        """The record of the version's only build."""
        items = self.microvms.list_microvm_image_builds(imageIdentifier=arn, imageVersion=version)["items"]
        return self.microvms.get_microvm_image_build(imageIdentifier=arn, imageVersion=version, buildId=items[0]["buildId"])

    def delete_image(self, arn, seconds=60):
        self.microvms.delete_microvm_image(imageIdentifier=arn)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            try:
                self.microvms.get_microvm_image(imageIdentifier=arn)
            except self.microvms.exceptions.ResourceNotFoundException:
                return
            time.sleep(POLL_SECONDS)
        raise TimeoutError(f"{arn} is not gone after {seconds} s")

    # --- VMs --------------------------------------------------------------------------------------------------------

    def run(self, arn, wait=True, **more):
        """Launches a VM; a Vm."""
        vm = Vm(self, self.microvms.run_microvm(imageIdentifier=arn, **more))
        if wait:
            vm.wait_for("RUNNING")
        return vm

    def vms(self):
        items = []
        for page in self.microvms.get_paginator("list_microvms").paginate():
            items += page["items"]
        return items


class Vm:
    def __init__(self, machine, record):
        self.machine = machine
        self.id = record["microvmId"]
        self.endpoint = record["endpoint"]  # host name, and the port unless 443
        self._token = None
        self._connection = None

    def record(self):
        return self.machine.microvms.get_microvm(microvmIdentifier=self.id)

    def state(self):
        return self.record()["state"]

    def wait_for(self, state, seconds=120):
        """Waits until the VM is in `state`; Ended with its reason when it is terminated instead."""
        deadline = time.monotonic() + seconds
        while True:
            record = self.record()
            if record["state"] == state:
                return record
            if record["state"] == "TERMINATED":
                raise Ended(f"{self.id} is terminated: {record.get('stateReason')}")
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.id} is {record['state']}, not {state}, after {seconds} s")
            time.sleep(POLL_SECONDS / 20)

    def suspend(self, wait=True):
        self.machine.microvms.suspend_microvm(microvmIdentifier=self.id)
        if wait:
            self.wait_for("SUSPENDED")

    def resume(self, wait=True):
        self.machine.microvms.resume_microvm(microvmIdentifier=self.id)
        if wait:
            self.wait_for("RUNNING")

    def terminate(self, wait=True):
        self.close()
        self.machine.microvms.terminate_microvm(microvmIdentifier=self.id)
        if wait:
            self.wait_for("TERMINATED")

    def fork(self, count=1, wait=True, **more):
        """VMs that go on from what this one is."""
        path = f"/dormouse/2026-11-01/microvms/{self.id}/fork"
        answer = self.machine.extension(path, "POST", {"count": count} | more)
        children = [Vm(self.machine, record) for record in answer["items"]]
        if wait:
            for child in children:
                child.wait_for("RUNNING")
        return children

    def checkpoint(self, name=None):
        """The record of a checkpoint of it, made now."""
        value = {"name": name} if name else {}
        return self.machine.extension(f"/dormouse/2026-11-01/microvms/{self.id}/checkpoints", "POST", value)

    def rollback(self, checkpoint, wait=True):
        """Goes back to one of its checkpoints, by id or name."""
        state = self.state()
        value = {"checkpointIdentifier": checkpoint}
        self.machine.extension(f"/dormouse/2026-11-01/microvms/{self.id}/rollback", "POST", value)
        if wait:
            self.wait_for(state)

    def token(self, ports=({"allPorts": {}},), minutes=30):
        answer = self.machine.microvms.create_microvm_auth_token(
            microvmIdentifier=self.id, expirationInMinutes=minutes, allowedPorts=list(ports)
        )
        return answer["authToken"]["X-aws-proxy-auth"]

    def close(self):
        if self._connection:
            self._connection.close()
            self._connection = None

    def connect(self, timeout=120):
        """A new TLS connection to the endpoint by its name, verified against the daemon's CA."""
        host, _, port = self.endpoint.partition(":")
        return http.client.HTTPSConnection(host, int(port or 443), timeout=timeout, context=self.machine.tls)

    def request(self, method="GET", path="/", value=None, headers=None, timeout=120):
        """(status, body as text) of one request over a connection of its own."""
        if self._token is None:
            self._token = self.token()
        connection = self.connect(timeout)
        try:
            body = None if value is None else json.dumps(value)
            connection.request(method, path, body, {"X-aws-proxy-auth": self._token} | (headers or {}))
            answer = connection.getresponse()
            return answer.status, answer.read().decode(errors="replace")
        finally:
            connection.close()

    def json(self, method="GET", path="/", value=None, timeout=120):
        """The JSON that a request is answered with, which must be a success."""
        status, text = self.request(method, path, value, timeout=timeout)
        if status != 200:
            raise AssertionError(f"{method} {path} of {self.id}: {status} {text[:300]}")
        return json.loads(text)

    def vmm(self):
        """(pid, resident KiB) of the VM's QEMU process, None when there is none."""
        return vmm_processes(self.machine.daemon).get(self.id)


def vmm_processes(daemon):
    """microvm id -> (pid, resident KiB) of the QEMU processes of a daemon's VMs.

    A process belongs to a VM when its command line, a file it has open or its working directory names the VM.
    """
    found = {}
    names = {path.name for path in (daemon.data_dir / "microvms").glob("microvm-*")}
    for entry in pathlib.Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            if not (entry / "comm").read_text().startswith("qemu"):
                continue
            text = (entry / "cmdline").read_text(errors="replace") + str((entry / "cwd").readlink())
            text += "".join(str(link.readlink()) for link in (entry / "fd").iterdir())
            status = (entry / "status").read_text()
        except OSError:
            continue
        resident = int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS:")))
        for name in names:
            if name in text:
                found[name] = (int(entry.name), resident)
    return found
