// SPDX-License-Identifier: MIT
// Breadcrumbs as JSON lines: one object and one line feed each, given to a writer as a whole, so that lines
// of several threads never mix.
#pragma once

#include <cerrno>
#include <concepts>
#include <cstdio>
#include <optional>
#include <string_view>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include "event_relay/core/breadcrumb.hpp"
#include "event_relay/core/breadcrumb_json.hpp"
#include "event_relay/core/clock.hpp"
#include "event_relay/core/instant.hpp"

namespace event_relay {

/// Takes one whole line with its line feed. It may throw; it is called from every thread that publishes.
template <class Type>
concept line_writer = std::invocable<Type&, std::string_view>;

/// Writes to a stdio stream that stays the caller's, for instance stderr. Thread-safe, as stdio is.
/// Throws std::system_error if the stream does not take the whole line. Does not flush.
class stream_writer {
 public:
  explicit stream_writer(std::FILE* stream) : stream_{stream} {}

  void operator()(std::string_view line) const {
    if (std::fwrite(line.data(), 1, line.size(), stream_) != line.size()) {
      throw std::system_error(errno, std::generic_category(), "stream_writer: cannot write a line");
    }
  }

 private:
  std::FILE* stream_;
};

/// Takes the place of a clock, for lines without a timestamp.
struct no_timestamp {};

/// A sink of JSON lines. Each line starts with the `timestamp` that `Clock` reads when it is recorded,
/// unless that is `no_timestamp`. As thread-safe as its writer and clock.
template <line_writer Writer = stream_writer, class Clock = system_clock>
requires clock<Clock> || std::same_as<Clock, no_timestamp>
class json_lines_sink {
 public:
  explicit json_lines_sink(Writer writer, Clock clock = {}) : writer_{std::move(writer)}, clock_{std::move(clock)} {}

  void record(const breadcrumb& recorded) {
    fmt::basic_memory_buffer<char, 1024> line;
    append_json(line, recorded, timestamp());
    line.push_back('\n');
    writer_(std::string_view{line.data(), line.size()});
  }

 private:
  std::optional<instant> timestamp() {
    if constexpr (clock<Clock>) {
      return clock_.now();
    } else {
      return std::nullopt;
    }
  }

  Writer writer_;
  [[no_unique_address]] Clock clock_;
};

}  // namespace event_relay
