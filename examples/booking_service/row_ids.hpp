// SPDX-License-Identifier: MIT
// Ids that follow from where a booking stands in its file: a row that is played again gets the same ones, so
// that whatever was stored of it before is found to be there.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include <fmt/format.h>
#include <event_relay/event_relay.hpp>

namespace bookings {

/// An `id_source`: UUIDv5 of the file's name as it was given, the row's line, and a count within the row. A
/// handle: its copies stand at the same row. Not thread-safe.
class row_ids {
 public:
  explicit row_ids(std::string file) : shared_{std::make_shared<position>(position{std::move(file), 0, 0})} {}

  void start_row(std::size_t line) const {
    shared_->line = line;
    shared_->drawn = 0;
  }

  std::string next_id() const {
    // The line and the count first: the file's name may hold any character.
    return uuid_v5(name_space, fmt::format("{}:{}:{}", shared_->line, shared_->drawn++, shared_->file)).to_string();
  }

 private:
  static constexpr event_relay::uuid name_space{
      {0x3d, 0x91, 0x44, 0xe7, 0x0a, 0x5c, 0x4b, 0x62, 0x8f, 0x1b, 0xd3, 0x70, 0x26, 0xc8, 0x95, 0xae}};

  struct position {
    std::string file;
    std::size_t line;
    std::uint64_t drawn;
  };
  std::shared_ptr<position> shared_;
};

}  // namespace bookings
