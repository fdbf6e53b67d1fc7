// SPDX-License-Identifier: MIT
// Where a person can read which notifications there were: one JSON line each.
#pragma once

#include <cstdio>
#include <string_view>

#include <event_relay/event_relay.hpp>
#include <nlohmann/json.hpp>

namespace bookings {

/// As thread-safe as the stream, a line at a time.
class notification_log {
 public:
  explicit notification_log(std::FILE* stream) : writer_{stream} {}

  /// `content` has a recipient, a body and perhaps a subject.
  template <class Content>
  void write(std::string_view id, event_relay::notification_channel channel, const Content& content,
             std::string_view event_id, std::string_view correlation_id, event_relay::instant queued_at) {
    nlohmann::ordered_json line = {{"id", id}, {"channel", wire_name(channel)}, {"recipientUserId", content.recipient}};
    if (content.subject) {
      line["subject"] = *content.subject;
    }
    line["body"] = content.body;
    line["eventId"] = event_id;
    line["correlationId"] = correlation_id;
    line["queuedAt"] = event_relay::iso8601_text{queued_at}.view();
    writer_(line.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n");
  }

 private:
  event_relay::stream_writer writer_;
};

}  // namespace bookings
