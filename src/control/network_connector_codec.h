// SPDX-License-Identifier: Apache-2.0
//
// Network connectors as rows of the metadata store and back; the rules are those of record_codec.h.

#pragma once

#include "base/error.h"
#include "control/records.h"
#include "store/rows.h"

namespace dormouse::control {

store::ConnectorRow encode(const NetworkConnector& connector);
Result<NetworkConnector> decode(const store::ConnectorRow& row);

}  // namespace dormouse::control
