// SPDX-License-Identifier: Apache-2.0

#include "agent/loop.h"

#include <sys/epoll.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>

namespace dormouse::agent {

Result<std::unique_ptr<Loop>> Loop::create() {
  UniqueFd epoll(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll) {
    return fail_errno("epoll_create1");
  }
  return std::unique_ptr<Loop>(new Loop(std::move(epoll)));
}

Status Loop::control(int operation, int descriptor, std::uint32_t events, EventSink& sink) {
  epoll_event event{};
  event.events = events;
  event.data.ptr = &sink;
  if (::epoll_ctl(epoll_.get(), operation, descriptor, &event) != 0) {
    return fail_errno("epoll_ctl");
  }
  return {};
}

Status Loop::add(int descriptor, EventSink& sink) {
  return control(EPOLL_CTL_ADD, descriptor, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, sink);
}

Status Loop::add_level(int descriptor, EventSink& sink) { return control(EPOLL_CTL_ADD, descriptor, EPOLLIN, sink); }

Status Loop::hand_over(int descriptor, EventSink& new_sink) {
  return control(EPOLL_CTL_MOD, descriptor, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, new_sink);
}

void Loop::remove(int descriptor) { ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, descriptor, nullptr); }

void Loop::again(EventSink& sink) {
  if (std::find(again_.begin(), again_.end(), &sink) == again_.end()) {
    again_.push_back(&sink);
  }
}

void Loop::forget(EventSink& sink) {
  std::erase(again_, &sink);
  for (auto& [pending, events] : batch_) {
    if (pending == &sink) {
      pending = nullptr;
    }
  }
}

void Loop::arm(TimerSink& sink, SteadyTime at) {
  disarm(sink);
  timers_.emplace(at, &sink);
}

void Loop::disarm(TimerSink& sink) {
  std::erase_if(timers_, [&](const auto& entry) { return entry.second == &sink; });
}

int Loop::timeout_ms() const {
  if (!again_.empty()) {
    return 0;
  }
  if (timers_.empty()) {
    return -1;
  }
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(timers_.begin()->first - SteadyTime::clock::now());
  return static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 3'600'000));
}

void Loop::fire_timers() {
  while (!timers_.empty() && timers_.begin()->first <= SteadyTime::clock::now()) {
    TimerSink* const sink = timers_.begin()->second;
    timers_.erase(timers_.begin());
    sink->on_timer();
  }
}

void Loop::run() {
  std::array<epoll_event, 32> events{};
  for (;;) {
    const int count = ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), timeout_ms());
    for (int i = 0; i < count; ++i) {
      const epoll_event& event = events[static_cast<std::size_t>(i)];
      batch_.emplace_back(static_cast<EventSink*>(event.data.ptr), event.events);
    }
    for (EventSink* const sink : std::exchange(again_, {})) {
      batch_.emplace_back(sink, 0);
    }
    for (std::size_t i = 0; i < batch_.size(); ++i) {
      if (batch_[i].first != nullptr) {
        batch_[i].first->on_events(batch_[i].second);
      }
    }
    batch_.clear();
    fire_timers();
    if (after_batch_) {
      after_batch_();
    }
  }
}

}  // namespace dormouse::agent
