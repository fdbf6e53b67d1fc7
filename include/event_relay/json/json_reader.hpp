// SPDX-License-Identifier: MIT
// A payload from parsed JSON, as if a stranger had written it: every value must be of its member's type and
// fit, and the fault names the member.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "event_relay/core/payload.hpp"
#include "event_relay/json/json_error.hpp"
#include "event_relay/json/json_member.hpp"

namespace event_relay::detail {

inline void require_json(bool is_so, const nlohmann::json& from, std::string_view expected, const json_path* path) {
  if (!is_so) {
    refuse_json(path, fmt::format("is {}, must be {}", from.type_name(), expected));
  }
}

template <class Member>
void read_json(const nlohmann::json& from, Member& to, const json_path* path);

template <described_payload Payload>
void read_payload(const nlohmann::json& from, Payload& to, const json_path* path) {
  require_json(from.is_object(), from, "an object", path);
  const auto read = [&](const auto& each) {
    const json_path inner{path, each.name};
    const auto found = from.find(each.name);
    auto& member = to.*each.member;
    if (found != from.end()) {
      read_json(*found, member, &inner);
    } else if constexpr (is_a<std::remove_cvref_t<decltype(member)>, std::optional>) {
      member.reset();
    } else {
      refuse_json(&inner, "is missing");
    }
  };
  std::apply([&](const auto&... each) { (read(each), ...); }, payload_description<Payload>);
}

template <json_integer Number>
void read_integer(const nlohmann::json& from, Number& to, const json_path* path) {
  const auto take_if_it_fits = [&](auto number) {
    to = static_cast<Number>(number);
    return std::in_range<Number>(number);
  };
  const bool fits = from.is_number_unsigned()  ? take_if_it_fits(from.get<std::uint64_t>())
                    : from.is_number_integer() ? take_if_it_fits(from.get<std::int64_t>())
                                               : false;
  if (!fits) {
    refuse_json(
        path, fmt::format("is {}, must be an integer from {} to {}", from.is_number() ? from.dump() : from.type_name(),
                          (std::numeric_limits<Number>::min)(), (std::numeric_limits<Number>::max)()));
  }
}

template <class Number>
void read_number(const nlohmann::json& from, Number& to, const json_path* path) {
  require_json(from.is_number(), from, "a number", path);
  const double number = from.get<double>();
  if (std::abs(number) > (std::numeric_limits<Number>::max)()) {
    refuse_json(path, fmt::format("is {}, must be a number from {} to {}", from.dump(),
                                  std::numeric_limits<Number>::lowest(), (std::numeric_limits<Number>::max)()));
  }
  to = static_cast<Number>(number);
}

// An array of just as many elements.
template <class Tuple>
void read_tuple(const nlohmann::json& from, Tuple& to, const json_path* path) {
  require_json(from.is_array(), from, "an array", path);
  constexpr std::size_t size = std::tuple_size_v<Tuple>;
  if (from.size() != size) {
    refuse_json(path, fmt::format("has {} elements, must have {}", from.size(), size));
  }
  auto each = from.begin();
  if constexpr (is_std_array<Tuple>) {
    for (auto& element : to) {
      read_json(*each++, element, path);
    }
  } else {
    std::apply([&](auto&... element) { (read_json(*each++, element, path), ...); }, to);
  }
}

template <class Member>
void read_json(const nlohmann::json& from, Member& to, const json_path* path) {
  constexpr json_kind kind = json_kind_of<Member>;
  if constexpr (kind == json_kind::payload) {
    read_payload(from, to, path);
  } else if constexpr (kind == json_kind::json) {
    to = from;
  } else if constexpr (kind == json_kind::boolean) {
    require_json(from.is_boolean(), from, "a boolean", path);
    to = from.get<bool>();
  } else if constexpr (kind == json_kind::integer) {
    read_integer(from, to, path);
  } else if constexpr (kind == json_kind::number) {
    read_number(from, to, path);
  } else if constexpr (kind == json_kind::text) {
    require_json(from.is_string(), from, "a string", path);
    to = from.get_ref<const std::string&>();
  } else if constexpr (kind == json_kind::optional) {
    if (from.is_null()) {
      to.reset();
    } else {
      read_json(from, to.emplace(), path);
    }
  } else if constexpr (kind == json_kind::array || kind == json_kind::tuple) {
    read_tuple(from, to, path);
  } else if constexpr (kind == json_kind::sequence) {
    require_json(from.is_array(), from, "an array", path);
    to.clear();
    for (const nlohmann::json& each : from) {
      typename Member::value_type value{};
      read_json(each, value, path);
      to.insert(to.end(), std::move(value));
    }
  } else if constexpr (kind == json_kind::map) {
    require_json(from.is_object(), from, "an object", path);
    to.clear();
    for (const auto& [key, each] : from.get_ref<const nlohmann::json::object_t&>()) {
      typename Member::mapped_type value{};
      read_json(each, value, path);
      to.insert_or_assign(key, std::move(value));
    }
  } else if constexpr (kind == json_kind::converted) {
    // An enumerator without a conversion of the host's is its number, which nlohmann_json would narrow.
    if constexpr (std::is_enum_v<Member> && !converted_by_host<Member>) {
      if (std::underlying_type_t<Member> number{}; from.is_number()) {
        read_integer(from, number, path);
      }
    }
    converted(path, [&] { from.get_to(to); });
  }
}

}  // namespace event_relay::detail
