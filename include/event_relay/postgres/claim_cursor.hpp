// SPDX-License-Identifier: MIT
// Where the scan of a claim begins in its index. As long as some transaction of the server has been open for long,
// VACUUM cannot remove the entries of what has ended since that transaction began. The head of the index then is full
// of dead entries, which each scan from its start would cross again.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>

#include "event_relay/core/instant.hpp"

namespace event_relay::postgres {

/// A scan begins where the last one found something. Something may come to be before that place, by a transaction that
/// began early and committed late; it is found by a scan from the start. Such scans are made always as long as they are
/// quick, and for a twentieth of the time when they are slow. Used by one thread at a time.
class claim_cursor {
 public:
  static constexpr std::int64_t from_the_start = (std::numeric_limits<std::int64_t>::min)();

  /// The least position to scan.
  std::int64_t begin(instant now) {
    is_full_ = now >= next_full_ || now < began_;  // also where the clock was set back
    began_ = now;
    return is_full_ ? from_the_start : from_;
  }

  /// The position that the scan found first, or where it would have been; and how many events it found.
  void end(std::int64_t first, std::size_t found, instant now) {
    from_ = first;
    if (is_full_) {
      const auto for_finds = std::chrono::milliseconds{static_cast<std::int64_t>(found / finds_in_a_millisecond)};
      const std::chrono::milliseconds took = now - began_ - for_finds;
      next_full_ = took > quick ? saturating_add(now, took * share) : min_instant;
    }
  }

  /// Where a scan that follows the last one begins.
  std::int64_t from() const { return next_full_ == min_instant ? from_the_start : from_; }

  /// When the next scan is from the start, if the last one was not.
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
