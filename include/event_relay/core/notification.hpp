// SPDX-License-Identifier: MIT
// A handler requests a notification to a person. The notification is that request together with the event
// that caused it; its id stays the same however often the event is attempted.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "event_relay/core/correlation_id.hpp"
#include "event_relay/core/instant.hpp"
#include "event_relay/core/uuid.hpp"

namespace event_relay {

enum class notification_channel {
  email,  ///< has a subject
  push,   ///< has none
};

constexpr std::string_view wire_name(notification_channel channel) {
  switch (channel) {
    case notification_channel::email: return "email";
    case notification_channel::push: return "push";
  }
  return "unknown";
}

/// What the handler decides about a notification; made by `email` and `push`.
struct notification_request {
  notification_channel channel = notification_channel::email;
  /// Whom to notify: the host's id of a person, not an address.
  std::string recipient;
  std::optional<std::string> subject;
  std::string body;
  /// Tells apart two notifications of one event to one recipient on one channel.
  std::string discriminator;
};

inline notification_request email(std::string recipient, std::string subject, std::string body,
                                  std::string discriminator = {}) {
  return {notification_channel::email, std::move(recipient), std::move(subject), std::move(body),
          std::move(discriminator)};
}

inline notification_request push(std::string recipient, std::string body, std::string discriminator = {}) {
  return {notification_channel::push, std::move(recipient), std::nullopt, std::move(body), std::move(discriminator)};
}

/// A notification on its way to the notifier.
struct notification {
  notification_request content;
  /// The event that caused it.
  std::string event_id;
  correlation_id correlation;
  /// The start of the attempt that asked for it.
  instant queued_at;

  /// The same for the same event, channel, recipient and discriminator, whatever the attempt: receivers
  /// deduplicate by it. UUIDv5 (RFC 9562) of these four, computed when it is called.
  uuid id() const {
    // Each text is preceded by its length, so that no two different quadruples are the same bytes.
    std::string name;
    for (const std::string_view part : {std::string_view{event_id}, wire_name(content.channel),
                                        std::string_view{content.recipient}, std::string_view{content.discriminator}}) {
      name.append(std::to_string(part.size())).append(":").append(part);
    }
    return uuid_v5(id_namespace, name);
  }

  /// The namespace of `id()`, drawn once at random for this library.
  static constexpr uuid id_namespace{
      {0x5f, 0x0c, 0x7b, 0x52, 0x1d, 0x8e, 0x4a, 0x93, 0xa6, 0x24, 0xc9, 0x3e, 0x70, 0xbd, 0x18, 0x4f}};
};

}  // namespace event_relay
