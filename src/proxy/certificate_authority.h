// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/error.h"

namespace dormouse::proxy {

// What a TLS server needs: its certificate with those between it and the root, and its private key.
struct ServerCertificate {
  std::string chain_pem;
  std::string private_key_pem;
};

// Reads a certificate of the user's own. kInvalidArgument, naming the file, when one of them is not PEM or when they do not
// belong together.
Result<ServerCertificate> load_certificate(const std::filesystem::path& chain,
                                           const std::filesystem::path& private_key);

// The daemon's own root of trust: DIR/ca.pem (0644) and DIR/ca.key (0600), made at the first start and kept, EC P-256.
//
// It signs the endpoint's certificate, kept in DIR/endpoint.pem and DIR/endpoint.key (both 0600), which covers the wildcard
// host of all VMs, "localhost", 127.0.0.1 and ::1. Threads: any, one at a time.
class CertificateAuthority {
 public:
  static constexpr int kValidDays = 7'300;
  static constexpr int kEndpointValidDays = 397;       // more is refused by some clients
  static constexpr int kEndpointRenewBeforeDays = 30;  // of its end

  // kDataLoss when one of the two files is there without the other or they do not belong together; kConflict when it has
  // expired.
  static Result<CertificateAuthority> open(const std::filesystem::path& directory, WallTime now);
  ~CertificateAuthority();
  CertificateAuthority(CertificateAuthority&&) noexcept;

  // The kept certificate for "*.lambda-microvm.<region>.<domain>", made anew when it is missing, damaged, near its end, for
  // other names or by another authority.
  Result<ServerCertificate> endpoint_certificate(const std::string& region,
                                                 const std::string& domain,
                                                 WallTime now) const;

  const std::filesystem::path& certificate_file() const { return certificate_file_; }

 private:
  struct Material;
  CertificateAuthority(std::filesystem::path directory, std::unique_ptr<Material> material);

  std::filesystem::path directory_;
  std::filesystem::path certificate_file_;
  std::unique_ptr<Material> material_;
};

}  // namespace dormouse::proxy
