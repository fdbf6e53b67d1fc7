// SPDX-License-Identifier: MIT
// Payloads as JSON text, by their one description: each described member is a member of the object, under its
// wire name and in that order. What is read is checked as if a stranger had written it.
#pragma once

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "event_relay/core/json_text.hpp"
#include "event_relay/core/payload.hpp"

namespace event_relay {

/// Bounds of what is encoded and decoded.
struct json_limits {
  /// Of a payload's text, in bytes.
  std::size_t max_size = std::size_t{1} << 20U;
  /// Of objects and arrays within each other; the payload itself is the first.
  std::size_t max_depth = 32;
};

/// A payload that cannot be encoded or decoded; the text says which member, and why.
class json_error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

namespace detail {

template <class Type>
inline constexpr bool is_optional = false;
template <class Type>
inline constexpr bool is_optional<std::optional<Type>> = true;
template <class Type>
inline constexpr bool is_vector = false;
template <class Type, class Allocator>
inline constexpr bool is_vector<std::vector<Type, Allocator>> = true;

// Adds where the fault is to what is wrong: "address.city: is missing".
[[noreturn]] inline void refuse_json(std::string_view path, std::string_view fault) {
  throw json_error{path.empty() ? std::string{fault} : fmt::format("{}: {}", path, fault)};
}

inline std::string member_path(std::string_view path, std::string_view name) {
  return path.empty() ? std::string{name} : fmt::format("{}.{}", path, name);
}

inline void require_utf8(std::string_view text, std::string_view path) {
  while (!text.empty()) {
    const auto [length, codepoint] = first_sequence(text);
    if (codepoint == 0xfffd && text.substr(0, length) != "\xef\xbf\xbd") {
      refuse_json(path, "is not UTF-8");
    }
    text.remove_prefix(length);
  }
}

// What a conversion made may hold a number that dump() would write as null.
inline void require_finite(const nlohmann::ordered_json& value, std::string_view path) {
  if (value.is_number_float() && !std::isfinite(value.get<double>())) {
    refuse_json(path, "is not a finite number, and JSON has no other");
  }
  if (value.is_structured()) {
    for (const auto& each : value) {
      require_finite(each, path);
    }
  }
}

// Runs a conversion of the host's; what it throws is refused under the member's name.
template <class Convert>
decltype(auto) converted(std::string_view path, Convert convert) {
  try {
    return convert();
  } catch (const std::exception& error) {
    refuse_json(path, error.what());
  } catch (...) {
    refuse_json(path, "the conversion threw something that is not a std::exception");
  }
}

template <class Member>
nlohmann::ordered_json json_of(const Member& member, std::string_view path);

template <described_payload Payload>
nlohmann::ordered_json json_of_payload(const Payload& payload, std::string_view path) {
  nlohmann::ordered_json object = nlohmann::ordered_json::object();
  for_each_field(payload, [&](const auto& each, const auto& value) {
    if constexpr (is_optional<std::remove_cvref_t<decltype(value)>>) {
      if (!value) {
        return;
      }
    }
    object.emplace(std::string{each.name}, json_of(value, member_path(path, each.name)));
  });
  return object;
}

template <class Member>
nlohmann::ordered_json json_of(const Member& member, std::string_view path) {
  if constexpr (described_payload<Member>) {
    return json_of_payload(member, path);
  } else if constexpr (is_optional<Member>) {
    return member ? json_of(*member, path) : nlohmann::ordered_json{};
  } else if constexpr (is_vector<Member>) {
    nlohmann::ordered_json array = nlohmann::ordered_json::array();
    for (const auto& each : member) {
      array.push_back(json_of(static_cast<const typename Member::value_type&>(each), path));
    }
    return array;
  } else if constexpr (std::floating_point<Member>) {
    const auto number = static_cast<double>(member);
    if (!std::isfinite(number)) {
      refuse_json(path, "is not a finite number, and JSON has no other");
    }
    return number;
  } else if constexpr (std::same_as<Member, std::string>) {
    require_utf8(member, path);
    return member;
  } else {  // what nlohmann_json converts, the host's own conversions among it
    nlohmann::ordered_json value = converted(path, [&]() -> nlohmann::ordered_json {
      if constexpr (std::convertible_to<const Member&, nlohmann::ordered_json>) {
        return member;
      } else {
        return nlohmann::ordered_json(nlohmann::json(member));  // a to_json for nlohmann::json alone
      }
    });
    require_finite(value, path);
    return value;
  }
}

template <class Member>
void read_json(const nlohmann::json& from, Member& to, std::string_view path);

template <described_payload Payload>
void read_payload(const nlohmann::json& from, Payload& to, std::string_view path) {
  if (!from.is_object()) {
    refuse_json(path, fmt::format("is {}, must be an object", from.type_name()));
  }
  const auto read = [&](const auto& each) {
    const auto found = from.find(each.name);
    auto& member = to.*each.member;
    if (found != from.end()) {
      read_json(*found, member, member_path(path, each.name));
    } else if constexpr (is_optional<std::remove_cvref_t<decltype(member)>>) {
      member.reset();
    } else {
      refuse_json(member_path(path, each.name), "is missing");
    }
  };
  std::apply([&](const auto&... each) { (read(each), ...); }, payload_description<Payload>);
}

template <std::integral Number>
void read_integer(const nlohmann::json& from, Number& to, std::string_view path) {
  const bool fits = from.is_number_unsigned()  ? std::in_range<Number>(from.template get<std::uint64_t>())
                    : from.is_number_integer() ? std::in_range<Number>(from.template get<std::int64_t>())
                                               : false;
  if (!fits) {
    refuse_json(
        path, fmt::format("is {}, must be an integer from {} to {}", from.is_number() ? from.dump() : from.type_name(),
                          std::numeric_limits<Number>::min(), std::numeric_limits<Number>::max()));
  }
  to = static_cast<Number>(from.is_number_unsigned() ? static_cast<Number>(from.template get<std::uint64_t>())
                                                     : static_cast<Number>(from.template get<std::int64_t>()));
}

template <class Member>
void read_json(const nlohmann::json& from, Member& to, std::string_view path) {
  if constexpr (described_payload<Member>) {
    read_payload(from, to, path);
  } else if constexpr (is_optional<Member>) {
    if (from.is_null()) {
      to.reset();
    } else {
      read_json(from, to.emplace(), path);
    }
  } else if constexpr (is_vector<Member>) {
    if (!from.is_array()) {
      refuse_json(path, fmt::format("is {}, must be an array", from.type_name()));
    }
    to.clear();
    for (const nlohmann::json& each : from) {
      typename Member::value_type value{};
      read_json(each, value, path);
      to.push_back(std::move(value));
    }
  } else if constexpr (std::same_as<Member, std::string>) {
    if (!from.is_string()) {
      refuse_json(path, fmt::format("is {}, must be a string", from.type_name()));
    }
    to = from.template get_ref<const std::string&>();
  } else if constexpr (std::same_as<Member, bool>) {
    if (!from.is_boolean()) {
      refuse_json(path, fmt::format("is {}, must be a boolean", from.type_name()));
    }
    to = from.template get<bool>();
  } else if constexpr (std::integral<Member>) {
    read_integer(from, to, path);
  } else if constexpr (std::floating_point<Member>) {
    if (!from.is_number()) {
      refuse_json(path, fmt::format("is {}, must be a number", from.type_name()));
    }
    const double number = from.template get<double>();
    if (std::abs(number) > std::numeric_limits<Member>::max()) {
      refuse_json(path, fmt::format("is {}, must be a number from {} to {}", from.dump(),
                                    std::numeric_limits<Member>::lowest(), std::numeric_limits<Member>::max()));
    }
    to = static_cast<Member>(number);
  } else {
    if constexpr (std::is_enum_v<Member>) {
      if (std::underlying_type_t<Member> number{}; from.is_number()) {
        read_integer(from, number, path);
      }
    }
    converted(path, [&] { from.get_to(to); });
  }
}

// How deep objects and arrays are within each other, at most; a look at the text that needs no memory, so
// that a parser is never led into the depth. What is no JSON, the parser will find.
inline std::size_t json_depth(std::string_view text) {
  std::size_t depth = 0;
  std::size_t deepest = 0;
  bool in_string = false;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const char character = text[at];
    if (in_string) {
      at += character == '\\' ? 1 : 0;
      in_string = character != '"';
    } else if (character == '"') {
      in_string = true;
    } else if (character == '{' || character == '[') {
      deepest = std::max(deepest, ++depth);
    } else if ((character == '}' || character == ']') && depth > 0) {
      --depth;
    }
  }
  return deepest;
}

}  // namespace detail

