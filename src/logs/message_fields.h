// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <string_view>
#include <vector>

namespace dormouse::logs {

// A field of a message whose fields spaces separate.
struct MessageField {
  std::string_view text;  // without the quotation marks or brackets around it
  std::string_view rest;  // of the message, from this field's first character on, marks included
};

// Fields stand between spaces and tabs. Text between quotation marks (\" is none), or between [ and ], with which a field begins, is
// kept whole; what follows the closing mark without a space belongs to the field, whose marks stay then. A mark that is not closed is a
// character as any other. The message must outlive the fields. Takes time linear in the message.
std::vector<MessageField> split_fields(std::string_view message);

}  // namespace dormouse::logs
