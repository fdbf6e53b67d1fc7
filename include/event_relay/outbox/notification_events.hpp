// SPDX-License-Identifier: MIT
// Notifications as events of their own: a notification that a handler asks for is appended to the outbox when
// the handler's event is settled, and is then attempted, retried and dead-lettered like any other event.
#pragma once

#include <optional>
#include <string>

#include "event_relay/core/event.hpp"
#include "event_relay/core/notification.hpp"
#include "event_relay/core/payload.hpp"

namespace event_relay {

/// The payload of a notification's event. The event's id is the notification's (`notification::id`), its
/// `caused_by` the event that asked for it, its `occurred_at` the start of the attempt that did.
struct notification_payload {
  std::string recipient;
  /// Only of an e-mail.
  std::optional<std::string> subject = std::nullopt;
  std::string body;
  std::string discriminator = {};

  static constexpr auto fields = payload_fields(
      field("recipientUserId", &notification_payload::recipient), field("subject", &notification_payload::subject),
      field("body", &notification_payload::body), field("discriminator", &notification_payload::discriminator));
};

/// List these in the catalog, and write a handler for each, if a handler of the catalog asks for notifications.
using email_notification = domain_event<"notification.email", notification_payload>;
using push_notification = domain_event<"notification.push", notification_payload>;

}  // namespace event_relay
