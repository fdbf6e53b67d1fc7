// SPDX-License-Identifier: MIT
// What an event carries, described once by its author: the wire names of its members, and which of them
// are references (the ids that breadcrumbs may show). Breadcrumbs read the description, codecs do too.
#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>

namespace event_relay {

/// The value of a reference field: a text, which is a view of the payload, or a number.
struct reference_value {
  std::string_view name;
  std::variant<std::string_view, std::int64_t> value;
};

/// What a reference field may be: a text, or an integer that fits 64 bits with its sign.
template <class Member>
concept reference_member = std::convertible_to<const Member&, std::string_view> ||
    (std::integral<Member> && !std::same_as<std::remove_cv_t<Member>, bool> &&
     (std::is_signed_v<Member> ? sizeof(Member) <= 8 : sizeof(Member) < 8));

/// One member of a payload: its name on the wire, and where it is.
template <class Payload, class Member, bool IsReference>
struct payload_field {
  using member_type = Member;
  static constexpr bool is_reference = IsReference;
  std::string_view name;
  Member Payload::*member;
};

/// A member that breadcrumbs leave out.
template <class Payload, class Member>
consteval payload_field<Payload, Member, false> field(std::string_view name, Member Payload::*member) {
  return {name, member};
}

/// A member that identifies what the event is about: breadcrumbs show it, under its wire name.
template <class Payload, reference_member Member>
consteval payload_field<Payload, Member, true> reference(std::string_view name, Member Payload::*member) {
  return {name, member};
}

namespace detail {

// The names of a breadcrumb's own details, beside which references appear.
inline constexpr std::array<std::string_view, 16> breadcrumb_detail_names = {
    "eventName",     "eventId", "replayed", "outcome",      "workerStatus", "workerCorrelationId",
    "retry",         "dlq",     "error",    "notification", "channel",      "recipientUserId",
    "correlationId", "subject", "body",     "queuedAt"};

}  // namespace detail

/// A payload's description, in the order of the wire. Two fields of one name, one without a name, or a
/// reference with the name of a breadcrumb's own detail do not compile.
template <class... Fields>
consteval std::tuple<Fields...> payload_fields(Fields... fields) {
  constexpr std::size_t count = sizeof...(Fields);
  const std::array<std::string_view, count> names{fields.name...};
  const std::array<bool, count> are_references{fields.is_reference...};
  for (std::size_t at = 0; at < count; ++at) {
    if (names[at].empty()) {
      throw "event_relay: a payload field has an empty name";
    }
    for (const std::string_view reserved : detail::breadcrumb_detail_names) {
      if (are_references[at] && names[at] == reserved) {
        throw "event_relay: a reference field has the name of a breadcrumb's own detail";
      }
    }
    for (std::size_t other = 0; other < at; ++other) {
      if (names[other] == names[at]) {
        throw "event_relay: two payload fields have the same name";
      }
    }
  }
  return {fields...};
}

namespace detail {

struct no_description {};

template <class Payload>
consteval auto own_description() {
  if constexpr (requires { Payload::fields; }) {
    return Payload::fields;
  } else {
    return no_description{};
  }
}

}  // namespace detail

/// The description of `Payload`: its static member `fields`, or a specialization by the host for a type
/// that cannot be changed.
///
///     struct booking {
///       std::string id;
///       std::string service;
///       static constexpr auto fields = event_relay::payload_fields(
///           event_relay::reference("bookingId", &booking::id), event_relay::field("service", &booking::service));
///     };
template <class Payload>
inline constexpr auto payload_description = detail::own_description<Payload>();

namespace detail {

template <class Payload, class Description>
inline constexpr bool describes = false;
template <class Payload, class... Owners, class... Members, bool... IsReference>
inline constexpr bool describes<Payload, std::tuple<payload_field<Owners, Members, IsReference>...>> =
    (std::is_base_of_v<Owners, Payload> && ...);

}  // namespace detail

/// A type whose members are described by `payload_description`.
template <class Type>
concept described_payload =
    std::is_object_v<Type> && detail::describes<Type, std::remove_cvref_t<decltype(payload_description<Type>)>>;

/// Calls `visit(field, value)` for each described member, in order.
template <described_payload Payload, class Visitor>
constexpr void for_each_field(const Payload& payload, Visitor&& visit) {
  std::apply([&](const auto&... each) { (visit(each, payload.*each.member), ...); }, payload_description<Payload>);
}

/// The reference fields of `payload` with their values, in order; views of `payload`.
template <described_payload Payload>
constexpr auto references(const Payload& payload) {
  constexpr std::size_t count =
      std::apply([](const auto&... each) { return (std::size_t{0} + ... + (each.is_reference ? 1U : 0U)); },
                 payload_description<Payload>);
  std::array<reference_value, count> values{};
  std::size_t filled = 0;
  for_each_field(payload, [&]<class Field>(const Field& each, const auto& value) {
    if constexpr (Field::is_reference) {
      if constexpr (std::integral<typename Field::member_type>) {
        values[filled++] = {each.name, static_cast<std::int64_t>(value)};
      } else {
        values[filled++] = {each.name, std::string_view{value}};
      }
    }
  });
  return values;
}

}  // namespace event_relay
