// SPDX-License-Identifier: Apache-2.0
//
// Every bound of the agent protocol (docs/formats/agent-protocol.md). Both sides enforce all of them on what they read.

#pragma once

#include <cstddef>
#include <cstdint>

namespace dormouse::protocol {

// An agent lives as long as the snapshots that hold it. So the host speaks every version from the oldest to the newest, to each agent
// its own, and an agent speaks the version it was built with. How the protocol is changed: docs/formats/agent-protocol.md, "Versions".
inline constexpr std::uint64_t kOldestVersion = 1;
inline constexpr std::uint64_t kVersion = 1;
inline constexpr std::uint16_t kAgentPort = 1024;

inline constexpr std::size_t kFrameHeaderBytes = 5;
inline constexpr std::size_t kRequestBytesMax = std::size_t{1} << 20;
inline constexpr std::size_t kAnswerBytesMax = std::size_t{64} << 10;
inline constexpr std::size_t kDataBytesMax = std::size_t{64} << 10;
inline constexpr std::size_t kOutputOffsetBytes = 8;  // before the bytes of an output frame

inline constexpr std::size_t kEnvironmentEntriesMax = 256;
inline constexpr std::size_t kEnvironmentNameBytesMax = 256;
inline constexpr std::size_t kEnvironmentValueBytesMax = std::size_t{64} << 10;
inline constexpr std::size_t kArgumentsMax = 256;
inline constexpr std::size_t kArgumentBytesMax = std::size_t{128} << 10;  // Linux: MAX_ARG_STRLEN
inline constexpr std::size_t kPathBytesMax = 4095;
inline constexpr std::size_t kHostnameBytesMax = 63;
inline constexpr std::size_t kMachineIdBytes = 32;
inline constexpr std::size_t kMessageBytesMax = std::size_t{16} << 10;
inline constexpr std::size_t kEntropyBytesMin = 32;
inline constexpr std::size_t kEntropyBytesMax = 512;
inline constexpr std::uint64_t kEntropyBitsMin = 8 * kEntropyBytesMin;  // that a guest confirms, or it does not run
inline constexpr std::size_t kLastOutputBytesMax = std::size_t{4} << 10;
inline constexpr std::uint64_t kTimeoutMsMax = std::uint64_t{24} * 3600 * 1000;

}  // namespace dormouse::protocol
