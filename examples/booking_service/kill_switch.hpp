// SPDX-License-Identifier: MIT
// Kills the process at a named place, as a crash or an operator would: for showing that nothing is lost.
#pragma once

#include <array>
#include <atomic>
#include <csignal>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "options.hpp"

namespace bookings {

/// Thread-safe. Does nothing unless it was given a point.
class kill_switch {
 public:
  static constexpr std::string_view before_append_commit = "before-append-commit";
  static constexpr std::string_view after_append_commit = "after-append-commit";
  static constexpr std::string_view after_claim = "after-claim";
  static constexpr std::string_view before_settle = "before-settle";
  static constexpr std::string_view inside_settle = "inside-settle";
  static constexpr std::string_view after_commit = "after-commit";  // of settle
  static constexpr std::array<std::string_view, 6> places = {before_append_commit, after_append_commit, after_claim,
                                                             before_settle,        inside_settle,       after_commit};

  explicit kill_switch(std::optional<kill_point> at) : at_{std::move(at)} {}

  void pass(std::string_view place) {
    if (at_ && at_->place == place && passages_.fetch_add(1) + 1 == at_->passage) {
      std::raise(SIGKILL);
    }
  }

 private:
  std::optional<kill_point> at_;
  std::atomic<std::uint64_t> passages_{0};
};

}  // namespace bookings
