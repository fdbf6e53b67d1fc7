// SPDX-License-Identifier: MIT
#include "postgres_conninfo.hpp"

#include <stdexcept>

#include <event_relay/postgres/driver/conninfo.hpp>

namespace bookings {

std::string fault_of_conninfo(const std::string& text) {
  if (text.empty()) {
    return "must not be empty";  // a variable of a script that is must not lead to whichever database is near
  }
  try {
    const event_relay::postgres::conninfo readable{text};
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return {};
}

}  // namespace bookings
