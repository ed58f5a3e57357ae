// SPDX-License-Identifier: Apache-2.0

#include "artifacts/blobs.h"

#include <fcntl.h>
#include <unistd.h>

#include <new>
#include <system_error>
#include <utility>

#include <openssl/rand.h>

#include "aws/encoding.h"
#include "base/log.h"
#include "os/file.h"

namespace dormouse::artifacts {

namespace {

std::string random_id() {
  std::string bytes(16, '\0');
  if (RAND_bytes(reinterpret_cast<unsigned char*>(bytes.data()), static_cast<int>(bytes.size())) != 1) {
    throw std::bad_alloc();  // the kernel's generator does not fail once the machine is up
  }
  return aws::to_hex(bytes);
}

void unlink_or_log(const std::filesystem::path& path) {
  if (::unlink(path.c_str()) != 0) {
    log::warning("a blob is left behind",
                 {{"path", path.native()}, {"reason", fail_errno("unlink").value().message()}});
  }
}

}  // namespace

BlobWriter::BlobWriter(UniqueFd file, std::string id, std::filesystem::path incoming, std::filesystem::path published)
    : file_(std::move(file)),
      id_(std::move(id)),
      incoming_(std::move(incoming)),
      published_path_(std::move(published)) {}

BlobWriter::~BlobWriter() {
  if (!published_) {
    unlink_or_log(incoming_);
  }
}

Status BlobWriter::write(std::span<const std::byte> bytes) {
  size_ += bytes.size();
  return os::write_all(file_.get(), bytes, incoming_.native());
}

Status BlobWriter::publish() {
  DM_TRY(os::sync(file_.get(), incoming_.native()), "");
  DM_TRY(os::rename_durably(incoming_, published_path_), "");
  published_ = true;
  return {};
}

Result<Blobs> Blobs::open(const std::filesystem::path& directory) {
  DM_TRY(os::remove_tree(directory / "incoming"), "");
  DM_TRY(os::make_directories(directory / "incoming"), "");
  DM_TRY(os::make_directories(directory / "blobs"), "");
  return Blobs(directory);
}

Result<std::unique_ptr<BlobWriter>> Blobs::create() const {
  const std::string id = random_id();
  const std::filesystem::path incoming = directory_ / "incoming" / id;
  DM_ASSIGN(UniqueFd file, os::open_file(incoming, O_WRONLY | O_CREAT | O_EXCL, 0600), "");
  return std::make_unique<BlobWriter>(std::move(file), id, incoming, directory_ / "blobs" / id);
}

Result<UniqueFd> Blobs::read(const std::string& id) const { return os::open_file(directory_ / "blobs" / id, O_RDONLY); }

void Blobs::remove(const std::string& id) const { unlink_or_log(directory_ / "blobs" / id); }

Status Blobs::collect(const std::set<std::string>& referenced) const {
  std::error_code error;
  for (std::filesystem::directory_iterator entry(directory_ / "blobs", error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string id = entry->path().filename().native();
    if (!referenced.contains(id)) {
      remove(id);
    }
  }
  if (error) {
    return fail(Error::from_errno(error.value(), "list " + (directory_ / "blobs").native()));
  }
  return {};
}

}  // namespace dormouse::artifacts
