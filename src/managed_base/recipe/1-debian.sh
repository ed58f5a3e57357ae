# SPDX-License-Identifier: Apache-2.0
# The smallest Debian 12 with APT: what all three file systems start from.

# Of this machine's APT configuration: how it reaches servers, nothing else.
apt-config dump --format '%F "%v";%n' Acquire::http::Proxy Acquire::https >"$WORK/apt-acquire.conf"
sed -i '/ "";$/d' "$WORK/apt-acquire.conf"
options=
while read -r line; do
  [ -n "$line" ] && options="$options --aptopt='$(printf %s "$line" | sed "s/'/'\\\\''/g")'"
done <"$WORK/apt-acquire.conf"

# The tree keeps its package lists for the steps after this one.
set -- --mode=root --variant=minbase --format=directory --skip=cleanup/apt/lists \
  --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
  --dpkgopt='path-exclude=/usr/share/info/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
  --dpkgopt='path-exclude=/usr/share/lintian/*' \
  "$SUITE" "$WORK/debian"
if [ -s "$SOURCES" ]; then
  set -- "$@" "$SOURCES"
fi
eval "mmdebstrap $options \"\$@\"" 2>&1 </dev/null
# The options were for here; a guest has no proxy of this machine's.
rm -f "$WORK/debian/etc/apt/apt.conf.d/99mmdebstrap" "$WORK/debian/etc/resolv.conf" "$WORK/debian/etc/hostname"
printf 'Acquire::Languages "none";\nAPT::Install-Recommends "true";\n' >"$WORK/debian/etc/apt/apt.conf.d/50dormouse"
