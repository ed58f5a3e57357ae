// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstdint>

#include "base/error.h"
#include "host/guest.h"
#include "os/context.h"

namespace dormouse::host {

// Puts a settled clone, which nobody has yet, through what comes at its launch and before its run hook: it is renewed, as
// nobody, and its application runs; connections to the port of its hooks are opened and ended without a byte, as a check of
// the port does; then it is frozen again. So its first request finds pages mapped and, where guests are emulated, code
// translated (docs/decisions/0008-rehearsals.md).
//
// An application that does not listen or does not answer is left alone. kConflict: it ended. Takes two seconds at most,
// beside the agent's part. After a failure the clone is to be discarded.
Status rehearse(Guest& guest, std::uint16_t port, const os::Context& context);

}  // namespace dormouse::host
