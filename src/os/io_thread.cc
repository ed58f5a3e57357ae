// SPDX-License-Identifier: Apache-2.0

#include "os/io_thread.h"

#include <pthread.h>

#include <csignal>
#include <exception>

#include "base/log.h"

namespace dormouse::os {

namespace {

// An exception that leaves a handler is a bug of that handler's: it is logged and the others go on.
void run_until_stopped(boost::asio::io_context& context, const std::string& name) {
  for (;;) {
    try {
      context.run();
      return;
    } catch (const std::exception& error) {
      log::error("exception in an I/O handler", {{"thread", name}, {"what", error.what()}});
    }
  }
}

}  // namespace

IoThread::IoThread(const std::string& name) : work_(context_.get_executor()) {
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);  // the new thread inherits it
  try {
    thread_ = std::thread([this, name] { run_until_stopped(context_, name); });
  } catch (...) {
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    throw;
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  pthread_setname_np(thread_.native_handle(), name.substr(0, 15).c_str());
}

IoThread::~IoThread() {
  work_.reset();
  context_.stop();
  thread_.join();
}

}  // namespace dormouse::os
