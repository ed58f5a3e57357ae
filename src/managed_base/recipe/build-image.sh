# SPDX-License-Identifier: Apache-2.0
# Runs a Dockerfile inside a builder guest, as root, given to /bin/sh on standard input. The context is a tar archive on the
# disk with serial `context`; the result are layers on the application disk and application.json there, which says where
# they are (docs/formats/managed-base.md). Prints what the Dockerfile prints, and lines of its own that begin "dormouse: ".
#
# Exits with: 0 done, 10 the Dockerfile failed, 11 the disk is full, 12 anything else, 13 the container base image of a
# FROM cannot be had, 14 memory ran out.
#
# DORMOUSE_SUBSTITUTE_BASE: what stands in for the service's own base image: `auto` (default) when it cannot be pulled,
# `always`, `never`.
set -u
umask 022
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/run LC_ALL=C.UTF-8
application=/var/lib/dormouse/application
containers=/var/lib/dormouse/containers
context=$application/context
export GOGC=off GOMEMLIMIT=256MiB  # collecting garbage is a quarter of the time that an emulated buildah takes
export TMPDIR=$application/tmp XDG_RUNTIME_DIR=/run BUILDAH_ISOLATION=oci BUILDAH_RUNTIME=crun
state=/run/dormouse-build
service_base=public.ecr.aws/lambda/microvms:al2023-minimal
stand_in=dormouse.local/base:debian12

say() { echo "dormouse: $*"; }
# How many processes this guest's kernel has killed for want of memory.
memory_kills() { sed -n 's/^oom_kill //p' /proc/vmstat; }
disk_is_full() { [ "$(df --output=avail "$application" | tail -n 1)" -lt 1024 ]; }
# fail STATUS SENTENCE
fail() {
  say "$2"
  rm -rf "$context" "$TMPDIR"
  sync
  exit "$1"
}

# What the kernel calls the disk with serial $1.
disk_with_serial() {
  for disk in /sys/block/vd*; do
    if [ "$(cat "$disk/serial" 2>/dev/null)" = "$1" ]; then
      echo "/dev/${disk##*/}"
      return
    fi
  done
  return 1
}

unpack_context() {
  device=$(disk_with_serial context) || fail 12 "the build context is missing: no disk has the serial \"context\""
  mkdir -p "$context" "$TMPDIR" "$state"
  if ! tar -xf "$device" -C "$context" --no-same-owner --numeric-owner 2>"$state/tar"; then
    disk_is_full && fail 11 "the disk is full: the build context does not fit"
    fail 12 "the build context cannot be unpacked: $(tail -n 1 "$state/tar")"
  fi
}

# Decides on the stand-in for the service's base image; sets `substitution` (options for buildah), `notice`, and `forbidden` where
# one is needed and not wanted.
choose_base() {
  substitution= notice= forbidden=
  grep -q -i -E "^[[:space:]]*FROM[[:space:]].*$service_base" "$context/Dockerfile" || return 0
  case ${DORMOUSE_SUBSTITUTE_BASE:-auto} in
    never)
      forbidden=yes
      return 0
      ;;
    always) reason='' ;;
    *)
      if timeout 120 buildah pull -q --retry 1 "$service_base" >/dev/null 2>"$state/pull"; then
        return 0
      fi
      reason=' because it cannot be pulled'
      ;;
  esac
  substitution="--build-context=$service_base=docker-image://$stand_in"
  notice="The container base image $service_base was replaced by $stand_in (Debian 12)$reason: packages are installed with apt-get, not dnf."
  say "$notice"
}

# Runs buildah, its output live on ours; keeps the end of it for the diagnosis.
run_dockerfile() {
  kills_before=$(memory_kills)
  rm -f "$state/output" && mkfifo "$state/output" || fail 12 "no pipe can be made in $state"
  tail -c 65536 <"$state/output" >"$state/tail" &
  { buildah bud --layers=false --network host --pull=false --format oci --identity-label=false \
      --iidfile "$state/image" $substitution -f "$context/Dockerfile" "$context" 2>&1 </dev/null
    echo $? >"$state/status"; } | tee "$state/output"
  wait
  [ "$(cat "$state/status")" = 0 ]
}

