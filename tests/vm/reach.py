# SPDX-License-Identifier: Apache-2.0
"""Attempts to reach what a guest must not, and a public destination that it may."""

import contextlib
import ipaddress
import socket
import subprocess
import threading
import urllib.parse



def _debian_site():
    """Where APT gets Debian's packages on this machine, in parts; a mirror is nobody's but the machine's to name."""
    listing = ["apt-get", "indextargets", "--format", "$(SITE) $(ORIGIN)", "Identifier: Packages"]
    output = subprocess.run(listing, capture_output=True, text=True, check=False).stdout
    for line in output.splitlines():
        site, _, origin = line.partition(" ")
        if origin == "Debian" and site.startswith("http://"):
            return urllib.parse.urlsplit(site)
    return urllib.parse.urlsplit("http://no-mirror.invalid/debian")


MIRROR_SITE = _debian_site()
MIRROR = MIRROR_SITE.hostname
# Defined in the guest once: what becomes of a connection attempt. What is dropped silently shows by a wait of two seconds; one
# that seems to be accepted is reset as soon as the daemon has come to it.
ATTEMPT = """
import socket
def attempt(address, port):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.settimeout(2)
        try:
            probe.connect((address, port))
        except OSError as error:
            return "refused: " + str(error)
        probe.settimeout(20)
        try:  # an answer, a wait for one, or the end of a connection that was never let through
            probe.sendall(b"HEAD / HTTP/1.0\\r\\n\\r\\n")
            return "closed" if probe.recv(64) == b"" else "ANSWERED"
        except TimeoutError:
            return "OPEN"
        except OSError as error:
            return "refused: " + str(error)
"""


def host_addresses():
    """The addresses of this machine that are not loopback."""
    output = subprocess.run(["ip", "-o", "addr"], capture_output=True, text=True, check=True).stdout
    found = []
    for line in output.splitlines():
        fields = line.split()
        if fields[2] in ("inet", "inet6"):
            address = ipaddress.ip_interface(fields[3]).ip
            if not address.is_loopback:
                found.append(str(address))
    return sorted(set(found))


class Service:
    """A TCP service on all the host's addresses; counts whom it was reached by."""

    def __init__(self):
        if socket.has_dualstack_ipv6():
            self.socket = socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True)
        else:
            self.socket = socket.create_server(("0.0.0.0", 0))
        self.port = self.socket.getsockname()[1]
        self.peers = []
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        with contextlib.suppress(OSError):
            while True:
                connection, peer = self.socket.accept()
                self.peers.append(peer)
                connection.sendall(b"this is the host\n")
                connection.close()

    def close(self):
        self.socket.close()


def mirror_address():
    """(the mirror's IPv4 address, None) if this host reaches it, else (None, why not)."""
    try:
        address = socket.getaddrinfo(MIRROR, 80, socket.AF_INET)[0][4][0]
        with socket.create_connection((address, 80), timeout=5):
            return address, None
    except OSError as error:
        return None, f"this host does not reach {MIRROR}: {error}"


def exception_for(mirror):
    """The daemon's arguments that let guests reach the mirror where it has a special address."""
    return ["--egress-allowed", f"{mirror}/32"] if mirror and not ipaddress.ip_address(mirror).is_global else []
