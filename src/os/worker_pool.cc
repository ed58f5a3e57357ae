// SPDX-License-Identifier: Apache-2.0

#include "os/worker_pool.h"

#include <system_error>
#include <utility>

#include <fmt/core.h>

namespace dormouse::os {

WorkerPool::WorkerPool(Options options) : options_(options) {}

WorkerPool::~WorkerPool() { stop(); }

Status WorkerPool::post(std::function<void()> job) {
  const std::lock_guard lock(mutex_);
  if (stopping_) {
    return fail(ErrorKind::kCancelled, "the worker pool is stopping");
  }
  if (queue_.size() >= options_.queue_length_max) {
    return fail(ErrorKind::kResourceExhausted,
                fmt::format("{} jobs wait for a worker, the limit; retry later", queue_.size()));
  }
  if (queue_.size() >= idle_ && threads_.size() < options_.threads_max) {
    try {
      threads_.emplace_back([this] { work(); });
    } catch (const std::system_error& error) {
      if (threads_.empty()) {
        return fail(ErrorKind::kResourceExhausted, fmt::format("start a worker thread: {}", error.code().message()));
      }
    }
  }
  queue_.push_back(std::move(job));
  job_posted_.notify_one();
  return {};
}

void WorkerPool::stop() {
  std::vector<std::thread> threads;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    threads.swap(threads_);
  }
  job_posted_.notify_all();
  for (std::thread& thread : threads) {
    thread.join();
  }
}

void WorkerPool::work() {
  std::unique_lock lock(mutex_);
  while (true) {
    ++idle_;
    job_posted_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
    --idle_;
    if (queue_.empty()) {
      return;
    }
    {
      const std::function<void()> job = std::move(queue_.front());
      queue_.pop_front();
      lock.unlock();
      job();
    }
    lock.lock();
  }
}

}  // namespace dormouse::os