diagnose() {
  if disk_is_full || grep -q -i -E 'no space left on device|disk quota exceeded|ENOSPC' "$state/tail"; then
    fail 11 "the disk is full"
  fi
  if [ "$(memory_kills)" != "$kills_before" ]; then
    fail 14 "memory ran out: the builder has $(awk '/^MemTotal/ { printf "%d", $2 / 1024 }' /proc/meminfo) MiB"
  fi
  if grep -q -E 'creating build container|initializing source docker://|unable to copy from source' "$state/tail"; then
    [ -z "$forbidden" ] || say "hint: nothing stands in for $service_base because the daemon runs with --substitute-base never"
    fail 13 "a container base image cannot be had"
  fi
  if [ -n "$notice" ] && grep -q -E '(dnf|yum|microdnf): (command )?not found' "$state/tail"; then
    say "hint: $stand_in stands in for $service_base and has apt-get instead of dnf"
  fi
  fail 10 "the Dockerfile failed"
}

# The directory of each layer, topmost first, from the storage's own records (containers/storage: layers.json names each
# layer's parent). Layers of the base images lie in the read-only storage.
layer_directories() {
  images=
  for file in $containers/storage/overlay-layers/layers.json $application/storage/overlay-layers/layers.json; do
    [ -s "$file" ] && images="$images $file"
  done
  jq -r -s --arg top "$1" \
    'add | (map({(.id): (.parent // "")}) | add) as $parent | $top | recurse($parent[.] // "" | select(. != ""))' $images |
    while read -r layer; do
      for storage in $application/storage $containers/storage; do
        if [ -d "$storage/overlay/$layer/diff" ]; then
          echo "$storage/overlay/$layer/diff"
          continue 2
        fi
      done
      exit 1
    done
}

write_application() {
  image=$(sed 's/^sha256://' "$state/image")
  records=$application/storage/overlay-images
  top=$(jq -r --arg id "$image" '.[] | select(.id == $id) | .layer' "$records/images.json")
  [ -n "$top" ] || fail 12 "the built image $image is not in the storage"
  # A record's file is named by its key in base64 (containers/storage: makeBigDataBaseName).
  configuration="$records/$image/=$(printf 'sha256:%s' "$image" | base64 -w 0)"
  layer_directories "$top" >"$state/layers" || fail 12 "a layer of the built image is not in the storage"
  jq -n --rawfile layers "$state/layers" --slurpfile image "$configuration" --arg notice "$notice" \
    '{version: 1, layers: ($layers | split("\n") | map(select(. != ""))), config: ($image[0].config // {} | del(.Labels["io.buildah.version"]) | if .Labels == {} then del(.Labels) else . end),
      notices: (if $notice == "" then [] else [$notice] end)}' >"$application/application.json.new" \
    || fail 12 "application.json cannot be written"
}

main() {
  mountpoint -q "$application" || fail 12 "the application disk is not mounted at $application"
  mkdir -p "$application/storage" /run/containers/storage /run/containers/cache
  unpack_context
  [ -f "$context/Dockerfile" ] || fail 10 "there is no Dockerfile at the root of the archive"
  choose_base
  run_dockerfile || diagnose
  write_application
  rm -rf "$context" "$TMPDIR"
  sync "$application/application.json.new" && mv "$application/application.json.new" "$application/application.json" \
    || fail 12 "application.json cannot be published"
  umount "$application/storage/overlay" 2>/dev/null
  sync
  # Leaves a file system that is marked clean, whatever happens to this guest next, and still readable in it.
  mount -o remount,ro "$application" || fail 12 "the application disk is still in use"
}

# The whole script has been read when this starts: nothing that runs can take the rest of it from standard input.
main </dev/null
exit 0
