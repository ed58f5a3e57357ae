// SPDX-License-Identifier: Apache-2.0
//
// The S3 subset alone, for tests/s3/test_s3.py: s3_server DIR. Makes DIR/credentials, prints its port, serves until SIGTERM
// or SIGINT.

#include <csignal>
#include <cstdio>
#include <filesystem>
#include <string>

#include "artifacts/object_store.h"
#include "artifacts/s3_handler.h"
#include "aws/credentials_file.h"
#include "base/clock.h"
#include "net/http_server.h"
#include "os/worker_pool.h"

namespace dormouse {
namespace {

int serve(const std::filesystem::path& directory) {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);

  const SystemClock clock;
  const auto credentials = aws::CredentialsFile::open_or_create(directory / "credentials", "000000000000");
  auto store = artifacts::ObjectStore::open(directory / "artifacts", clock);
  if (!credentials || !store) {
    std::fprintf(stderr, "%s\n", (credentials ? store.error() : credentials.error()).message().c_str());
    return 1;
  }
  artifacts::S3Handler handler(**store, *credentials, clock, {});
  os::WorkerPool workers({});
  net::HttpServer server({.listen = {"127.0.0.1:0"}}, handler, workers);
  if (const Status started = server.start(); !started) {
    std::fprintf(stderr, "%s\n", started.error().message().c_str());
    return 1;
  }
  std::printf("%d\n", server.ports().at(0));
  std::fflush(stdout);
  int signal = 0;
  sigwait(&signals, &signal);
  server.stop();
  workers.stop();
  return 0;
}

}  // namespace
}  // namespace dormouse

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: %s DIR\n", argv[0]);
    return 2;
  }
  return dormouse::serve(argv[1]);
}
