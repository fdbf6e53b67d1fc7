// SPDX-License-Identifier: MIT
#include <cstdio>
#include <filesystem>

#include <event_relay/json/json_codec.hpp>
#include <event_relay/postgres/postgres.hpp>
#include <event_relay/sqlite/sqlite.hpp>

bool processed_elsewhere(event_relay::sqlite::store<>& store);

// Nobody is there, and that is what is said.
bool is_unreachable(const char* conninfo) {
  try {
    event_relay::postgres::store<>{conninfo};
  } catch (const event_relay::store_error& error) {
    return error.code() == make_error_code(event_relay::store_errc::cannot_open);
  }
  return false;
}

int main(int, char** argv) {
  const std::filesystem::path file = std::filesystem::path{argv[0]}.concat(".sqlite");
  std::filesystem::remove(file);
  event_relay::sqlite::store store{file.string()};
  const bool is_processed = processed_elsewhere(store);
  std::puts(is_processed ? "processed" : "lost");
  return is_processed && !store.has_unfinished() && is_unreachable("host=/nonexistent") ? 0 : 1;
}
