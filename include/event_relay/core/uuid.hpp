// SPDX-License-Identifier: MIT
// Identifiers as RFC 9562 defines them: version 7 for new events, in time order, and version 5 for what
// must get the same id each time it is derived. The time and the random bits are injected.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <compare>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "event_relay/core/clock.hpp"
#include "event_relay/core/instant.hpp"
#include "event_relay/core/random.hpp"
#include "event_relay/core/sha1.hpp"

namespace event_relay {

/// The 128 bits of RFC 9562, most significant byte first.
struct uuid {
  std::array<std::uint8_t, 16> bytes{};

  constexpr auto operator<=>(const uuid&) const = default;

  /// The form with 36 characters and lower-case digits, e.g. 018f6b2e-7c1d-7a4b-9e0f-1234567890ab.
  std::string to_string() const {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string text;
    text.reserve(36);
    for (std::size_t at = 0; at < bytes.size(); ++at) {
      if (at == 4 || at == 6 || at == 8 || at == 10) {
        text.push_back('-');
      }
      text.push_back(digits[bytes[at] >> 4U]);
      text.push_back(digits[bytes[at] & 0x0fU]);
    }
    return text;
  }
};

namespace detail {

constexpr uuid with_version(uuid id, unsigned version) {
  id.bytes[6] = static_cast<std::uint8_t>((id.bytes[6] & 0x0fU) | (version << 4U));
  id.bytes[8] = static_cast<std::uint8_t>((id.bytes[8] & 0x3fU) | 0x80U);
  return id;
}

}  // namespace detail

/// The UUIDv5 of `name` in `name_space` (RFC 9562, section 5.5): equal input, equal id, on every machine.
inline uuid uuid_v5(const uuid& name_space, std::string_view name) {
  sha1 hash;
  hash.update(name_space.bytes.data(), name_space.bytes.size());
  hash.update(name.data(), name.size());
  const sha1::digest digest = hash.finish();
  uuid id;
  std::copy_n(digest.begin(), id.bytes.size(), id.bytes.begin());
  return detail::with_version(id, 5);
}

/// The source of new events' ids. `next_id()` returns a text that no other event has, and is called from
/// every thread that makes events.
template <class Type>
concept id_source = requires(Type& source) {
  { source.next_id() } -> std::same_as<std::string>;
};

/// UUIDv7 (RFC 9562, section 5.7), strictly increasing within this object across all threads, also while the
/// clock stands still or steps back: the 12 bits after the milliseconds are the counter of section 6.2,
/// method 1, which carries over into the milliseconds. Thread-safe if its clock and random source are.
template <clock Clock = system_clock, random_source Random = process_random>
class uuid_v7_source {
 public:
  explicit uuid_v7_source(Clock clock = {}, Random random = {})
      : clock_{std::move(clock)}, random_{std::move(random)} {}

  uuid next() {
    const std::uint64_t tail = random_();
    const std::uint64_t ticks = next_ticks(random_());
    uuid id;
    for (unsigned at = 0; at < 6; ++at) {
      id.bytes[at] = static_cast<std::uint8_t>(ticks >> (52U - 8U * at));
    }
    id.bytes[6] = static_cast<std::uint8_t>((ticks >> 8U) & 0x0fU);
    id.bytes[7] = static_cast<std::uint8_t>(ticks);
    for (unsigned at = 0; at < 8; ++at) {
      id.bytes[8 + at] = static_cast<std::uint8_t>(tail >> (56U - 8U * at));
    }
    return detail::with_version(id, 7);
  }

  std::string next_id() { return next().to_string(); }

 private:
  // Milliseconds and counter as one number of 60 bits. A fresh millisecond starts its counter at random
  // in the lower half, which leaves 2048 ids before it runs over into the next.
  std::uint64_t next_ticks(std::uint64_t start) {
    constexpr std::int64_t last_millisecond = (std::int64_t{1} << 48U) - 1;  // in the year 10889
    const std::int64_t milliseconds = clock_.now().time_since_epoch().count();
    const auto held = static_cast<std::uint64_t>(std::clamp<std::int64_t>(milliseconds, 0, last_millisecond));
    const std::uint64_t fresh = (held << 12U) | (start & 0x7ffU);
    std::uint64_t last = last_.load(std::memory_order_relaxed);
    std::uint64_t next = 0;
    do {
      next = fresh > last ? fresh : (last + 1) & ticks_mask;
    } while (!last_.compare_exchange_weak(last, next, std::memory_order_relaxed));
    return next;
  }

  static constexpr std::uint64_t ticks_mask = (std::uint64_t{1} << 60U) - 1;

  Clock clock_;
  Random random_;
  std::atomic<std::uint64_t> last_{0};
};

/// The default source of ids: every copy draws from the one UUIDv7 sequence of the process. Thread-safe.
struct process_ids {
  std::string next_id() const {
    static uuid_v7_source<> sequence;
    return sequence.next_id();
  }
};

}  // namespace event_relay
