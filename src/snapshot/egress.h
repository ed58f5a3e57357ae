// SPDX-License-Identifier: Apache-2.0

#pragma once

namespace dormouse::snapshot {

// Where a guest may connect to: nowhere, or public addresses over TCP.
enum class Egress { kNone, kInternet };

}  // namespace dormouse::snapshot
