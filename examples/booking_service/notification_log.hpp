// SPDX-License-Identifier: MIT
// Where notifications go in this example: into a count, and into a file.
#pragma once

#include <cstdint>
#include <cstdio>
#include <optional>

#include <event_relay/event_relay.hpp>
#include <nlohmann/json.hpp>

namespace bookings {

/// Counts the notifications and, given a stream, writes each as one JSON line. Refers to the count.
class notification_log {
 public:
  notification_log(std::uint64_t& count, std::FILE* stream) : count_{&count} {
    if (stream != nullptr) {
      writer_.emplace(stream);
    }
  }

  void notify(const event_relay::notification& queued) {
    if (writer_) {
      nlohmann::ordered_json line = {{"id", queued.id().to_string()},
                                     {"channel", wire_name(queued.content.channel)},
                                     {"recipientUserId", queued.content.recipient}};
      if (queued.content.subject) {
        line["subject"] = *queued.content.subject;
      }
      line["body"] = queued.content.body;
      line["eventId"] = queued.event_id;
      line["correlationId"] = queued.correlation.view();
      line["queuedAt"] = event_relay::iso8601_text{queued.queued_at}.view();
      (*writer_)(line.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n");
    }
    ++*count_;
  }

 private:
  std::uint64_t* count_;
  std::optional<event_relay::stream_writer> writer_;
};

}  // namespace bookings
