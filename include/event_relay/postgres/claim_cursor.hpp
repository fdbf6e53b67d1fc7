// SPDX-License-Identifier: MIT
// Where a claim begins to look in its index. While any transaction of the server is open for long, VACUUM cannot
// take away what ended after its begin, and the head of the index becomes a field of dead entries, which each look
// from the start would cross again.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>

#include "event_relay/core/instant.hpp"

namespace event_relay::postgres {

/// Looks begin where the last one found something. What may be there before it (a transaction that began early and
/// committed late) is found by a look from the start, which is taken whenever it is due: always, as long as such
/// looks are quick; and for a twentieth of the time when they are slow. Used by one thread at a time.
class claim_cursor {
 public:
  static constexpr std::int64_t from_the_start = std::numeric_limits<std::int64_t>::min();

  /// The least position to look at.
  std::int64_t begin(instant now) {
    is_full_ = now >= next_full_ || now < began_;  // also where the clock was set back
    began_ = now;
    return is_full_ ? from_the_start : from_;
  }

  /// The position that the look found first, or where it would have; and how many it found.
  void end(std::int64_t first, std::size_t found, instant now) {
    from_ = first;
    if (is_full_) {
      const auto for_finds = std::chrono::milliseconds{static_cast<std::int64_t>(found / finds_in_a_millisecond)};
      const std::chrono::milliseconds took = now - began_ - for_finds;
      next_full_ = took > quick ? saturating_add(now, took * share) : min_instant;
    }
  }

  /// Where a look that comes behind the last one begins.
  std::int64_t from() const { return next_full_ == min_instant ? from_the_start : from_; }

  /// When the next look is from the start, if the last one was not.
  std::optional<instant> next_full() const { return is_full_ ? std::nullopt : std::optional{next_full_}; }

  /// Something has come to be before what was found.
  void reset() { next_full_ = min_instant; }

 private:
  static constexpr int share = 20;
  static constexpr std::chrono::milliseconds quick{2};
  static constexpr std::size_t finds_in_a_millisecond = 10;  // what was found is also changed, on a slow machine

  std::int64_t from_ = from_the_start;
  instant began_ = min_instant;
  instant next_full_ = min_instant;
  bool is_full_ = true;
};

}  // namespace event_relay::postgres
