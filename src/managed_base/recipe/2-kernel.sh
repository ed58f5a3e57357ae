# SPDX-License-Identifier: Apache-2.0
# Debian's kernel for virtual machines and the modules that guests load; neither is installed anywhere.

mkdir -p "$WORK/kernel" "$WORK/download" "$OUT/modules"
package=$(apt-cache -o Dir="$WORK/debian" depends linux-image-cloud-amd64 |
  sed -n 's/^ *Depends: \(linux-image-.*\)/\1/p' | head -n 1)
if [ -z "$package" ]; then
  echo "no kernel: the package lists do not have linux-image-cloud-amd64" >&2
  exit 1
fi
cd "$WORK/download"
apt_in "$WORK/debian" download "$package"
dpkg-deb -x "$package"_*.deb "$WORK/kernel"
echo "$package $(dpkg-deb -f "$package"_*.deb Version)" >>"$WORK/versions"
release=$(ls "$WORK/kernel/lib/modules")
depmod -b "$WORK/kernel" "$release"

if [ -n "$KERNEL" ]; then
  cp "$KERNEL" "$OUT/vmlinuz"
  # The release that a bzImage names (kernel documentation x86/boot: kernel_version at 0x20e, from 0x200 on).
  own=$(dd if="$KERNEL" bs=1 status=none count=128 \
    skip=$(($(od -An -tu2 -j 526 -N 2 "$KERNEL") + 512)) | tr '\0' ' ' | cut -d ' ' -f 1)
  if [ "$own" != "$release" ]; then
    echo "the given kernel is $own, Debian's modules are for $release: it must have virtio, ext4 and overlay built in"
    : >"$OUT/modules/order"
    exit 0
  fi
else
  cp "$WORK/kernel/boot/vmlinuz-$release" "$OUT/vmlinuz"
fi
chmod 644 "$OUT/vmlinuz"

# The names in modules.list with everything they depend on, each after what it needs; what is built in has no file.
while read -r name; do
  modprobe -d "$WORK/kernel" -S "$release" --show-depends "$name"
done <"$RECIPE/modules.list" >"$WORK/modules"
sed -n 's/^insmod \([^ ]*\).*/\1/p' "$WORK/modules" | awk '!seen[$0]++' | while read -r path; do
  name=$(basename "$path")
  case $name in
    *.ko.xz) name=${name%.xz}; xz -dc "$path" >"$OUT/modules/$name" ;;
    *) cp "$path" "$OUT/modules/$name" ;;
  esac
  echo "$name"
done >"$OUT/modules/order"
