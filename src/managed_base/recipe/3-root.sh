# SPDX-License-Identifier: Apache-2.0
# The file systems of guests: `root` with crun, `builder` with buildah as well. Both are mounted read-only.

# What every guest finds: places to mount on, and the names that Dormouse gives itself.
furnish() {
  mkdir -p "$1/var/lib/dormouse/containers" "$1/var/lib/dormouse/application" "$1/var/lib/dormouse/run"
  echo 'microvm' >"$1/etc/hostname"
  printf '127.0.0.1 localhost microvm\n::1 localhost ip6-localhost ip6-loopback\n' >"$1/etc/hosts"
  echo 'nameserver 10.0.2.2' >"$1/etc/resolv.conf"
  ln -sf /proc/self/mounts "$1/etc/mtab"
}

cp -a "$WORK/debian" "$WORK/root"
install_in "$WORK/root" crun
cp -a "$WORK/root" "$WORK/builder"
furnish "$WORK/root"
trim "$WORK/root"
forget_packages "$WORK/root"
ext4_image "$WORK/root" "$OUT/root.ext4" root
rm -rf "$WORK/root"

install_in "$WORK/builder" buildah ca-certificates jq
furnish "$WORK/builder"
trim "$WORK/builder"
forget_packages "$WORK/builder"
mkdir -p "$WORK/builder/etc/containers/registries.conf.d"
cp "$RECIPE/storage.conf" "$RECIPE/registries.conf" "$RECIPE/policy.json" "$WORK/builder/etc/containers/"
rm -f "$WORK/builder"/etc/containers/registries.conf.d/*
# buildah's notes about registries; build-image.sh makes the directory.
ln -s /run/containers/cache "$WORK/builder/var/cache/containers"
ext4_image "$WORK/builder" "$OUT/builder.ext4" builder
note_versions "$WORK/builder" base-files buildah crun libc6
rm -rf "$WORK/builder"
