// SPDX-License-Identifier: MIT
// The files that a run reads and writes, closed when it ends, and where notifications go in this example.
#pragma once

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>

#include <fmt/format.h>
#include <event_relay/event_relay.hpp>
#include <nlohmann/json.hpp>

namespace bookings {

class file_error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// A stdio stream under the name that messages show. Throws file_error where the system refuses.
class file {
 public:
  file(std::string path, const char* mode) : path_{std::move(path)}, stream_{std::fopen(path_.c_str(), mode)} {
    if (!stream_) {
      fail("open");
    }
  }

  std::FILE* stream() const { return stream_.get(); }

  /// Call when all is written: only then is it known whether everything arrived.
  void flush() const {
    if (std::fflush(stream_.get()) != 0 || std::ferror(stream_.get()) != 0) {
      fail("write");
    }
  }

 private:
  [[noreturn]] void fail(const char* action) const {
    throw file_error{fmt::format("cannot {} {}: {}", action, path_, std::strerror(errno))};
  }

  struct close {
    void operator()(std::FILE* stream) const { std::fclose(stream); }
  };
  std::string path_;
  std::unique_ptr<std::FILE, close> stream_;
};

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
