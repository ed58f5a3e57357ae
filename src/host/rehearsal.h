// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstdint>

#include "base/error.h"
#include "host/guest.h"
#include "os/context.h"

namespace dormouse::host {

// Puts the application of a clone that nobody has yet through what comes before its run hook: connections to the port of its
// hooks, which are opened and ended without a byte, as a check of the port does. So its first request finds pages mapped and,
// where guests are emulated, code translated (docs/decisions/0008-rehearsals.md).
//
// The application runs when this begins and is frozen afterwards; what it connects to meanwhile is held. An application that
// does not listen or does not answer is left alone. kConflict: it ended. Takes two seconds at most, beside the freeze.
Status rehearse(Guest& guest, std::uint16_t port, const os::Context& context);

}  // namespace dormouse::host
