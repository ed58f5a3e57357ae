# SPDX-License-Identifier: Apache-2.0
# Read before every step. Given: WORK, a scratch directory; OUT, where results go; SOURCES, a file with APT source lines of
# Debian 12 (may be empty); KERNEL, a kernel file of the user's or nothing. Steps run as root in mount and PID namespaces
# of their own, so that nothing stays mounted and no process lives on, however a step ends.
set -eu
umask 022
export LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive DEBCONF_NONINTERACTIVE_SEEN=true
unset APT_CONFIG TMPDIR
SUITE=bookworm

# APT on the tree $1: downloads with this machine's own means (proxies, certificates), unpacks and configures inside.
apt_in() {
  tree=$1
  shift
  printf 'Dir "%s";\nDir::Etc::Trusted "/etc/apt/trusted.gpg";\nDir::Etc::TrustedParts "/etc/apt/trusted.gpg.d";\n' \
    "$tree" >"$WORK/apt.conf"
  echo 'APT::Sandbox::User "root";' | cat - "$WORK/apt-acquire.conf" >>"$WORK/apt.conf"
  APT_CONFIG="$WORK/apt.conf" apt-get -q -y --no-install-recommends -o Dpkg::Use-Pty=0 \
    -o Dir::Bin::dpkg=env -o DPkg::Options::=--unset=APT_CONFIG -o DPkg::Options::=dpkg \
    -o DPkg::Chroot-Directory="$tree" "$@"
}

# Installs packages ($2 ...) in the tree $1 without starting services.
install_in() {
  tree=$1
  shift
  mount -t proc proc "$tree/proc"
  printf '#!/bin/sh\nexit 101\n' >"$tree/usr/sbin/policy-rc.d"
  chmod 755 "$tree/usr/sbin/policy-rc.d"
  apt_in "$tree" install "$@"
  rm "$tree/usr/sbin/policy-rc.d"
  umount "$tree/proc"
}

# Appends the versions of the packages $2 ... that the tree $1 has to the list that ends in base.json.
note_versions() {
  tree=$1
  shift
  chroot "$tree" dpkg-query -W -f '${Package} ${Version}\n' "$@" >>"$WORK/versions"
}

# Empties the tree $1 of what no guest needs.
trim() {
  rm -rf "$1"/var/cache/apt/archives/*.deb "$1"/var/cache/debconf/*-old "$1"/var/log/*.log "$1"/var/log/apt/* \
    "$1"/var/lib/dpkg/*-old "$1"/usr/share/doc/* "$1"/usr/share/man/* "$1"/usr/share/info/* "$1"/usr/share/locale/* \
    "$1"/usr/share/lintian "$1"/usr/share/bash-completion
}

# Removes what APT knows of packages that could be installed, where nobody will install any.
forget_packages() {
  rm -rf "$1"/var/lib/apt/lists/* "$1"/var/cache/apt/*.bin
}

# Makes the ext4 image $2 with the content of the tree $1: no journal, little free space. $3 is the label.
ext4_image() {
  blocks=$(( $(du -s --block-size=4096 "$1" | cut -f1) * 108 / 100 + 4096 ))
  mke2fs -q -t ext4 -b 4096 -m 0 -O ^has_journal,^resize_inode -E root_owner=0:0 \
    -L "$3" -d "$1" "$2" "$blocks"
}
