// SPDX-License-Identifier: MIT
// Fault injection: which attempts fail on purpose, before the handler runs. It is never stored with an event,
// so that no event goes on failing once it is removed.
#pragma once

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <stdexcept>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "event_relay/core/envelope.hpp"
#include "event_relay/core/random.hpp"

namespace event_relay {

/// What a fault injection may decide by.
struct attempt_info {
  std::string_view event_name;
  std::string_view event_id;
  attempt_number attempt = 1;
};

/// A predicate on attempts: true makes the attempt fail. Any const callable will do; it is called from
/// every thread that publishes, and must give the same answer each time.
template <class Type>
concept fault_injection = std::predicate<const Type&, const attempt_info&>;

/// The default: no attempt fails on purpose.
struct no_faults {
  constexpr bool operator()(const attempt_info&) const { return false; }
};

/// Attempts 1 to `last` of every event fail; with 0 none does.
struct fail_until {
  attempt_number last = 0;

  constexpr bool operator()(const attempt_info& info) const { return info.attempt <= last; }
};

/// The attempts of the list fail. Throws std::invalid_argument for attempt 0, as attempts count from 1.
class fail_attempts {
 public:
  fail_attempts(std::initializer_list<attempt_number> attempts)
      : fail_attempts(std::vector<attempt_number>(attempts)) {}
  explicit fail_attempts(std::vector<attempt_number> attempts) : attempts_{std::move(attempts)} {
    for (const attempt_number attempt : attempts_) {
      if (attempt == 0) {
        throw std::invalid_argument("fail_attempts: attempt is 0, must be 1 or more");
      }
    }
  }

  bool operator()(const attempt_info& info) const {
    for (const attempt_number attempt : attempts_) {
      if (attempt == info.attempt) {
        return true;
      }
    }
    return false;
  }

 private:
  std::vector<attempt_number> attempts_;
};

/// Each attempt fails with probability `rate`. Which ones follows from the seed, the event's id and the
/// attempt's number alone, so a run can be repeated whatever its threads do.
/// Throws std::invalid_argument for a rate that is not from 0 to 1.
class fail_at_rate {
 public:
  constexpr fail_at_rate(double rate, std::uint64_t seed) : rate_{rate}, seed_{seed} {
    if (!(rate >= 0.0 && rate <= 1.0)) {
      throw std::invalid_argument(fmt::format("fail_at_rate: rate is {}, must be 0 to 1", rate));
    }
  }

  constexpr bool operator()(const attempt_info& info) const {
    std::uint64_t bits = mix_bits(seed_);
    for (const char character : info.event_id) {
      bits = mix_bits(bits ^ static_cast<unsigned char>(character));
    }
    bits = mix_bits(bits ^ info.attempt);
    constexpr double two_to_the_53 = 9007199254740992.0;
    return static_cast<double>(bits >> 11U) / two_to_the_53 < rate_;
  }

 private:
  double rate_;
  std::uint64_t seed_;
};

/// `faults`, for the attempts to which `applies` applies: those of one family, of one booking, or any others.
///
///     fail_only{[](const attempt_info& info) { return info.event_name == booking_created::name; }, fail_until{2}}
template <fault_injection Predicate, fault_injection Faults>
struct fail_only {
  Predicate applies;
  Faults faults;

  constexpr bool operator()(const attempt_info& info) const { return applies(info) && faults(info); }
};

template <class Predicate, class Faults>
fail_only(Predicate, Faults) -> fail_only<Predicate, Faults>;

/// Only attempts on events of type `Event`.
template <event_type Event>
struct is_event {
  constexpr bool operator()(const attempt_info& info) const { return info.event_name == Event::name; }
};

}  // namespace event_relay
