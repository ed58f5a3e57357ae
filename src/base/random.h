// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstddef>
#include <string>

namespace dormouse {

// From the kernel's generator. Both throw std::system_error when it gives none.
std::string random_bytes(std::size_t count);
std::string random_uuid();  // version 4, in lower case, e.g. "1f0c6a8e-6f0d-4a53-9c57-3f4f0f2a9b11"

}  // namespace dormouse
