// SPDX-License-Identifier: MIT
#include "event_relay/core/payload.hpp"

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "support/catch.hpp"

// A type of somebody else, described from outside.
namespace foreign {
struct parcel {
  std::int64_t number;
  double weight;
  std::string_view label;
};
}  // namespace foreign

template <>
inline constexpr auto event_relay::payload_description<foreign::parcel> = event_relay::payload_fields(
    event_relay::reference("label", &foreign::parcel::label), event_relay::field("weight", &foreign::parcel::weight),
    event_relay::reference("number", &foreign::parcel::number));

namespace {

using namespace event_relay;

struct order {
  std::string id;
  std::string note;
  std::int64_t number = 0;
  std::optional<std::string> coupon;
  std::uint32_t shop = 0;
  const char* region = "";

  static constexpr auto fields = payload_fields(
      reference("shopId", &order::shop), field("note", &order::note), reference("orderId", &order::id),
      field("coupon", &order::coupon), reference("number", &order::number), reference("region", &order::region));
};
struct silent {
  int secret = 0;
  static constexpr auto fields = payload_fields(field("secret", &silent::secret));
};
struct bare {
  static constexpr auto fields = payload_fields();
};
struct undescribed {
  std::string id;
};
struct described_by_a_number {
  static constexpr int fields = 1;
};
struct describes_another {
  static constexpr auto fields = order::fields;
};
struct describes_half {
  std::string id;
  static constexpr auto fields = std::tuple{field("id", &describes_half::id), 5};
};

struct urgent_order : undescribed {
  int hours = 0;
  static constexpr auto fields =
      payload_fields(reference("orderId", &urgent_order::id), field("hours", &urgent_order::hours));
};

static_assert(described_payload<urgent_order>);
static_assert(described_payload<order> && described_payload<silent> && described_payload<bare>);
static_assert(described_payload<foreign::parcel>);
static_assert(!described_payload<described_by_a_number> && !described_payload<describes_another>);
static_assert(!described_payload<describes_half> && !described_payload<undescribed>);
static_assert(!described_payload<int> && !described_payload<std::string> && !described_payload<void>);
static_assert(!described_payload<order&> && !described_payload<order*>);

enum class colour : std::int32_t {};
static_assert(reference_member<std::string> && reference_member<std::string_view> && reference_member<const char*>);
static_assert(reference_member<std::int8_t> && reference_member<int> && reference_member<std::int64_t>);
static_assert(reference_member<std::uint8_t> && reference_member<std::uint32_t> && reference_member<const int>);
static_assert(!reference_member<std::uint64_t> && !reference_member<bool>);
static_assert(!reference_member<double> && !reference_member<colour> && !reference_member<std::optional<std::string>>);
static_assert(!reference_member<std::vector<char>> && !reference_member<void*>);

template <class Member>
concept can_be_reference = requires(Member undescribed::*member) {
  reference("name", member);
};
static_assert(can_be_reference<std::string> && !can_be_reference<double> && !can_be_reference<std::uint64_t>);

static_assert(decltype(reference("id", &order::id))::is_reference && !decltype(field("id", &order::id))::is_reference);
static_assert(std::same_as<decltype(field("id", &order::id))::member_type, std::string>);
static_assert(std::tuple_size_v<decltype(order::fields)> == 6 && std::get<1>(order::fields).name == "note");

constexpr foreign::parcel small{7, 0.5, "small"};
static_assert(references(small).size() == 2 && references(small)[0].name == "label");
static_assert(std::get<std::int64_t>(references(small)[1].value) == 7);
static_assert(references(silent{}).empty() && references(bare{}).empty());

template <class Names>
concept is_accepted = requires {
  typename std::bool_constant<(payload_fields(field(Names::first, &order::id), field(Names::second, &order::note)),
                               true)>;
};
struct different {
  static constexpr std::string_view first = "id", second = "note";
};
struct equal {
  static constexpr std::string_view first = "id", second = "id";
};
struct first_empty {
  static constexpr std::string_view first = "", second = "note";
};
struct second_empty {
  static constexpr std::string_view first = "id", second = "";
};
static_assert(is_accepted<different> && !is_accepted<equal> && !is_accepted<first_empty> && !is_accepted<second_empty>);

}  // namespace

TEST_CASE("reference_member: a truth value or an integer beyond 64 bits, is none") {
  CHECK_FALSE(reference_member<const bool>);
#ifdef __SIZEOF_INT128__
  __extension__ using int128 = __int128;  // integral with the compilers' extensions, as in -std=gnu++20
  CHECK_FALSE(reference_member<int128>);
#endif
}

TEST_CASE("references: a payload with texts and numbers, the reference fields in the description's order") {
  const order sent{"o-1", "private", -42, "private", 4'000'000'000U, "north"};
  const auto found = references(sent);
  REQUIRE(found.size() == 4);
  const std::pair<std::string_view, std::variant<std::string_view, std::int64_t>> expected[] = {
      {"shopId", std::int64_t{4'000'000'000}}, {"orderId", "o-1"}, {"number", std::int64_t{-42}}, {"region", "north"}};
  for (std::size_t at = 0; at < found.size(); ++at) {
    CHECK(found[at].name == expected[at].first);
    CHECK(bool(found[at].value == expected[at].second));
  }
}

TEST_CASE("references: texts, are views of the payload") {
  const order sent{"o-1", "", 0, {}, 0, "north"};
  const auto found = references(sent);
  CHECK(static_cast<const void*>(std::get<std::string_view>(found[1].value).data()) == sent.id.data());
  CHECK(static_cast<const void*>(std::get<std::string_view>(found[3].value).data()) == sent.region);
}

TEST_CASE("references: the ends of 64 bits, are kept") {
  for (const std::int64_t number :
       {std::numeric_limits<std::int64_t>::min(), std::numeric_limits<std::int64_t>::max()}) {
    order sent;
    sent.number = number;
    CHECK(std::get<std::int64_t>(references(sent)[2].value) == number);
  }
}

TEST_CASE("payload_description: a type of somebody else, is described from outside") {
  const auto found = references(foreign::parcel{5, 1.5, "fragile"});
  REQUIRE(found.size() == 2);
  CHECK(std::get<std::string_view>(found[0].value) == "fragile");
  CHECK(std::get<std::int64_t>(found[1].value) == 5);
}

TEST_CASE("references: a member that the payload inherits, its value") {
  urgent_order sent;
  sent.id = "o-7";
  const auto found = references(sent);
  REQUIRE(found.size() == 1);
  CHECK(std::get<std::string_view>(found[0].value) == "o-7");
}

TEST_CASE("for_each_field: any described payload, each field once in order with its value") {
  const order sent{"o-1", "a note", 3, "X", 9, "north"};
  std::vector<std::string_view> names;
  std::vector<const void*> addresses;
  std::size_t count_of_references = 0;
  for_each_field(sent, [&](const auto& each, const auto& value) {
    names.push_back(each.name);
    addresses.push_back(&value);
    count_of_references += each.is_reference ? 1 : 0;
  });
  CHECK(names == std::vector<std::string_view>{"shopId", "note", "orderId", "coupon", "number", "region"});
  CHECK(addresses ==
        std::vector<const void*>{&sent.shop, &sent.note, &sent.id, &sent.coupon, &sent.number, &sent.region});
  CHECK(count_of_references == 4);
  static_assert([] {
    double total = 0;
    for_each_field(small, [&]<class Value>(const auto&, const Value& value) {
      if constexpr (std::is_arithmetic_v<Value>) {
        total += static_cast<double>(value);
      }
    });
    return total;
  }() == 7.5);
}
