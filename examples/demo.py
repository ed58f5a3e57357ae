#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The main job, step by step, through boto3: what `make demo` runs.

    examples/demo.py [--build-dir build/release]

Starts a daemon over a new data directory, makes two images, launches three VMs of each, shows that state is kept in each and
shared by none, puts them to sleep, shows that their memory is gone, wakes them by a request, and stops what it started.
"""

import argparse
import concurrent.futures
import pathlib
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
from tests.support import clients  # noqa: E402
from tests.support import daemon as support  # noqa: E402

VMS_EACH = 3
MEMORY_MIB = 512
WORDS = ["amber", "birch", "cedar"]


class Demo:
    def __init__(self):
        self.started = time.monotonic()
        self.times = {}  # row -> list of seconds

    def say(self, text):
        """A step begins; the first column, `at`, is the time since the demo's start."""
        print(f"{time.monotonic() - self.started:7.2f} s  {text}", flush=True)

    def detail(self, text):
        print(f"           {text}", flush=True)

    def timed(self, row, action):
        begun = time.monotonic()
        result = action()
        self.times.setdefault(row, []).append(time.monotonic() - begun)
        return result

    def check(self, truth, text):
        if not truth:
            raise AssertionError(text)


def table(demo):
    """The middle one of the times measured for each row, and how many there were."""
    rows = sorted(demo.times.items(), key=lambda row: ("daemon build cold launch suspend wake".split().index(row[0].split()[0])))
    print(f"\n  {'':<46} {'median':>9}   {'from .. to':<12} of")
    for row, seconds in rows:
        ordered = sorted(seconds)
        median = ordered[len(ordered) // 2]
        spread = f"{ordered[0]:.2f} .. {ordered[-1]:.2f}" if len(ordered) > 1 else ""
        print(f"  {row:<46} {median:7.2f} s   {spread:<12} {len(ordered):>2}")


def stage(directory):
    """The build contexts, apart from the source tree: the corpus is written into a copy."""
    contexts = {}
    for name in ("code-interpreter", "retriever"):
        target = pathlib.Path(directory) / name
        target.mkdir()
        for path in (ROOT / "examples" / name).iterdir():
            if path.is_file() and path.name not in ("prepare", "README.md", "corpus.jsonl"):
                (target / path.name).write_bytes(path.read_bytes())
        contexts[name] = target
    return contexts


def prepare_corpus(demo, target):
    done = subprocess.run([ROOT / "examples/retriever/prepare", target], capture_output=True, text=True, timeout=300)
    if done.returncode != 0:
        subprocess.run(["apt-get", "update", "-q"], capture_output=True, timeout=300, check=False)
        done = subprocess.run([ROOT / "examples/retriever/prepare", target], capture_output=True, text=True, timeout=300, check=True)
    demo.detail(done.stdout.strip().rsplit(" in ", 1)[0] + " from apt-cache")


def build_images(demo, machine, contexts):
    arns = {}
    for name, context in contexts.items():
        demo.say(f"image {name}: Dockerfile -> memory snapshot")
        arns[name], phases = demo.timed(f"build {name}", lambda: build_one(machine, name, context))
        # A build boots the finished image in a fresh guest of the same size and waits for its first 200.
        demo.times[f"cold boot {name} to first 200"] = [phases["application"]]
        sizes = machine.build(arns[name]).get("snapshotBuild", {})
        demo.detail(f"{arns[name]}")
        demo.detail(
            f"snapshot: memory {sizes.get('memorySnapshotSizeInBytes', 0) / 1e6:.0f} MB, "
            f"container {sizes.get('codeInstallSizeInBytes', 0) / 1e6:.0f} MB"
        )
    return arns


def build_one(machine, name, context):
    arn = machine.begin_image(name, context, MEMORY_MIB)
    return arn, machine.watch_image(arn)


def launch(demo, machine, arns):
    """VMS_EACH of each image; each is timed from the call to the first 200."""
    from tests.support.machine import WAKES

    vms = {}
    for name, arn in arns.items():
        demo.say(f"launching {VMS_EACH} VMs of {name}")
        vms[name] = []
        for _ in range(VMS_EACH):

            def to_first_answer():
                vm = machine.run(arn, idlePolicy=WAKES)
                vm.json("GET", "/")
                return vm

            vms[name].append(demo.timed(f"launch {name} to first 200", to_first_answer))
        for vm in vms[name]:
            demo.detail(f"https://{vm.endpoint}")
    return vms


def execute(vm, code):
    answer = vm.json("POST", "/execute", {"code": code})
    if answer["exception"]:
        raise AssertionError(answer["exception"]["traceback"])
    return answer["result"]


def write_state(demo, vms):
    demo.say("code-interpreter: a variable and a file in each VM")
    for word, vm in zip(WORDS, vms["code-interpreter"]):
        execute(vm, f"word = {word!r}\nopen('word.txt', 'w').write(word)\nword")
    demo.say("retriever: the index was in memory before any VM existed")
    for query, vm in zip(("web server", "spreadsheet", "chess game"), vms["retriever"]):
        answer = vm.json("GET", f"/search?q={query.replace(' ', '+')}&limit=3")
        names = ", ".join(result["name"] for result in answer["results"])
        demo.check(answer["results"], f"nothing found for {query}")
        demo.detail(f"'{query}' in {answer['documents']} documents, {answer['milliseconds']} ms: {names}")


def read_state(demo, vms):
    for word, vm in zip(WORDS, vms["code-interpreter"]):
        found = execute(vm, "word, open('word.txt').read()")
        demo.check(found == repr((word, word)), f"{vm.id} holds {found}, not {word}")
    demo.detail(f"kept, and each has its own: {', '.join(WORDS)}")


def suspend(demo, machine, vms):
    everyone = [vm for group in vms.values() for vm in group]
    before = [vm.vmm() for vm in everyone]
    demo.check(all(before), "a running VM has no VMM process")
    demo.say(f"suspending all {len(everyone)}: now {sum(kib for _, kib in before) / 1024:.0f} MiB resident in {len(before)} VMMs")
    for name, group in vms.items():
        for vm in group:
            demo.timed(f"suspend {name}", vm.suspend)
    after = [vm.vmm() for vm in everyone]
    demo.check(not any(after), f"suspended VMs still have processes: {after}")
    written = sum(
        path.stat().st_blocks * 512
        for vm in everyone
        for path in (machine.daemon.data_dir / "microvms" / vm.id).rglob("*")
        if path.is_file()
    )
    demo.detail(f"no VMM left, 0 MiB resident; on disk {written / 1e6:.1f} MB for all {len(everyone)}")


def wake(demo, vms):
    demo.say("a request to each wakes it")
    for name, group in vms.items():
        for vm in group:
            path = "/" if name == "code-interpreter" else "/search?q=kernel&limit=1"
            demo.timed(f"wake {name} by a request, to its 200", lambda: vm.json("GET", path))
    read_state(demo, vms)


def wake_together(demo, vms):
    """Requests that come at once to a sleeping VM: all are held and answered."""
    vm = vms["code-interpreter"][0]
    vm.suspend()
    demo.say("eight requests at once to one sleeping VM")
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: vm.request("GET", "/")[0], range(8)))
    demo.check(answers == [200] * 8, f"answers were {answers}")
    demo.detail("eight times 200")


