# SPDX-License-Identifier: Apache-2.0
"""What lives in a VM while it sleeps and wakes under load: sockets, pipes, a terminal with a shell and its jobs, timers, files."""

import concurrent.futures
import hashlib
import os
import time

from tests.vm.guests import WAKES, eventually, python
from tests.vm.load import Load

CYCLES = int(os.environ.get("DORMOUSE_TEST_ENDURANCE", "40"))  # half of them with processes that are kept
VMS = 4
CLIENTS = 2  # of each VM, all the time
PAUSE_SECONDS = 0.05  # of a client between an answer and its next request
CYCLE_SECONDS = 120
PROGRESS_SECONDS = 60
FILES = 16
BLOCKS = 256  # of 32 bytes: a file

# Each channel carries numbers from a writer to a reader for as long as the VM lives; one that is lost, doubled or out of order is
# noted. The timers tick, and the shell on the terminal has a job that counts and one that stands still.
RESIDENTS = r"""
import ctypes, fcntl, hashlib, os, pty, re, signal, socket, struct, subprocess, sys, termios, threading, time

wrong = []
carried = {}
ticks = {}

def begin(name, work):
    def guarded():
        try:
            work()
        except Exception as error:
            wrong.append(f"{name}: {error!r}")
    threading.Thread(target=guarded, daemon=True).start()

def until(condition, what):
    deadline = time.monotonic() + 60
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} within 60 s; the screen: {bytes(screen[-600:])}")
        time.sleep(0.005)

def carry(name, send, receive):
    carried[name] = 0
    def write():
        number = 0
        while True:
            send(struct.pack("<Q", number))
            number += 1
            time.sleep(0.05)
    def read():
        while True:
            buffer = b""
            while len(buffer) < 8:
                piece = receive(8 - len(buffer))
                if not piece:
                    raise EOFError(f"ended after {carried[name]}")
                buffer += piece
            (number,) = struct.unpack("<Q", buffer)
            if number != carried[name]:
                wrong.append(f"{name} carried {number} in place of {carried[name]}")
            carried[name] = number + 1
    begin(name, write)
    begin(name, read)

def tick(name, ticks_now):
    ticks[name] = 0
    def beat():
        while True:
            ticks[name] += ticks_now()
    begin(name, beat)

tcp_listener = socket.create_server(("127.0.0.1", 0))
unix_listener = socket.socket(socket.AF_UNIX)
unix_listener.bind("/tmp/resident")
unix_listener.listen()

def both_ends(listener):
    client = socket.socket(listener.family)
    client.connect(listener.getsockname())
    server, _ = listener.accept()
    return client, server

tcp, tcp_peer = both_ends(tcp_listener)
unix, unix_peer = both_ends(unix_listener)
read_end, write_end = os.pipe()
carry("loopback TCP", tcp.sendall, tcp_peer.recv)
carry("Unix socket", unix.sendall, unix_peer.recv)
carry("pipe", lambda data: os.write(write_end, data), lambda size: os.read(read_end, size))

# What is bound is found by those who come anew, too.
def dial():
    for listener in (tcp_listener, unix_listener):
        client, server = both_ends(listener)
        client.sendall(b"anew")
        if server.recv(4) != b"anew":
            wrong.append(f"a new connection to {listener.getsockname()} carries something else")
        client.close()
        server.close()

libc = ctypes.CDLL(None)
timer = libc.timerfd_create(time.CLOCK_MONOTONIC, 0)
libc.timerfd_settime(timer, 0, struct.pack("4q", 0, 50_000_000, 0, 50_000_000), None)
tick("timerfd", lambda: struct.unpack("<Q", os.read(timer, 8))[0])
ALARMS = '''
import os, signal
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])
signal.setitimer(signal.ITIMER_REAL, 0.05, 0.05)
while True:
    signal.sigwait([signal.SIGALRM])
    os.write(1, b".")
'''
alarms = subprocess.Popen([sys.executable, "-I", "-S", "-c", ALARMS], stdout=subprocess.PIPE)

def alarms_now():
    told = os.read(alarms.stdout.fileno(), 4096)
    if not told:
        raise EOFError("it ended")
    return len(told)

tick("setitimer of another process", alarms_now)
expired = threading.Semaphore(0)

def arm():
    timer = threading.Timer(0.05, expired.release)
    timer.daemon = True
    timer.start()
    expired.acquire()
    return 1

tick("threading.Timer", arm)

screen = bytearray()
master, slave = pty.openpty()
shell = subprocess.Popen(["sh", "-i"], stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
                         preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0), env={"PS1": "$ ", "PATH": os.environ["PATH"]})

def watch():
    while True:
        screen.extend(os.read(master, 4096))
        del screen[:-65536]

def on_screen(pattern):
    until(lambda: re.search(pattern, screen, re.DOTALL), f"{pattern} was not on the screen")

def foreground():
    return os.tcgetpgrp(master)

begin("terminal", watch)
os.write(master, b"n=0; while :; do n=$((n+1)); echo $n > /tmp/counted; sleep 0.2; done &\n")
os.write(master, b"sleep 99999 & kill -STOP %2; echo be''gun\n")
on_screen(rb"begun\r\n")

def count_of_job():
    try:
        return int(open("/tmp/counted").read() or 0)
    except FileNotFoundError:
        return 0

tick("job of the shell", lambda: time.sleep(0.05) or max(0, count_of_job() - ticks["job of the shell"]))

def write_file(number):
    with open(f"/kept-{number % FILES}", "wb") as file:
        file.write(hashlib.sha256(str(number).encode()).digest() * BLOCKS)
        if (number + number // FILES) % 2:
            file.flush()
            os.fsync(file.fileno())

# Of the file's bytes, from the disk where it has them.
def hash_of(slot):
    with open(f"/kept-{slot}", "rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        return hashlib.sha256(file.read()).hexdigest()

# Right before a sleep: a file, synced or not, and a program in the terminal's foreground.
def lie_down(number):
    write_file(number)
    os.write(master, b"sleep 99999\n")
    until(lambda: foreground() != shell.pid, "no program came to the foreground")
    return [foreground(), dict(carried), dict(ticks)]

# Right after: it is still there, ^C ends it and nothing else, and the terminal shows what is typed and what that answers.
def get_up(number, job):
    if foreground() != job:
        wrong.append(f"{foreground()} is in the terminal's foreground in place of {job}")
    os.write(master, b"\x03")
    until(lambda: foreground() == shell.pid, "the shell is not back in the foreground")
    os.write(master, b"echo %d:$?:$((%d * 3)); jobs; echo told %d\n" % (number, number, number))
    on_screen(rb"echo %d:\$\?:\$\(\(%d \* 3\)\); jobs; echo told %d\r\n" % (number, number, number))
    on_screen(rb"(?<!\d)%d:130:%d\r\n.*\ntold %d\r\n" % (number, number * 3, number))
    jobs = bytes(screen).rsplit(b"%d:130:" % number, 1)[1]
    if not re.search(rb"\[2\] *\+ *Stopped[^\n]*sleep 99999", jobs) or not re.search(rb"\[1\] *-? *Running[^\n]*while", jobs):
        wrong.append(f"cycle {number}: the jobs are {jobs}")
    dial()
    return [hash_of(slot) for slot in range(min(number + 1, FILES))]

result = shell.pid
""".replace("FILES", str(FILES)).replace("BLOCKS", str(BLOCKS))


