// SPDX-License-Identifier: Apache-2.0

#include "agent/watch_session.h"

#include <algorithm>

#include "protocol/watch_decoder.h"

namespace dormouse::agent {
namespace {

constexpr std::size_t kChunkBytes = std::size_t{16} << 10;

}  // namespace

WatchSession::WatchSession(Loop& loop, std::unique_ptr<HostStream> host, Application& application, std::uint64_t from)
    : FrameSession(loop, std::move(host)), application_(application), offset_(from) {
  application_.listen(*this);
}

WatchSession::~WatchSession() { application_.stop_listening(*this); }

void WatchSession::begin() {
  offset_ = std::max(offset_, application_.output().begin());
  answer(protocol::encode(protocol::WatchAnswer{offset_, application_.output().end()}));
  work();
}

void WatchSession::work() {
  const OutputRing& ring = application_.output();
  while (host().idle() && offset_ < ring.end()) {
    offset_ = std::max(offset_, ring.begin());
    const std::string bytes = ring.read(offset_, kChunkBytes);
    host().send(protocol::FrameType::kOutput, protocol::encode_output(offset_, bytes));
    offset_ += bytes.size();
  }
  if (host().idle() && application_.exit()) {
    host().send(protocol::FrameType::kExit, protocol::encode(*application_.exit()));
    finish();
  }
}

}  // namespace dormouse::agent