def run(demo, build_dir):
    from tests.support.machine import Machine

    print(f"{'at':>9}  step")
    demo.say("starting dormoused over an empty data directory")
    daemon = support.Daemon.start(build_dir, wait=False)
    try:
        demo.timed("daemon ready", lambda: daemon.wait_ready(progress=demo.detail))
        machine = Machine(daemon)
        with tempfile.TemporaryDirectory() as directory:
            contexts = stage(directory)
            prepare_corpus(demo, contexts["retriever"] / "corpus.jsonl")
            arns = build_images(demo, machine, contexts)
        vms = launch(demo, machine, arns)
        write_state(demo, vms)
        read_state(demo, vms)
        suspend(demo, machine, vms)
        wake(demo, vms)
        wake_together(demo, vms)
        demo.say("ending all VMs, deleting the images")
        for group in vms.values():
            for vm in group:
                vm.terminate()
        for arn in arns.values():
            machine.delete_image(arn)
    except BaseException:
        print("\nthe daemon's last words:\n" + "\n".join(daemon.log().splitlines()[-20:]), file=sys.stderr)
        raise
    finally:
        left = daemon.stop()
    demo.check(not left, "left behind: " + "; ".join(left))
    demo.say("stopped; nothing is left behind")
    table(demo)


def main():
    parser = argparse.ArgumentParser(description="The main job, step by step.")
    parser.add_argument("--build-dir", type=pathlib.Path, default=ROOT / "build/release")
    options = parser.parse_args()
    clients.run_with(ROOT / "examples/requirements.txt")
    try:
        run(Demo(), options.build_dir.resolve())
    except Exception as error:
        print(f"demo: {type(error).__name__}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
