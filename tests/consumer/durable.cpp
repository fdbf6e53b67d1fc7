// SPDX-License-Identifier: MIT
#include <cstdio>
#include <filesystem>

#include <event_relay/json/json_codec.hpp>
#include <event_relay/sqlite/sqlite.hpp>

bool processed_elsewhere(event_relay::sqlite::store<>& store);

int main(int, char** argv) {
  const std::filesystem::path file = std::filesystem::path{argv[0]}.concat(".sqlite");
  std::filesystem::remove(file);
  event_relay::sqlite::store store{file.string()};
  const bool is_processed = processed_elsewhere(store);
  std::puts(is_processed ? "processed" : "lost");
  return is_processed && !store.has_unfinished() ? 0 : 1;
}