def hash_of(number):
    """Of what the VM wrote in cycle `number`."""
    return hashlib.sha256(hashlib.sha256(str(number).encode()).digest() * BLOCKS).hexdigest()


def expected_files(number):
    """The hash of each file after cycle `number`: of the last one that wrote it."""
    return [hash_of(number - (number - slot) % FILES) for slot in range(min(number + 1, FILES))]


class Resident:
    """A VM full of what must live on, under load from here on."""

    def __init__(self, test, world, arn):
        self.test = test
        self.world = world
        self.vm = world.run(arn, idlePolicy=WAKES)
        python(self.vm, RESIDENTS)
        self.load = Load(self.vm, CLIENTS, PAUSE_SECONDS)

    def sleep(self):
        """One suspension, out of which the held requests wake it at once: that it slept is seen by its count of resumptions."""
        before = self.world.describe(self.vm)["resumes"]
        self.vm.suspend(wait=False)
        eventually(lambda: self.world.describe(self.vm)["resumes"] > before, CYCLE_SECONDS, f"the wake of {self.vm.id}")
        served = self.load.served()
        eventually(lambda: self.load.served() > served, CYCLE_SECONDS, f"an answer of {self.vm.id}")

    def expect_progress(self, carried, ticks, what):
        """All of the residents have moved on since they were at `carried` and `ticks`, and nothing went wrong."""
        before = carried | ticks
        waited_for = []

        def moved():
            now, wrong, ended = python(self.vm, "result = [carried | ticks, wrong, shell.poll()]")
            self.test.assertEqual((wrong, ended), ([], None), what)
            waited_for[:] = [name for name, count in now.items() if count <= before[name]]
            return not waited_for

        try:
            eventually(moved, PROGRESS_SECONDS, f"{what}: progress")
        finally:
            self.test.assertEqual(waited_for, [], f"{what}: these stand still")

    def live_through(self, cycles):
        try:
            for cycle in range(cycles):
                what = f"cycle {cycle} of {self.vm.id}"
                job, carried, ticks = python(self.vm, f"result = lie_down({cycle})")
                self.sleep()
                self.test.assertEqual(python(self.vm, f"result = get_up({cycle}, {job})"), expected_files(cycle), what)
                self.expect_progress(carried, ticks, what)
                self.test.assertEqual(self.load.failures(), [], what)
        finally:
            wrong = self.load.finish()
        self.test.assertEqual(wrong, [])
        self.test.assertGreaterEqual(self.load.fewest(), cycles)
        self.test.assertEqual(self.world.describe(self.vm)["resumes"], cycles)
        return self.load.served()


def live_through_sleeps(test, world, arn):
    """Half of CYCLES, over VMS VMs of the image at once; the number of cycles."""
    each = max(1, CYCLES // 2 // VMS)
    with concurrent.futures.ThreadPoolExecutor(VMS) as pool:
        residents = list(pool.map(lambda _: Resident(test, world, arn), range(VMS)))
        begun = time.monotonic()
        served = list(pool.map(lambda resident: resident.live_through(each), residents))
    print(f"{VMS * each} cycles in {time.monotonic() - begun:.0f} s, {sum(served)} requests answered", flush=True)
    world.end(*[resident.vm for resident in residents])
    return VMS * each
