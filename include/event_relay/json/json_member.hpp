// SPDX-License-Identifier: MIT
// What a payload's member may be, and what becomes of it in JSON. A type that could come back as another value
// than was written does not compile: nlohmann_json would narrow numbers and fill views without a word.
#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <exception>
#include <optional>
#include <ranges>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "event_relay/core/payload.hpp"
#include "event_relay/json/json_error.hpp"

namespace event_relay::detail {

template <class Type, template <class...> class Template>
inline constexpr bool is_a = false;
template <template <class...> class Template, class... Arguments>
inline constexpr bool is_a<Template<Arguments...>, Template> = true;

template <class Type>
inline constexpr bool is_std_array = false;
template <class Type, std::size_t Size>
inline constexpr bool is_std_array<std::array<Type, Size>> = true;

template <class Type, class... Others>
concept any_of = (std::same_as<Type, Others> || ...);
template <class Type, class... Others>
concept any_convertible_to = (std::convertible_to<Type, Others> || ...);
template <class Member>
concept json_character = any_of<Member, char, wchar_t, char8_t, char16_t, char32_t>;
template <class Member>
concept json_integer = std::integral<Member> && !std::same_as<Member, bool> && !json_character<Member>;

// Text of char, in whatever memory.
template <class Member>
concept json_text = is_a<Member, std::basic_string> && std::same_as<typename Member::value_type, char>;

// Filled and emptied element by element: the standard's containers, and those that are like them.
template <class Member>
concept json_container = std::ranges::range<Member> && requires(Member& to) {
  to.clear();
  to.insert(to.end(), std::declval<typename Member::value_type>());
};
template <class Member>
concept json_map = json_container<Member> && std::is_object_v<typename Member::mapped_type>;
template <class Map>
concept has_unique_names = std::same_as<typename Map::key_type, std::string> && requires(Map& to) {
  to.insert_or_assign(std::string{}, std::declval<typename Map::mapped_type>());
};

// What does not own what it shows: the text that it was read from is gone when the payload is used.
template <class Member>
concept json_view = std::is_pointer_v<Member> || std::is_array_v<Member> || std::ranges::borrowed_range<Member>;

// No value of these can be made.
struct impossible {
  impossible() = delete;
  impossible(const impossible&) = delete;
};
struct impossible_text : impossible {
  using value_type = impossible;
};
struct impossible_object : impossible {
  using key_type = impossible;
  using mapped_type = impossible;
};

// Become a json& for a function of the host's. They are no templates, for a template's arguments would bring
// nlohmann_json's own functions into the search. A member that holds a nlohmann::json brings them all the same:
// they ask for these types, and take none of them.
struct stand_in_members : impossible {
  using array_t = impossible;
  using binary_t = impossible;
  using boolean_t = impossible;
  using number_float_t = impossible;
  using number_integer_t = impossible;
  using number_unsigned_t = impossible;
  using object_t = impossible_object;
  using string_t = impossible_text;
};
struct json_stand_in : stand_in_members {
  operator nlohmann::json&() const;
};
struct ordered_json_stand_in : stand_in_members {
  operator nlohmann::ordered_json&() const;
};
template <class Member, class StandIn>
concept takes_stand_in = requires(StandIn& to, const Member& from) {
  to_json(to, from);
};
template <class Member>
concept has_to_json = takes_stand_in<Member, json_stand_in>;
template <class Member>
concept has_to_ordered_json = takes_stand_in<Member, ordered_json_stand_in>;

// Becomes a member for a template of the host's that takes a json of nlohmann_json's and no stand-in for one, as
// NLOHMANN_DEFINE_TYPE_INTRUSIVE writes it. nlohmann_json's own functions see neither a container nor a text.
template <class Member>
struct member_stand_in {
  operator const Member&() const;
};
template <class Member>
concept has_to_json_template =
    !any_convertible_to<member_stand_in<Member>, std::string, std::vector<bool>, nlohmann::json::array_t,
                        nlohmann::json::object_t, nlohmann::json::binary_t> &&
    requires(nlohmann::json & to, const member_stand_in<Member>& from) {
  to_json(to, from);
};

// Only nlohmann_json's own adl_serializer takes every other type, too.
struct any_other_type {
  friend void to_json(nlohmann::json&, const any_other_type&);
};
template <class Serializer>
concept takes_any_type = requires(nlohmann::json& to, const any_other_type& from) {
  Serializer::to_json(to, from);
};

// The host wrote a to_json beside the type, or an adl_serializer for it.
template <class Member>
concept converted_by_host = has_to_json<Member> || has_to_ordered_json<Member> || has_to_json_template<Member> ||
    !takes_any_type<nlohmann::adl_serializer<Member>>;

template <class Member>
concept becomes_json = std::convertible_to<const Member&, nlohmann::ordered_json> ||
    std::constructible_from<nlohmann::json, const Member&>;
template <class Member>
concept comes_from_json = requires(const nlohmann::json& from, Member& to) {
  from.get_to(to);
};

// Of a range, nlohmann_json's own conversion would narrow the numbers.
template <class Member>
concept json_convertible = becomes_json<Member> && comes_from_json<Member> &&
    (converted_by_host<Member> || !std::ranges::range<Member>);

enum class json_kind {
  refused,
  payload,
  json,
  boolean,
  integer,
  number,
  text,
  optional,
  array,
  tuple,
  map,
  sequence,
  converted
};

template <class Member>
consteval json_kind find_json_kind() {
  constexpr bool never = !std::same_as<Member, Member>;
  if constexpr (described_payload<Member>) {
    return json_kind::payload;
  } else if constexpr (std::same_as<Member, nlohmann::json>) {
    return json_kind::json;
  } else if constexpr (json_view<Member>) {
    static_assert(never, "event_relay: a payload's member must own what it holds, this type only shows it");
  } else if constexpr (std::same_as<Member, bool>) {
    return json_kind::boolean;
  } else if constexpr (json_character<Member>) {
    static_assert(never, "event_relay: JSON has no characters; make the payload's member a std::string or an integer");
  } else if constexpr (json_integer<Member>) {
    return json_kind::integer;
  } else if constexpr (any_of<Member, float, double>) {
    return json_kind::number;
  } else if constexpr (json_text<Member>) {
    return json_kind::text;
  } else if constexpr (is_a<Member, std::optional>) {
    static_assert(!is_a<typename Member::value_type, std::optional>,
                  "event_relay: JSON cannot tell which optional is absent, the outer or the one in it");
    return json_kind::optional;
  } else if constexpr (is_std_array<Member>) {
    return json_kind::array;
  } else if constexpr (is_a<Member, std::pair> || is_a<Member, std::tuple>) {
    return json_kind::tuple;
  } else if constexpr (json_map<Member> && !converted_by_host<Member>) {
    static_assert(has_unique_names<Member>, "event_relay: the keys of a map must be std::string, and each there once");
    return json_kind::map;
  } else if constexpr (json_container<Member> && !converted_by_host<Member>) {
    return json_kind::sequence;
  } else if constexpr (json_convertible<Member>) {
    return json_kind::converted;
  } else {
    static_assert(never,
                  "event_relay: a payload's member of this type is not JSON; describe the type by "
                  "payload_fields, or write to_json and from_json for it");
  }
  return json_kind::refused;
}

// What becomes of a member of this type.
template <class Member>
inline constexpr json_kind json_kind_of = find_json_kind<Member>();

// Runs a conversion of the host's; what it throws is refused under the member's name.
template <class Convert>
decltype(auto) converted(const json_path* path, Convert convert) {
  try {
    return convert();
  } catch (const std::exception& error) {
    refuse_json(path, error.what());
  } catch (...) {
    refuse_json(path, "the conversion threw something that is not a std::exception");
  }
}

}  // namespace event_relay::detail
