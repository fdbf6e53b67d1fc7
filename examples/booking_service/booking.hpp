// SPDX-License-Identifier: MIT
// A booking and its life: submitted, then accepted or declined; accepted, then completed.
#pragma once

#include <concepts>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <unordered_map>

#include <event_relay/event_relay.hpp>

namespace bookings {

enum class booking_state { submitted, accepted, declined, completed };

constexpr std::string_view name_of(booking_state state) {
  switch (state) {
    case booking_state::submitted: return "submitted";
    case booking_state::accepted: return "accepted";
    case booking_state::declined: return "declined";
    case booking_state::completed: return "completed";
  }
  return "unknown";
}

constexpr bool may_become(booking_state from, booking_state to) {
  switch (from) {
    case booking_state::submitted: return to == booking_state::accepted || to == booking_state::declined;
    case booking_state::accepted: return to == booking_state::completed;
    case booking_state::declined:
    case booking_state::completed: break;
  }
  return false;
}

struct payment {
  std::string id;
  std::int64_t amount_cents = 0;
  std::string currency;
  event_relay::instant captured_at;
};

struct booking {
  std::string id;
  std::string customer_user_id;
  std::string requested_service;
  std::optional<std::string> customer_location = std::nullopt;
  std::int64_t price_cents = 0;
  std::string currency;
  booking_state state = booking_state::submitted;
  /// Who accepted or declined it.
  std::optional<std::string> provider_user_id = std::nullopt;
  std::optional<std::string> decline_reason = std::nullopt;
  /// There once it is completed.
  std::optional<payment> captured = std::nullopt;
};

/// Where the service keeps its bookings: `insert` a new one, `find` it by id, `update` what has changed.
template <class Type>
concept booking_table = requires(Type& table, const booking& changed, std::string_view id) {
  { table.find(id) } -> std::same_as<std::optional<booking>>;
  table.insert(changed);
  table.update(changed);
};

/// Bookings that end with the process.
struct bookings_in_memory {
  std::unordered_map<std::string, booking> by_id;

  std::optional<booking> find(std::string_view id) const {
    const auto found = by_id.find(std::string{id});
    return found == by_id.end() ? std::nullopt : std::optional{found->second};
  }
  void insert(const booking& added) { by_id.emplace(added.id, added); }
  void update(const booking& changed) { by_id.at(changed.id) = changed; }
};

enum class service_fault { forbidden, not_found, conflict };

/// Why the service refused a request. Nothing was changed and nothing published.
class service_error : public std::runtime_error {
 public:
  service_error(service_fault fault, const std::string& what) : std::runtime_error{what}, fault_{fault} {}
  service_fault fault() const { return fault_; }

 private:
  service_fault fault_;
};

}  // namespace bookings
