# SPDX-License-Identifier: Apache-2.0
# The container base images, in a storage that builders and applications use read-only.

mkdir -p "$WORK/containers/storage" "$WORK/run"
graph=$WORK/containers/storage
# Overlay needs a file system below it that can be an upper directory; where this one cannot, memory does.
mkdir -p "$WORK/probe/lower" "$WORK/probe/upper" "$WORK/probe/work" "$WORK/probe/merged"
if mount -t overlay overlay -o "lowerdir=$WORK/probe/lower,upperdir=$WORK/probe/upper,workdir=$WORK/probe/work" \
  "$WORK/probe/merged" 2>/dev/null; then
  umount "$WORK/probe/merged"
else
  mount -t tmpfs -o mode=755 tmpfs "$graph"
fi
export CONTAINERS_STORAGE_CONF="$WORK/host-storage.conf" CONTAINERS_REGISTRIES_CONF="$RECIPE/registries.conf"
printf '[storage]\ndriver = "overlay"\ngraphroot = "%s"\nrunroot = "%s"\n' "$graph" "$WORK/run" \
  >"$CONTAINERS_STORAGE_CONF"
images() { buildah --storage-driver overlay --root "$graph" --runroot "$WORK/run" "$@"; }

# commit CONTAINER NAME: one layer.
commit() {
  images config --os linux --cmd '["/bin/bash"]' --created-by dormouse \
    --env PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$1"
  images commit -q --signature-policy "$RECIPE/policy.json" --format oci "$1" "$2"
}

base=$(images from --signature-policy "$RECIPE/policy.json" scratch)
tree=$(images mount "$base")
cp -a "$WORK/debian/." "$tree/"
install_in "$tree" ca-certificates
trim "$tree"
# A container is thrown away when a build breaks off: dpkg need not sync each file.
echo force-unsafe-io >"$tree/etc/dpkg/dpkg.cfg.d/50dormouse"
# What APT has fetched and computed is not for layers: committing a layer costs by its size.
cat >"$tree/etc/apt/apt.conf.d/51dormouse-layers" <<'END'
DPkg::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb /var/cache/apt/archives/partial/*.deb /var/cache/apt/*.bin || true"; };
END
# APT's package lists stay, and its cache of them: making these takes an emulated guest long, and `apt-get update` fetches only
# what has changed since.
chroot "$tree" apt-cache -q gencaches
images umount "$base" >/dev/null
commit "$base" dormouse.local/base:debian12

python=$(images from --signature-policy "$RECIPE/policy.json" --pull-never dormouse.local/base:debian12)
tree=$(images mount "$python")
install_in "$tree" python3 python3-pip python3-venv python-is-python3
# There is no system to protect in a container: pip may install into it.
rm -f "$tree"/usr/lib/python3*/EXTERNALLY-MANAGED
# Compiled here rather than on every start of an emulated guest.
chroot "$tree" python3 -m compileall -q -x 'lib2to3/tests' /usr/lib/python3 /usr/lib/python3.11
note_versions "$tree" python3 python3-pip
trim "$tree"
chroot "$tree" apt-cache -q gencaches
images umount "$python" >/dev/null
commit "$python" dormouse.local/python:debian12
images rm "$base" "$python" >/dev/null

ext4_image "$WORK/containers" "$OUT/containers.ext4" containers
