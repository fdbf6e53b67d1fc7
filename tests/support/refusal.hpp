// SPDX-License-Identifier: MIT
// What the library says of a value that it refuses.
#pragma once

#include <stdexcept>
#include <string>

namespace event_relay_test {

/// The text of the std::invalid_argument that `make()` throws; "not refused" if it throws none.
template <class Make>
std::string refusal(Make make) {
  try {
    make();
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return "not refused";
}

}  // namespace event_relay_test
