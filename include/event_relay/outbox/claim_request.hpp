// SPDX-License-Identifier: MIT
// What a worker asks a store for: which events to attempt next, and how many.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace event_relay {

enum class claim_kind {
  ordinary,  ///< events that are ready, oldest first
  orphan,    ///< one event whose worker vanished
};

/// The most events of this name that one claim may take.
struct claim_limit {
  std::string name;
  std::size_t most = 0;

  bool operator==(const claim_limit&) const = default;
};

struct claim_request {
  /// The most events to claim; 0 claims nothing. Of orphans at most one is claimed.
  std::size_t limit = 0;
  /// How long the lease holds unless it is renewed.
  std::chrono::milliseconds length{0};
  claim_kind kind = claim_kind::ordinary;
  /// For ordinary claims; each name once. A name that is not listed has no limit of its own.
  std::span<const claim_limit> limits_by_name = {};

  std::size_t most_of(std::string_view name) const {
    const auto found =
        std::find_if(limits_by_name.begin(), limits_by_name.end(), [&](const auto& each) { return each.name == name; });
    return found == limits_by_name.end() ? limit : std::min(limit, found->most);
  }
};

}  // namespace event_relay
