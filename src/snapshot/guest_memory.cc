// SPDX-License-Identifier: Apache-2.0

#include "snapshot/guest_memory.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <unistd.h>
#include <xxhash.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/scope_exit.h"
#include "os/file.h"

namespace dormouse::snapshot {
namespace {

constexpr std::uint64_t kPageBytes = 4096;
constexpr std::uint64_t kRunPagesMax = 256;  // read at once
constexpr std::array<char, 8> kMagic = {'D', 'M', 'P', 'A', 'G', 'E', 'S', '1'};

constexpr std::uint64_t kPresent = 1ULL << 63U;
constexpr std::uint64_t kSwapped = 1ULL << 62U;
constexpr std::uint64_t kFileBacked = 1ULL << 61U;

enum class RunKind : std::uint32_t { kContent = 0, kZero = 1 };

// The index: runs of pages in order of address. On disk as it is in memory, little endian.
struct Run {
  std::uint64_t first_page;
  std::uint32_t pages;
  RunKind kind;
};
static_assert(sizeof(Run) == 16);

struct Footer {
  std::uint64_t content_bytes;
  std::uint64_t runs;
  std::uint64_t guest_bytes;
  std::uint64_t checksum;  // XXH3-64 of content, index and this footer up to here
  std::array<char, 8> magic;
};
static_assert(sizeof(Footer) == 40);

bool is_dirty(std::uint64_t entry) {
  return ((entry & kPresent) != 0 && (entry & kFileBacked) == 0) || (entry & kSwapped) != 0;
}

bool is_zero(const std::byte* page) {
  return page[0] == std::byte{0} && std::memcmp(page, page + 1, kPageBytes - 1) == 0;
}

// Copies between a run of guest pages and `local`; false with errno set when the process is gone or the range is bad.
bool transfer(const GuestMemory& memory, std::uint64_t first_page, std::uint64_t pages, void* local, bool to_guest) {
  std::uint64_t done = 0;
  const std::uint64_t size = pages * kPageBytes;
  while (done < size) {
    const iovec here{static_cast<char*>(local) + done, size - done};
    const iovec there{reinterpret_cast<void*>(memory.address + first_page * kPageBytes + done), size - done};
    const ssize_t moved = to_guest ? ::process_vm_writev(memory.process, &here, 1, &there, 1, 0)
                                   : ::process_vm_readv(memory.process, &here, 1, &there, 1, 0);
    if (moved <= 0) {
      return false;
    }
    done += static_cast<std::uint64_t>(moved);
  }
  return true;
}

// Answers whether a page of the template lies in a hole, for pages asked in ascending order.
class HoleFinder {
 public:
  explicit HoleFinder(int fd) : fd_(fd) {}
  bool in_hole(std::uint64_t page) {
    const auto offset = static_cast<off_t>(page * kPageBytes);
    if (offset >= data_end_) {
      data_begin_ = ::lseek(fd_, offset, SEEK_DATA);
      if (data_begin_ < 0) {
        data_begin_ = data_end_ = kEnd;  // nothing but hole from here on
      } else {
        data_end_ = ::lseek(fd_, data_begin_, SEEK_HOLE);
      }
    }
    return offset + static_cast<off_t>(kPageBytes) <= data_begin_;
  }

 private:
  static constexpr off_t kEnd = INT64_MAX;
  int fd_;
  off_t data_begin_ = 0;
  off_t data_end_ = 0;
};

class PageWriter {
 public:
  PageWriter(const GuestMemory& memory, const UniqueFd& template_memory, const UniqueFd& file)
      : memory_(memory), file_(file), holes_(template_memory.get()), hash_(XXH3_createState()) {
    XXH3_64bits_reset(hash_);
  }
  ~PageWriter() { XXH3_freeState(hash_); }
  PageWriter(const PageWriter&) = delete;
  PageWriter& operator=(const PageWriter&) = delete;

  Status add(std::uint64_t first, std::uint64_t pages) {
    if (!transfer(memory_, first, pages, buffer_.data(), false)) {
      return fail_errno("read guest memory");
    }
    for (std::uint64_t i = 0; i < pages;) {
      const bool zero = is_zero(page(i));
      std::uint64_t end = i + 1;
      while (end < pages && is_zero(page(end)) == zero) {
        ++end;
      }
      if (zero) {
        add_zero_pages(first + i, end - i);
      } else {
        append(first + i, end - i, RunKind::kContent);
        DM_TRY(put({page(i), (end - i) * kPageBytes}), "");
        saved_.pages += end - i;
      }
      i = end;
    }
    return {};
  }

