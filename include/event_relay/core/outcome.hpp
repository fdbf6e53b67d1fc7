// SPDX-License-Identifier: MIT
// What a handler answers about one attempt: done, try again, or never try again. What follows from it is
// decided by `decide`.
#pragma once

#include <chrono>
#include <concepts>
#include <optional>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include <fmt/format.h>

#include "event_relay/core/notification.hpp"

namespace event_relay {

namespace detail {

template <class Type>
concept a_notification_request = std::same_as<std::remove_cvref_t<Type>, notification_request>;

}  // namespace detail

/// The event is dealt with; these notifications follow from it, in this order.
///
///     return processed{email(customer, "Booked", text), push(customer, text)};
class processed {
 public:
  processed() = default;

  /// Throws as `add` does.
  template <detail::a_notification_request... Requests>
  explicit processed(Requests&&... requests) {
    notifications_.reserve(sizeof...(Requests));
    (add(std::forward<Requests>(requests)), ...);
  }

  /// Throws std::invalid_argument if one with the same channel, recipient and discriminator is there:
  /// both would have the same id, and a receiver would drop the second.
  void add(notification_request&& request) {
    for (const notification_request& other : notifications_) {
      if (other.channel == request.channel && other.recipient == request.recipient &&
          other.discriminator == request.discriminator) {
        throw std::invalid_argument(fmt::format("processed: two {} notifications for \"{}\" with discriminator \"{}\"",
                                                wire_name(request.channel), request.recipient, request.discriminator));
      }
    }
    notifications_.push_back(std::move(request));
  }
  void add(const notification_request& request) { add(notification_request{request}); }

  const std::vector<notification_request>& notifications() const& { return notifications_; }
  std::vector<notification_request>&& notifications() && { return std::move(notifications_); }

 private:
  std::vector<notification_request> notifications_;
};

/// The attempt failed; a later one may succeed. An exception that leaves a handler counts as this.
struct retry {
  /// For people; may be empty.
  std::string reason;
  /// The wait, where the handler knows a better one than the backoff policy (from a Retry-After, say); 0 or
  /// more.
  std::optional<std::chrono::milliseconds> delay = std::nullopt;
};

/// The event can never be dealt with: it becomes a dead letter at once.
struct reject {
  /// For people; may be empty.
  std::string reason;
};

using outcome = std::variant<processed, retry, reject>;

}  // namespace event_relay
