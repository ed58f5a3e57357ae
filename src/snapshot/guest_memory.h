// SPDX-License-Identifier: Apache-2.0
//
// The memory of a guest, seen from outside its VMM. A clone maps the template privately, so the pages that it wrote are
// those that are present and no longer file-backed (proc(5), pagemap: bit 61 clear) or swapped (bit 62): the difference
// costs nothing to keep and a walk to find.

#pragma once

#include <sys/types.h>

#include <cstdint>

#include "base/error.h"
#include "base/unique_fd.h"

namespace dormouse::snapshot {

// Where a process has the guest's memory: one run of addresses, made of several mappings.
struct GuestMemory {
  pid_t process = -1;
  std::uint64_t address = 0;
  std::uint64_t size_bytes = 0;
};

// Finds the mapping of `memory` (the template, by device and inode) in the process.
Result<GuestMemory> find_guest_memory(pid_t process, const UniqueFd& memory, std::uint64_t size_bytes);

struct SavedPages {
  std::uint64_t pages = 0;       // with content
  std::uint64_t zero_pages = 0;  // now zero, not so in the template; no content is stored for them
  std::uint64_t file_bytes = 0;
};

// Writes the pages in which the guest differs from the template to `file`, opened for writing and empty: their content in
// order of address, then an index and a footer with a checksum over everything (docs/formats/suspended-vm.md). The guest
// must stand still. Not made durable.
Result<SavedPages> save_pages(const GuestMemory& memory, const UniqueFd& template_memory, const UniqueFd& file);

// The reverse, into a process that has just mapped the same template. The checksum is verified before the first page is
// written: kDataLoss.
Status load_pages(const GuestMemory& memory, const UniqueFd& file);

// Whether load_pages() would take the file's bytes for what save_pages() wrote: kDataLoss.
Status check_pages(const UniqueFd& file);

}  // namespace dormouse::snapshot