  Result<SavedPages> finish() {
    Footer footer{};
    footer.content_bytes = saved_.pages * kPageBytes;
    footer.runs = runs_.size();
    footer.guest_bytes = memory_.size_bytes;
    footer.magic = kMagic;
    DM_TRY(put(std::as_bytes(std::span(runs_))), "");
    XXH3_64bits_update(hash_, &footer, offsetof(Footer, checksum));
    footer.checksum = XXH3_64bits_digest(hash_);
    DM_TRY(os::write_all(file_.get(), std::as_bytes(std::span(&footer, 1)), "pages"), "");
    saved_.file_bytes = footer.content_bytes + runs_.size() * sizeof(Run) + sizeof footer;
    return saved_;
  }

 private:
  const std::byte* page(std::uint64_t index) const { return buffer_.data() + index * kPageBytes; }

  // A zero page over a hole is what a fresh clone sees there anyway.
  void add_zero_pages(std::uint64_t first, std::uint64_t pages) {
    for (std::uint64_t i = first; i < first + pages; ++i) {
      if (!holes_.in_hole(i)) {
        append(i, 1, RunKind::kZero);
        ++saved_.zero_pages;
      }
    }
  }

  void append(std::uint64_t first, std::uint64_t pages, RunKind kind) {
    if (!runs_.empty() && runs_.back().kind == kind && runs_.back().first_page + runs_.back().pages == first) {
      runs_.back().pages += static_cast<std::uint32_t>(pages);
    } else {
      runs_.push_back(Run{first, static_cast<std::uint32_t>(pages), kind});
    }
  }

  Status put(std::span<const std::byte> bytes) {
    XXH3_64bits_update(hash_, bytes.data(), bytes.size());
    return os::write_all(file_.get(), bytes, "pages");
  }

  const GuestMemory& memory_;
  const UniqueFd& file_;
  HoleFinder holes_;
  XXH3_state_t* hash_;
  std::vector<std::byte> buffer_ = std::vector<std::byte>(kRunPagesMax * kPageBytes);
  std::vector<Run> runs_;
  SavedPages saved_;
};

// A file of pages, mapped and verified.
class PagesFile {
 public:
  static Result<PagesFile> open(const UniqueFd& file) {
    PagesFile pages;
    pages.size_ = os::size_of(file.get());
    if (pages.size_ < sizeof(Footer)) {
      return fail(ErrorKind::kDataLoss, "pages: the file is too short");
    }
    void* const mapped = ::mmap(nullptr, pages.size_, PROT_READ, MAP_PRIVATE | MAP_POPULATE, file.get(), 0);
    if (mapped == MAP_FAILED) {
      return fail_errno("map pages");
    }
    pages.bytes_ = static_cast<const char*>(mapped);
    Footer& footer = pages.footer_;
    const std::uint64_t before = pages.size_ - sizeof footer;
    std::memcpy(&footer, pages.bytes_ + before, sizeof footer);
    const std::uint64_t checksum = XXH3_64bits(pages.bytes_, before + offsetof(Footer, checksum));
    if (footer.magic != kMagic || footer.checksum != checksum || footer.runs > pages.size_ / sizeof(Run) ||
        footer.content_bytes + footer.runs * sizeof(Run) + sizeof footer != pages.size_) {
      return fail(ErrorKind::kDataLoss, "pages: the file does not verify");
    }
    return pages;
  }
  PagesFile(PagesFile&& other) noexcept
      : bytes_(std::exchange(other.bytes_, nullptr)), size_(other.size_), footer_(other.footer_) {}
  PagesFile& operator=(PagesFile&&) = delete;
  ~PagesFile() {
    if (bytes_) {
      ::munmap(const_cast<char*>(bytes_), size_);
    }
  }

  const char* bytes() const { return bytes_; }
  const Footer& footer() const { return footer_; }

