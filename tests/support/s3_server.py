# SPDX-License-Identifier: Apache-2.0
"""The S3 subset alone, over a directory of its own: dm_s3_test_server of the build directory (DORMOUSE_BUILD_DIR, else build/dev).

Runs under the Python of a virtual environment that has boto3 (support.clients.run_with).
"""

import configparser
import os
import pathlib
import subprocess

import boto3
import botocore.config

from .daemon import ROOT, find_program

BUILD = pathlib.Path(os.environ.get("DORMOUSE_BUILD_DIR", ROOT / "build/dev"))


class S3Server:
    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.start()
        file = configparser.ConfigParser(interpolation=None)
        file.read(self.directory / "credentials")
        self.key = file["default"]["aws_access_key_id"]
        self.secret = file["default"]["aws_secret_access_key"]

    def start(self):
        program = find_program(BUILD, "dm_s3_test_server")
        self.process = subprocess.Popen([program, self.directory], stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline())
        self.url = f"http://127.0.0.1:{self.port}"

    def stop(self):
        self.process.terminate()
        code = self.process.wait(30)
        self.process.stdout.close()
        return code

    def kill(self):
        self.process.kill()
        self.process.wait(30)
        self.process.stdout.close()

    def memory(self):
        """{"VmRSS": bytes now, "VmHWM": bytes at most so far} of the process, as far as /proc tells."""
        try:
            lines = pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        except OSError:
            return {}
        fields = (line.split() for line in lines if line.startswith(("VmRSS:", "VmHWM:")))
        return {name.rstrip(":"): int(kibibytes) << 10 for name, kibibytes, _ in fields}

    def is_sanitized(self):
        return b"libasan" in pathlib.Path(f"/proc/{self.process.pid}/maps").read_bytes()

    def client(self, key=None, secret=None, url=None, **config):
        return boto3.client(
            "s3",
            endpoint_url=url or self.url,
            region_name="us-east-1",
            aws_access_key_id=key or self.key,
            aws_secret_access_key=secret or self.secret,
            config=botocore.config.Config(retries={"total_max_attempts": 1}, **config),
        )

    def environment(self):
        environment = dict(os.environ)
        environment.update(
            AWS_ENDPOINT_URL=self.url,
            AWS_REGION="us-east-1",
            AWS_ACCESS_KEY_ID=self.key,
            AWS_SECRET_ACCESS_KEY=self.secret,
            AWS_CONFIG_FILE="/dev/null",
            AWS_SHARED_CREDENTIALS_FILE="/dev/null",
            AWS_EC2_METADATA_DISABLED="true",
            AWS_PAGER="",
        )
        return environment
