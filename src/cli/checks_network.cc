// SPDX-License-Identifier: Apache-2.0
//
// The checks that resolve names and talk to a daemon.

#include <netdb.h>
#include <netinet/in.h>

#include <memory>

#include <boost/json.hpp>
#include <fmt/format.h>

#include "cli/checks.h"
#include "cli/http_client.h"
#include "cli/record.h"

namespace dormouse::cli {
namespace {

struct AddressesDeleter {
  void operator()(addrinfo* list) const { ::freeaddrinfo(list); }
};

bool is_loopback(const addrinfo& entry) {
  if (entry.ai_family == AF_INET) {
    const auto* const address = reinterpret_cast<const sockaddr_in*>(entry.ai_addr);
    return (ntohl(address->sin_addr.s_addr) >> 24U) == 127;
  }
  const auto* const address = reinterpret_cast<const sockaddr_in6*>(entry.ai_addr);
  return entry.ai_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&address->sin6_addr);
}

}  // namespace

Check check_names() {
  constexpr const char* kName = "probe.lambda-microvm.us-east-1.localhost";
  Check check{.name = "names", .verdict = Check::Verdict::kGood, .found = "*.localhost is this machine", .remedy = ""};
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  const int failure = ::getaddrinfo(kName, nullptr, &hints, &list);
  const std::unique_ptr<addrinfo, AddressesDeleter> addresses(list);
  if (failure != 0) {
    check.verdict = Check::Verdict::kBad;
    check.found = fmt::format("{}: {}", kName, ::gai_strerror(failure));
    check.remedy = "apt-get install libnss-myhostname; /etc/nsswitch.conf then has myhostname under hosts";
    return check;
  }
  for (const addrinfo* entry = addresses.get(); entry != nullptr; entry = entry->ai_next) {
    if (!is_loopback(*entry)) {
      check.verdict = Check::Verdict::kBad;
      check.found = fmt::format("{} is an address of another machine", kName);
      check.remedy = "put myhostname before dns under hosts in /etc/nsswitch.conf";
    }
  }
  return check;
}

Check check_daemon(const Profile& profile, const os::Context& context) {
  Check check{.name = "daemon", .verdict = Check::Verdict::kGood, .found = profile.url + " is ready", .remedy = ""};
  HttpRequest request;
  request.url = profile.url + "/healthz";
  request.ca_file = profile.ca_file();
  const auto answer = HttpClient().send(request, context.within(std::chrono::seconds(10)));
  if (!answer) {
    check.verdict = Check::Verdict::kNote;
    check.found = fmt::format("none answers at {}", profile.url);
    check.remedy = "dormoused --data-dir /var/lib/dormouse";
  } else if (answer->status != 200) {
    check.verdict = Check::Verdict::kNote;
    boost::system::error_code bad;
    const std::string reason = text_of(boost::json::parse(answer->body, bad), "reason");
    check.found = fmt::format("{} is not ready: {}", profile.url, reason);
    check.remedy = "wait, or see the daemon's log";
  }
  return check;
}

}  // namespace dormouse::cli