 private:
  PagesFile() = default;
  const char* bytes_ = nullptr;
  std::uint64_t size_ = 0;
  Footer footer_{};
};

}  // namespace

Result<GuestMemory> find_guest_memory(pid_t process, const UniqueFd& memory, std::uint64_t size_bytes) {
  struct stat status{};
  if (::fstat(memory.get(), &status) != 0) {
    return fail_errno("examine the memory file");
  }
  const std::string path = "/proc/" + std::to_string(process) + "/maps";
  DM_ASSIGN(const std::string maps, os::read_file(path), "");
  std::size_t at = 0;
  while (at < maps.size()) {
    const std::size_t end = std::min(maps.find('\n', at), maps.size());
    const std::string line = maps.substr(at, end - at);
    at = end + 1;
    std::uint64_t from = 0;
    std::uint64_t to = 0;
    std::uint64_t offset = 0;
    std::uint64_t inode = 0;
    unsigned major = 0;
    unsigned minor = 0;
    if (std::sscanf(line.c_str(),
                    "%" SCNx64 "-%" SCNx64 " %*s %" SCNx64 " %x:%x %" SCNu64,
                    &from,
                    &to,
                    &offset,
                    &major,
                    &minor,
                    &inode) != 6) {
      continue;
    }
    if (inode == status.st_ino && makedev(major, minor) == status.st_dev) {
      return GuestMemory{process, from - offset, size_bytes};
    }
  }
  return fail(ErrorKind::kInternal, "process " + std::to_string(process) + " does not map the guest's memory");
}

Result<SavedPages> save_pages(const GuestMemory& memory, const UniqueFd& template_memory, const UniqueFd& file) {
  DM_ASSIGN(
      const UniqueFd pagemap, os::open_file("/proc/" + std::to_string(memory.process) + "/pagemap", O_RDONLY), "");
  PageWriter writer(memory, template_memory, file);
  const std::uint64_t pages = memory.size_bytes / kPageBytes;
  std::vector<std::uint64_t> entries(16'384);
  for (std::uint64_t base = 0; base < pages; base += entries.size()) {
    const std::uint64_t count = std::min<std::uint64_t>(entries.size(), pages - base);
    DM_TRY(os::read_exactly(pagemap.get(),
                            std::as_writable_bytes(std::span(entries.data(), count)),
                            (memory.address / kPageBytes + base) * sizeof(std::uint64_t),
                            "pagemap"),
           "");
    for (std::uint64_t i = 0; i < count;) {
      if (!is_dirty(entries[i])) {
        ++i;
        continue;
      }
      std::uint64_t end = i + 1;
      while (end < count && end - i < kRunPagesMax && is_dirty(entries[end])) {
        ++end;
      }
      DM_TRY(writer.add(base + i, end - i), "");
      i = end;
    }
  }
  return writer.finish();
}

Status load_pages(const GuestMemory& memory, const UniqueFd& file) {
  DM_ASSIGN(const PagesFile pages, PagesFile::open(file), "");
  const Footer& footer = pages.footer();
  const char* const bytes = pages.bytes();
  if (footer.guest_bytes != memory.size_bytes) {
    return fail(ErrorKind::kDataLoss, "pages: the file does not verify");
  }
  static const std::vector<std::byte> zeros(kRunPagesMax * kPageBytes);
  std::uint64_t content = 0;
  for (std::uint64_t i = 0; i < footer.runs; ++i) {
    Run run{};
    std::memcpy(&run, bytes + footer.content_bytes + i * sizeof run, sizeof run);
    if ((run.first_page + run.pages) * kPageBytes > memory.size_bytes) {
      return fail(ErrorKind::kDataLoss, "pages: a run lies outside the guest");
    }
    for (std::uint64_t done = 0; done < run.pages;) {
      const std::uint64_t step = std::min<std::uint64_t>(kRunPagesMax, run.pages - done);
      void* const local = run.kind == RunKind::kZero ? const_cast<std::byte*>(zeros.data())
                                                     : static_cast<void*>(const_cast<char*>(bytes + content));
      if (!transfer(memory, run.first_page + done, step, local, true)) {
        return fail_errno("write guest memory");
      }
      done += step;
      content += run.kind == RunKind::kContent ? step * kPageBytes : 0;
    }
  }
  return {};
}

Status check_pages(const UniqueFd& file) {
  DM_TRY(PagesFile::open(file), "");
  return {};
}

}  // namespace dormouse::snapshot
