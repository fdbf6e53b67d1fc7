// SPDX-License-Identifier: MIT
// Payloads as JSON text, by their one description: each described member is a member of the object, under its
// wire name and in that order. What is read is checked as if a stranger had written it.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "event_relay/core/payload.hpp"
#include "event_relay/json/json_error.hpp"
#include "event_relay/json/json_reader.hpp"
#include "event_relay/json/json_writer.hpp"
#include "event_relay/json/quick_json_reader.hpp"

namespace event_relay {

/// Bounds of what is encoded and decoded: far above what events need, far below what harms a process.
struct json_limits {
  /// Of a payload's text, in bytes.
  std::size_t max_size = std::size_t{1} << 20U;
  /// Of objects and arrays within each other; the payload itself is the first. A parser's stack bears it.
  std::size_t max_depth = 32;
};

namespace detail {

// A look at the text that needs no memory, so that a parser is never led into the depth, or to a NUL that it
// would take for the end of the text. What is no JSON, the parser will find.
inline void require_parsable(std::string_view text, std::size_t max_depth) {
  if (text.find('\0') != std::string_view::npos) {
    throw json_error{"the payload's text has a NUL"};
  }
  std::size_t depth = 0;
  bool in_string = false;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const char character = text[at];
    if (in_string) {
      at += character == '\\' ? 1 : 0;
      in_string = character != '"';
    } else if (character == '"') {
      in_string = true;
    } else if (character == '{' || character == '[') {
      if (++depth > max_depth) {
        refuse_json_depth(max_depth);
      }
    } else if ((character == '}' || character == ']') && depth > 0) {
      --depth;
    }
  }
}

}  // namespace detail

/// A `codec_of` all catalogs whose payloads' members are texts, numbers, booleans, described payloads,
/// std::optional of these, containers and maps of these as in the standard library, nlohmann::json, or types
/// that the host has written to_json and from_json for. An absent optional is left out, and may be null; a
/// member that the description does not have is passed over, so a later version may add optional ones.
/// **Errors**: `json_error`. Thread-safe.
class json_codec {
 public:
  explicit json_codec(json_limits limits = {}) : limits_{limits} {}

  template <described_payload Payload>
  std::string encode(const Payload& payload) const {
    std::string text = detail::json_writer{limits_.max_depth}.write_all(payload);
    require_size(text);
    return text;
  }

  template <described_payload Payload>
  Payload decode(std::string_view text) const {
    require_size(text);
    if (Payload payload{}; detail::quick_json_reader{text, limits_.max_depth}.read_all(payload)) {
      return payload;
    }
    detail::require_parsable(text, limits_.max_depth);
    Payload payload{};
    detail::read_payload(parse(text), payload, nullptr);
    return payload;
  }

 private:
  static nlohmann::json parse(std::string_view text) {
    try {
      return nlohmann::json::parse(text);
    } catch (const nlohmann::json::exception& error) {
      throw json_error{error.what()};
    }
  }

  void require_size(std::string_view text) const {
    if (text.size() > limits_.max_size) {
      throw json_error{fmt::format("the payload has {} bytes, must be {} or fewer", text.size(), limits_.max_size)};
    }
  }

  json_limits limits_;
};

}  // namespace event_relay