/// A `codec_of` all catalogs whose payloads' members are texts, numbers, booleans, described payloads,
/// std::optional or std::vector of these, or types that nlohmann_json converts. An absent optional is left
/// out, and may be null; a member that the description does not have is passed over, so a later version may
/// add optional ones. **Errors**: `json_error`. Thread-safe.
class json_codec {
 public:
  explicit json_codec(json_limits limits = {}) : limits_{limits} {}

  template <described_payload Payload>
  std::string encode(const Payload& payload) const {
    std::string text;
    try {
      text = detail::json_of_payload(payload, {}).dump();
    } catch (const nlohmann::json::exception& error) {
      throw json_error{error.what()};  // text that is not UTF-8
    }
    require_limits(text);
    return text;
  }

  template <described_payload Payload>
  Payload decode(std::string_view text) const {
    require_limits(text);
    if (text.find('\0') != std::string_view::npos) {
      throw json_error{"the payload's text has a NUL"};
    }
    Payload payload{};
    try {
      detail::read_payload(nlohmann::json::parse(text), payload, {});
    } catch (const nlohmann::json::exception& error) {
      throw json_error{error.what()};
    }
    return payload;
  }

 private:
  void require_limits(std::string_view text) const {
    if (text.size() > limits_.max_size) {
      throw json_error{fmt::format("the payload has {} bytes, must be {} or fewer", text.size(), limits_.max_size)};
    }
    if (const std::size_t depth = detail::json_depth(text); depth > limits_.max_depth) {
      throw json_error{fmt::format("the payload is {} levels deep, must be {} or fewer", depth, limits_.max_depth)};
    }
  }

  json_limits limits_;
};

}  // namespace event_relay
