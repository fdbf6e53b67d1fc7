// SPDX-License-Identifier: MIT
// Columns by name: what reads a row says which columns it means, and nothing depends on the order of a SELECT.
#pragma once

#include <stdexcept>
#include <string_view>

#include <fmt/format.h>

namespace event_relay::sql {

/// The place of the column `name` among `count`, of which `name_of(place)` tells the names. The search begins at
/// `next`, which is left behind the column found: columns that are read in their order are found at once. Throws
/// std::out_of_range where there is none of that name.
template <class NameOf>
int place_of_column(std::string_view name, int count, int& next, const NameOf& name_of) {
  for (int passed = 0; passed < count; ++passed) {
    const int place = (next + passed) % count;
    if (name == name_of(place)) {
      next = place + 1;
      return place;
    }
  }
  throw std::out_of_range(fmt::format("the row has no column \"{}\"", name));
}

}  // namespace event_relay::sql
