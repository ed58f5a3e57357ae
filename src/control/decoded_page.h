// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <type_traits>
#include <utility>

#include "base/error.h"
#include "control/images.h"
#include "control/record_codec.h"
#include "control/service_failure.h"
#include "store/rows.h"

namespace dormouse::control {

struct DecodeRow {
  template <typename Row>
  auto operator()(const Row& row) const {
    return decode(row);
  }
};

// A page of rows as the answer to a listing: decoded, or refused as refuse_internally() does.
template <typename Row, typename Decode = DecodeRow>
auto decoded_page(Result<store::RowPage<Row>> rows, const char* doing, Decode decode = {})
    -> Answer<Page<typename std::invoke_result_t<Decode, const Row&>::value_type>> {
  if (!rows) {
    return refuse_internally(doing, rows.error());
  }
  Page<typename std::invoke_result_t<Decode, const Row&>::value_type> page;
  page.next = std::move(rows->next);
  for (const Row& row : rows->rows) {
    auto record = decode(row);
    if (!record) {
      return refuse_internally(doing, record.error());
    }
    page.items.push_back(*std::move(record));
  }
  return page;
}

}  // namespace dormouse::control
