// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <string>
#include <string_view>

namespace dormouse {

// A random UUID (RFC 9562 version 4), lower case. Throws std::system_error when the kernel gives no random bytes.
std::string make_uuid();

// "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx" with lower-case hexadecimal digits.
bool is_uuid(std::string_view text);

}  // namespace dormouse
