// SPDX-License-Identifier: Apache-2.0
//
// Records as rows of the metadata store and back. A document written by an older program lacks members: they decode to
// their defaults. decode() answers kDataLoss for a row that no program of ours wrote.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"
#include "control/images.h"
#include "control/records.h"
#include "store/rows.h"

namespace dormouse::control {

store::ImageRow encode(const Image& image);
store::VersionRow encode(const ImageVersion& version);
store::BuildRow encode(const Build& build);
store::ConnectorRow encode(const NetworkConnector& connector);
store::MicrovmRow encode(const Microvm& microvm);

Result<Image> decode(const store::ImageRow& row);
Result<ImageVersion> decode(const store::VersionRow& row);
Result<Build> decode(const store::BuildRow& row);
Result<NetworkConnector> decode(const store::ConnectorRow& row);
Result<Microvm> decode(const store::MicrovmRow& row);

// The answers that client tokens stand for.
std::string encode_answer(const Images::Created& created);
std::string encode_answer(const Microvm& microvm);
Result<Images::Created> decode_created(const std::string& document);
Result<Microvm> decode_microvm_answer(const std::string& document);

// Any bytes as a record can hold them: what is not UTF-8 would make its document unreadable, so it loses all that is not
// ASCII.
std::string printable(std::string_view bytes);

// What versions sort by: "2.0" is 2000000. 0 for what is no version.
std::int64_t version_ordinal(const std::string& version);

// Time as records hold it, exactly what comes back from the store.
WallTime rounded(WallTime time);

}  // namespace dormouse::control
