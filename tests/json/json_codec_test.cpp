// SPDX-License-Identifier: MIT
// Payloads to JSON and back: every kind of member at its limits, the words of each refusal, the bounds of
// size and depth, and texts that a stranger wrote.
#include "event_relay/json/json_codec.hpp"

#include <array>
#include <bit>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <iterator>
#include <limits>
#include <list>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "event_relay/core/random.hpp"
#include "event_relay/outbox/codec.hpp"
#include "event_relay/outbox/notification_events.hpp"
#include "support/catch.hpp"
#include "support/sample_events.hpp"

// A type that the host cannot change, a container at that.
namespace event_relay_test_third_party {
struct grid : std::vector<int> {
  using std::vector<int>::vector;
};
}  // namespace event_relay_test_third_party

namespace nlohmann {
template <>
struct adl_serializer<event_relay_test_third_party::grid> {
  static void to_json(json& to, const event_relay_test_third_party::grid& from) {
    to = fmt::format("{}", fmt::join(from, "x"));
  }
  static void from_json(const json& from, event_relay_test_third_party::grid& to) {
    to.clear();
    std::istringstream text{from.get<std::string>()};
    for (std::string number; std::getline(text, number, 'x');) {
      to.push_back(std::stoi(number));
    }
  }
};
}  // namespace nlohmann

namespace {

using namespace event_relay;
using namespace std::string_literals;

// One member of any type, named "value".
template <class Member>
struct holds {
  Member value{};
  static constexpr auto fields = payload_fields(field("value", &holds::value));
  bool operator==(const holds&) const = default;
};

// A host's own type, with its own words: "12.50".
struct money {
  std::int64_t cents = 0;
  bool operator==(const money&) const = default;
};
void to_json(nlohmann::ordered_json& to, const money& from) {
  to = fmt::format("{}.{:02}", from.cents / 100, from.cents % 100);
}
void from_json(const nlohmann::json& from, money& to) {
  const std::string text = from.get<std::string>();
  const std::size_t dot = text.find('.');
  if (dot == std::string::npos) {
    throw std::invalid_argument("\"" + text + "\" is no amount");
  }
  to.cents = std::stoll(text.substr(0, dot)) * 100 + std::stoll(text.substr(dot + 1));
}

enum class colour { unknown, red, green };
NLOHMANN_JSON_SERIALIZE_ENUM(colour, {{colour::unknown, nullptr}, {colour::red, "red"}, {colour::green, "green"}})

struct address {
  std::string city;
  std::optional<std::string> street;
  static constexpr auto fields = payload_fields(field("city", &address::city), field("street", &address::street));
  bool operator==(const address&) const = default;
};

// A host's type with whose conversions nothing goes well.
struct unspeakable {
  bool operator==(const unspeakable&) const = default;
};
[[noreturn]] void to_json(nlohmann::ordered_json&, const unspeakable&) { throw std::invalid_argument("cannot say"); }
[[noreturn]] void from_json(const nlohmann::json&, unspeakable&) { throw 42; }

// Converted by nlohmann_json as its number.
enum class level : std::uint8_t { low, high };

// Members that are not empty by default.
struct defaulted {
  std::vector<int> list{1, 2};
  std::optional<int> number = 7;
  static constexpr auto fields = payload_fields(field("list", &defaulted::list), field("number", &defaulted::number));
};

// A host's container with words of its own: "a b".
struct tags : std::vector<std::string> {
  using std::vector<std::string>::vector;
};
void to_json(nlohmann::json& to, const tags& from) { to = fmt::format("{}", fmt::join(from, " ")); }
void from_json(const nlohmann::json& from, tags& to) {
  std::istringstream words{from.get<std::string>()};
  to.assign(std::istream_iterator<std::string>{words}, {});
}

// Containers whose conversions are templates: of the JSON as NLOHMANN_DEFINE_TYPE_INTRUSIVE writes them from
// nlohmann_json 3.12 on, and of the elements, JSON itself among them.
struct noted : std::vector<int> {
  std::string note;
};
template <class Json>
requires std::same_as<Json, nlohmann::json> || std::same_as<Json, nlohmann::ordered_json>
void to_json(Json& to, const noted& from) { to = from.note; }
template <class Json>
requires std::same_as<Json, nlohmann::json>
void from_json(const Json& from, noted& to) { to.note = from.template get<std::string>(); }

template <class Element>
struct counted : std::vector<Element> {
  using std::vector<Element>::vector;
};
template <class Element>
void to_json(nlohmann::json& to, const counted<Element>& from) {
  to = from.size();
}
template <class Element>
void from_json(const nlohmann::json& from, counted<Element>& to) {
  to.resize(from.get<std::size_t>());
}

// nlohmann_json's own functions, which a member of JSON brings into the search, are no host's.
template <class Member>
constexpr bool is_for_the_library = !detail::converted_by_host<Member>;
static_assert(is_for_the_library<std::vector<int>> && is_for_the_library<std::vector<bool>>);
static_assert(is_for_the_library<std::map<std::string, double>>);
static_assert(is_for_the_library<std::vector<nlohmann::json>> && is_for_the_library<nlohmann::json::object_t>);
static_assert(is_for_the_library<std::map<std::string, std::vector<nlohmann::json>>>);
static_assert(is_for_the_library<nlohmann::ordered_json::array_t>);
static_assert(is_for_the_library<nlohmann::json::binary_t> && is_for_the_library<nlohmann::ordered_json>);
static_assert(detail::has_to_json<tags> && !detail::has_to_ordered_json<tags>);
static_assert(detail::has_to_ordered_json<money> && !detail::has_to_json<money>);
static_assert(detail::has_to_json_template<noted> && !detail::has_to_json<noted>);
static_assert(detail::has_to_json<counted<nlohmann::json>>);

struct oddly_named {
  int quoted = 0;
  int broken = 0;
  static constexpr auto fields =
      payload_fields(field("a\"b", &oddly_named::quoted), field("ü\n", &oddly_named::broken));
  bool operator==(const oddly_named&) const = default;
};

// Only what the quick reader reads.
struct plain_members {
  std::string id;
  std::int8_t number = 0;
  std::vector<std::string> list;
  std::optional<std::string> note;
  bool flag = false;
  static constexpr auto fields = payload_fields(
      reference("id", &plain_members::id), field("number", &plain_members::number), field("list", &plain_members::list),
      field("note", &plain_members::note), field("flag", &plain_members::flag));
  bool operator==(const plain_members&) const = default;
};

// A payload within itself.
struct folder {
  std::vector<folder> inner;
  static constexpr auto fields = payload_fields(field("inner", &folder::inner));
  bool operator==(const folder&) const = default;
};

struct identified {
  std::string id;
  bool operator==(const identified&) const = default;
};

// One of each; described in another order than declared, the inherited member among them.
struct everything : identified {
  bool flag = false;
  std::int32_t count = 0;
  std::uint64_t large = 0;
  double ratio = 0;
  std::optional<std::string> note;
  std::optional<std::vector<double>> readings;
  std::vector<std::optional<int>> gaps;
  address home;
  std::optional<address> work;
  std::vector<address> stops;
  money price;
  colour paint = colour::unknown;
  std::map<std::string, std::string> labels;

  static constexpr auto fields = payload_fields(
      field("ratio", &everything::ratio), reference("thingId", &everything::id), field("flag", &everything::flag),
      reference("count", &everything::count), field("large", &everything::large), field("note", &everything::note),
      field("readings", &everything::readings), field("gaps", &everything::gaps), field("home", &everything::home),
      field("work", &everything::work), field("stops", &everything::stops), field("price", &everything::price),
      field("paint", &everything::paint), field("labels", &everything::labels));
  bool operator==(const everything&) const = default;
};

const everything full = [] {
  everything one;
  one.id = "thing-1";
  one.flag = true;
  one.count = -7;
  one.large = 18'446'744'073'709'551'615U;
  one.ratio = 0.1;
  one.note = "line\nbreak";
  one.readings = {1.0, -2.5};
  one.gaps = {1, std::nullopt, 3};
  one.home = {"Berlin", std::nullopt};
  one.work = {"Köln", "Ring 1"};
  one.stops = {{"Ulm", std::nullopt}, {"Bonn", "Markt"}};
  one.price = {1250};
  one.paint = colour::green;
  one.labels = {{"b", "2"}, {"a", "1"}};
  return one;
}();
constexpr std::string_view full_text =
    R"({"ratio":0.1,"thingId":"thing-1","flag":true,"count":-7,"large":18446744073709551615,"note":"line\nbreak",)"
    R"("readings":[1.0,-2.5],"gaps":[1,null,3],"home":{"city":"Berlin"},"work":{"city":"Köln","street":"Ring 1"},)"
    R"("stops":[{"city":"Ulm"},{"city":"Bonn","street":"Markt"}],"price":"12.50","paint":"green",)"
    R"("labels":{"a":"1","b":"2"}})";

using everything_happened = domain_event<"everything.happened", everything>;
static_assert(codec_of<json_codec, event_relay_test::sample_events>);
static_assert(codec_of<json_codec, event_catalog<everything_happened, email_notification, push_notification>>);
static_assert(!codec_of<json_limits, event_relay_test::sample_events>);
static_assert(!std::convertible_to<json_limits, json_codec>);

const json_codec codec;

template <class Member>
std::string written(const Member& value) {
  return codec.encode(holds<Member>{value});
}

template <class Member>
Member read(std::string_view json) {
  return codec.decode<holds<Member>>(fmt::format(R"({{"value":{}}})", json)).value;
}

template <class Member>
bool comes_back(const Member& value) {
  return codec.decode<holds<Member>>(written(value)) == holds<Member>{value};
}

template <std::floating_point Number>
bool bits_come_back(Number number) {
  const Number back = codec.decode<holds<Number>>(written(number)).value;
  return back == number && std::signbit(back) == std::signbit(number);
}

template <class Act>
std::string refused(Act act) {
  try {
    act();
  } catch (const json_error& error) {
    return error.what();
  }
  return "not refused";
}

// What is said of {"value": json} for a member of that type.
template <class Member>
std::string said_of(std::string_view json) {
  return refused([&] { read<Member>(json); });
}

template <class Payload>
std::string said_of_text(std::string_view text, json_limits limits = {}) {
  return refused([&] { json_codec{limits}.decode<Payload>(text); });
}

template <class Member>
std::string said_of_writing(const Member& value) {
  return refused([&] { written(value); });
}

bool contains(std::string_view text, std::string_view part) { return text.find(part) != std::string_view::npos; }

std::string repeated(std::string_view part, std::size_t times) {
  std::string text;
  for (std::size_t at = 0; at < times; ++at) {
    text += part;
  }
  return text;
}

folder nested(std::size_t folders) {
  folder outermost;
  for (std::size_t at = 1; at < folders; ++at) {
    folder outer;
    outer.inner.push_back(std::move(outermost));
    outermost = std::move(outer);
  }
  return outermost;
}

// A space before the text keeps it from the quick reader.
template <class Payload>
void check_both_readers(std::string_view text) {
  CAPTURE(text);
  std::optional<Payload> quick;
  std::optional<Payload> thorough;
  refused([&] { quick = codec.decode<Payload>(text); });
  refused([&] { thorough = codec.decode<Payload>(' ' + std::string{text}); });
  CHECK((quick == thorough));
}

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

}  // namespace

TEST_CASE("json_codec: one of each member, the text in the description's order and the same value back") {
  CHECK(codec.encode(full) == full_text);
  CHECK((codec.decode<everything>(full_text) == full));
}

TEST_CASE("json_codec: the least of each member, absent optionals are left out") {
  CHECK(codec.encode(everything{}) ==
        R"({"ratio":0.0,"thingId":"","flag":false,"count":0,"large":0,"gaps":[],"home":{"city":""},"stops":[],)"
        R"("price":"0.00","paint":null,"labels":{}})");
  CHECK((codec.decode<everything>(codec.encode(everything{})) == everything{}));
}

TEST_CASE("json_codec: a notification, its fixed text") {
  CHECK(codec.encode(notification_payload{"ada", "Booked", "see you", "mail"}) ==
        R"({"recipientUserId":"ada","subject":"Booked","body":"see you","discriminator":"mail"})");
  CHECK(codec.encode(notification_payload{.recipient = "ada", .body = "see you"}) ==
        R"({"recipientUserId":"ada","body":"see you","discriminator":""})");
}

TEST_CASE("json_codec: text, escaped as JSON demands and no further") {
  const std::pair<std::string, std::string> rows[] = {
      {"", R"("")"},
      {"\0\x01\x1f"s, R"("\u0000\u0001\u001f")"},
      {"\b\t\n\f\r", R"("\b\t\n\f\r")"},
      {R"("\/)", R"("\"\\/")"},
      {"\x7f\u0080\u2028", "\"\x7f\u0080\u2028\""},
      {"grüße \U0001F600", "\"grüße \U0001F600\""},
  };
  for (const auto& [text, json] : rows) {
    CHECK(written(text) == fmt::format(R"({{"value":{}}})", json));
    CHECK(comes_back(text));
  }
  CHECK(read<std::string>(R"("\u0041\/\ud83d\ude00\u00e9")") == "A/\U0001F600é");
}

TEST_CASE("json_codec: text of every kind of character, comes back") {
  std::string ascii;
  for (char character = 0; character < 127; ++character) {
    ascii += character;
  }
  CHECK(comes_back(ascii));
  for (const std::string_view edge :
       {"\u0080", "\u07ff", "\u0800", "\ud7ff", "\ue000", "\ufdd0", "\ufffe", "\uffff", "\U00010000", "\U0010ffff"}) {
    CHECK(comes_back(std::string{edge}));
  }
}

TEMPLATE_TEST_CASE("json_codec: integers of every width, kept to their limits and refused beyond", "", std::int8_t,
                   std::int16_t, std::int32_t, std::int64_t, std::uint8_t, std::uint16_t, std::uint32_t, std::uint64_t,
                   long, unsigned long long) {
  using limits = std::numeric_limits<TestType>;
  for (const TestType number : {limits::min(), TestType{0}, TestType{1}, limits::max()}) {
    CHECK(written(number) == fmt::format(R"({{"value":{}}})", number));
    CHECK(comes_back(number));
  }
  const std::string range = fmt::format("an integer from {} to {}", limits::min(), limits::max());
  // The limit with a digit more is beyond it in every width.
  for (const std::string& beyond : {fmt::format("{}0", limits::max()), fmt::format("-{}0", limits::max())}) {
    const std::string said = said_of<TestType>(beyond);
    CHECK(said.starts_with("value: is "));
    CHECK(said.ends_with(", must be " + range));
  }
  for (const std::string_view fraction : {"1.5", "1.0", "0.0", "100.0", "-2.5", "1e+100"}) {
    CHECK(said_of<TestType>(fraction) == fmt::format("value: is {}, must be {}", fraction, range));
  }
}

TEST_CASE("json_codec: integers one beyond their limits, refused with the number and the range") {
  CHECK(said_of<std::int8_t>("128") == "value: is 128, must be an integer from -128 to 127");
  CHECK(said_of<std::int8_t>("-129") == "value: is -129, must be an integer from -128 to 127");
  CHECK(said_of<std::uint8_t>("256") == "value: is 256, must be an integer from 0 to 255");
  CHECK(said_of<std::uint8_t>("-1") == "value: is -1, must be an integer from 0 to 255");
  CHECK(said_of<std::int16_t>("32768") == "value: is 32768, must be an integer from -32768 to 32767");
  CHECK(said_of<std::uint16_t>("65536") == "value: is 65536, must be an integer from 0 to 65535");
  CHECK(said_of<std::int32_t>("2147483648") ==
        "value: is 2147483648, must be an integer from -2147483648 to 2147483647");
  CHECK(said_of<std::uint32_t>("4294967296") == "value: is 4294967296, must be an integer from 0 to 4294967295");
  CHECK(said_of<std::int64_t>("9223372036854775808") ==
        "value: is 9223372036854775808, must be an integer from -9223372036854775808 to 9223372036854775807");
  CHECK(said_of<std::int64_t>("-9223372036854775809") ==
        "value: is -9.223372036854776e+18, must be an integer from -9223372036854775808 to 9223372036854775807");
  CHECK(said_of<std::uint64_t>("18446744073709551616") ==
        "value: is 1.8446744073709552e+19, must be an integer from 0 to 18446744073709551615");
  CHECK(said_of<std::uint64_t>("-1") == "value: is -1, must be an integer from 0 to 18446744073709551615");
  CHECK(read<std::int8_t>("-0") == 0);
}

TEST_CASE("json_codec: doubles, back to the last bit") {
  using limits = std::numeric_limits<double>;
  for (const double number : {0.0, -0.0, 0.1, 1.0 / 3, 1e22, 1e23, 123456789012345680.0, limits::min(), limits::max(),
                              limits::lowest(), limits::denorm_min(), -limits::denorm_min(), limits::epsilon()}) {
    CHECK(bits_come_back(number));
  }
  CHECK(written(-0.0) == R"({"value":-0.0})");
  std::mt19937_64 random{20260320};
  int finite = 0;
  int changed = 0;
  for (int round = 0; round < 2'000; ++round) {
    if (const auto number = std::bit_cast<double>(random()); std::isfinite(number)) {
      ++finite;
      changed += bits_come_back(number) ? 0 : 1;
    }
  }
  CHECK(finite > 1'900);
  CHECK(changed == 0);
}

TEST_CASE("json_codec: floats, back to the last bit") {
  using limits = std::numeric_limits<float>;
  for (const float number : {0.0F, -0.0F, 0.1F, 1.0F / 3, limits::min(), limits::max(), limits::lowest(),
                             limits::denorm_min(), -limits::denorm_min(), limits::epsilon()}) {
    CHECK(bits_come_back(number));
  }
}

TEST_CASE("json_codec: a number without a fraction, read as the double that it is") {
  CHECK(read<double>("5") == 5.0);
  CHECK(read<double>("-3") == -3.0);
  CHECK(read<double>("18446744073709551615") == 18446744073709551615.0);
  CHECK(read<double>("1E5") == 1e5);
  CHECK(read<float>("5") == 5.0F);
}

TEST_CASE("json_codec: booleans, true and false") {
  for (const bool value : {true, false}) {
    CHECK(comes_back(value));
  }
  CHECK(written(std::vector<bool>{true, false}) == R"({"value":[true,false]})");
  CHECK(comes_back(std::vector<bool>{true, false, true}));
}

TEST_CASE("json_codec: optionals, left out when absent and absent when null") {
  CHECK(written(std::optional<int>{}) == "{}");
  CHECK(written(std::optional<int>{0}) == R"({"value":0})");
  CHECK(comes_back(std::optional<int>{}));
  CHECK(comes_back(std::optional<int>{0}));
  CHECK(comes_back(std::optional<std::string>{""}));
  CHECK_FALSE(read<std::optional<int>>("null").has_value());
  CHECK_FALSE(read<std::optional<address>>("null").has_value());
  CHECK((read<std::optional<address>>(R"({"city":"Ulm","street":null})") == address{"Ulm", std::nullopt}));
}

TEST_CASE("json_codec: vectors, of optionals and in optionals, come back with what is absent in its place") {
  CHECK(comes_back(std::vector<std::string>{}));
  CHECK(comes_back(std::vector<std::string>{"", "b", ""}));
  CHECK(written(std::vector<std::optional<int>>{1, std::nullopt}) == R"({"value":[1,null]})");
  CHECK(comes_back(std::vector<std::optional<int>>{std::nullopt, 1, std::nullopt}));
  CHECK(comes_back(std::optional<std::vector<int>>{}));
  CHECK(written(std::optional<std::vector<int>>{std::vector<int>{}}) == R"({"value":[]})");
  CHECK(comes_back(std::optional<std::vector<int>>{std::vector<int>{}}));
  CHECK(comes_back(std::optional<std::vector<int>>{{1, 2}}));
  CHECK(comes_back(std::vector<std::vector<std::uint8_t>>{{}, {0, 255}}));
  CHECK((comes_back(std::vector<holds<std::vector<address>>>{{}, {{{"Ulm", "Ring"}, {"Bonn", std::nullopt}}}})));
}

TEST_CASE("json_codec: members that are not empty by default, replaced by what is read") {
  const auto read = codec.decode<defaulted>(R"({"list":[3],"number":null})");
  CHECK(read.list == std::vector{3});
  CHECK_FALSE(read.number.has_value());
  CHECK(codec.decode<defaulted>(R"({"list":[],"number":8})").number == 8);
}

TEST_CASE("json_codec: types that nlohmann_json converts, come back") {
  CHECK(comes_back(money{123'456}));
  CHECK(comes_back(std::vector<money>{{1}, {2}}));
  CHECK(comes_back(std::optional<money>{{99}}));
  CHECK(written(colour::green) == R"({"value":"green"})");
  CHECK(comes_back(colour::red));
  CHECK(comes_back(std::vector<colour>{colour::green, colour::unknown}));
  CHECK((comes_back(std::map<std::string, int>{{"a", 1}, {"b", -2}})));
  CHECK((comes_back(std::array<int, 3>{1, 2, 3})));
  CHECK((comes_back(std::pair<std::string, bool>{"a", true})));
  // The macro's rule: what it does not list is the first that it does.
  CHECK(read<colour>(R"("blue")") == colour::unknown);
}

TEST_CASE("json_codec: a host's conversion that throws, refused with the member and the host's words") {
  CHECK(said_of<money>(R"("much")") == R"(value: "much" is no amount)");
  CHECK(said_of<std::vector<money>>(R"(["1.00","much"])") == R"(value: "much" is no amount)");
  CHECK(said_of<holds<money>>(R"({"value":"much"})") == R"(value.value: "much" is no amount)");
  const std::string said = said_of<money>("12");
  CHECK(said.starts_with("value: "));
  CHECK(contains(said, "type must be string, but is number"));
}

TEST_CASE("json_codec: a value of the wrong type, refused with the member, what it is and what it must be") {
  CHECK(said_of<std::string>("1") == "value: is number, must be a string");
  CHECK(said_of<std::string>("null") == "value: is null, must be a string");
  CHECK(said_of<std::string>("true") == "value: is boolean, must be a string");
  CHECK(said_of<std::string>("[]") == "value: is array, must be a string");
  CHECK(said_of<std::string>("{}") == "value: is object, must be a string");
  CHECK(said_of<bool>("1") == "value: is number, must be a boolean");
  CHECK(said_of<bool>("null") == "value: is null, must be a boolean");
  CHECK(said_of<bool>(R"("true")") == "value: is string, must be a boolean");
  CHECK(said_of<double>(R"("1.5")") == "value: is string, must be a number");
  CHECK(said_of<double>("true") == "value: is boolean, must be a number");
  CHECK(said_of<double>("null") == "value: is null, must be a number");
  CHECK(said_of<std::int8_t>(R"("1")") == "value: is string, must be an integer from -128 to 127");
  CHECK(said_of<std::int8_t>("true") == "value: is boolean, must be an integer from -128 to 127");
  CHECK(said_of<std::int8_t>("null") == "value: is null, must be an integer from -128 to 127");
  CHECK(said_of<std::vector<int>>(R"({"0":1})") == "value: is object, must be an array");
  CHECK(said_of<std::vector<int>>("null") == "value: is null, must be an array");
  CHECK(said_of<std::vector<bool>>("[true,0]") == "value: is number, must be a boolean");
  CHECK(said_of<std::optional<bool>>("0") == "value: is number, must be a boolean");
  CHECK(said_of<std::vector<std::optional<std::string>>>("[null,1]") == "value: is number, must be a string");
  CHECK(said_of<address>("[]") == "value: is array, must be an object");
  CHECK(said_of<address>("null") == "value: is null, must be an object");
  CHECK(said_of<std::optional<address>>(R"("Ulm")") == "value: is string, must be an object");
  CHECK(said_of<address>(R"({"city":1})") == "value.city: is number, must be a string");
  CHECK(said_of<std::vector<address>>(R"([{"city":"Ulm","street":[]}])") == "value.street: is array, must be a string");
  CHECK(said_of<holds<holds<bool>>>(R"({"value":{"value":0}})") == "value.value.value: is number, must be a boolean");
}

TEST_CASE("json_codec: a missing member, refused with its place") {
  CHECK(said_of_text<holds<int>>("{}") == "value: is missing");
  CHECK(said_of_text<holds<std::vector<int>>>("{}") == "value: is missing");
  CHECK(said_of_text<holds<int>>(R"({"Value":1,"valu":1,"value ":1})") == "value: is missing");
  CHECK(said_of<address>(R"({"street":"Ring"})") == "value.city: is missing");
  CHECK(said_of<std::optional<address>>("{}") == "value.city: is missing");
  CHECK(said_of<std::vector<address>>(R"([{"city":"Ulm"},{}])") == "value.city: is missing");
  CHECK(said_of_text<everything>("{}") == "ratio: is missing");
}

TEST_CASE("json_codec: a text that is no object, refused") {
  CHECK(said_of_text<address>("[]") == "is array, must be an object");
  CHECK(said_of_text<address>("null") == "is null, must be an object");
  CHECK(said_of_text<address>("1") == "is number, must be an object");
  CHECK(said_of_text<address>(R"("Ulm")") == "is string, must be an object");
  CHECK(said_of_text<address>("true") == "is boolean, must be an object");
}

TEST_CASE("json_codec: a text that is no JSON, refused with the parser's words") {
  for (const std::string_view text : {"",
                                      " ",
                                      "{",
                                      "}",
                                      "{\"value\":1",
                                      "{\"value\":1}}",
                                      "{\"value\":1} x",
                                      "{\"value\":1},",
                                      "{\"value\":1}{}",
                                      "{\"value\":1,}",
                                      "{'value':1}",
                                      "{value:1}",
                                      "{\"value\":01}",
                                      "{\"value\":+1}",
                                      "{\"value\":.5}",
                                      "{\"value\":1.}",
                                      "{\"value\":0x1}",
                                      "{\"value\":NaN}",
                                      "{\"value\":Infinity}",
                                      "{\"value\":-}",
                                      "{\"value\":1e}",
                                      "{\"value\":tru}",
                                      "{\"value\":\"\\x\"}",
                                      "{\"value\":\"\\u12g4\"}",
                                      "{\"value\":\"\\ud800\"}",
                                      "{\"value\":\"\\udc00\"}",
                                      "{\"value\":\"\n\"}",
                                      "{\"value\":\"open}",
                                      "{\"value\":\"\\\"}",
                                      "{\"value\" 1}",
                                      "// 1\n{\"value\":1}",
                                      "{\"value\":\"\xff\"}",
                                      "{\"value\":\"\xc0\xaf\"}",
                                      "{\"value\":\"\xed\xa0\x80\"}",
                                      "{\"value\":\"\xf4\x90\x80\x80\"}",
                                      "{\"\xff\":1}",
                                      "\xff\xfe{"}) {
    CAPTURE(text);
    CHECK(contains(said_of_text<holds<int>>(text), "parse error"));
  }
  CHECK(contains(said_of<double>("1e999"), "out_of_range"));
  CHECK(codec.decode<holds<int>>(" \t\r\n{ \"value\" : 1 } \n").value == 1);
}

TEST_CASE("json_codec: a member given twice, the last one counts") {
  CHECK(codec.decode<holds<int>>(R"({"value":1,"value":2})").value == 2);
  CHECK(codec.decode<holds<int>>(R"({"value":"no","value":2})").value == 2);
  CHECK(said_of_text<holds<int>>(R"({"value":2,"value":"no"})") ==
        "value: is string, must be an integer from -2147483648 to 2147483647");
  CHECK((codec.decode<holds<address>>(R"({"value":{"city":"Ulm","street":"Ring"},"value":{"city":"Bonn"}})").value ==
         address{"Bonn", std::nullopt}));
}

TEST_CASE("json_codec: members that the description does not have, passed over whatever they are") {
  CHECK(codec.decode<holds<int>>(R"({"a":null,"value":1,"b":[{"value":2}],"c":{"value":3},"":1e9,"Value":4})").value ==
        1);
  CHECK((read<address>(R"({"city":"Ulm","zip":{"code":[1,2]},"street":"Ring"})") == address{"Ulm", "Ring"}));
}

TEST_CASE("json_codec: numbers that JSON does not have, refused wherever they are") {
  const std::string said = "value: is not a finite number, and JSON has no other";
  for (const double number : {not_a_number, infinity, -infinity}) {
    CHECK(said_of_writing(number) == said);
    CHECK(said_of_writing(static_cast<float>(number)) == said);
    CHECK(said_of_writing(std::optional{number}) == said);
    CHECK(said_of_writing(std::vector{0.0, number}) == said);
    CHECK(said_of_writing(std::vector<std::optional<double>>{std::nullopt, number}) == said);
    CHECK(said_of_writing(std::optional{std::vector{number}}) == said);
    CHECK(said_of_writing(holds<double>{number}) == "value." + said);
    CHECK(said_of_writing(std::vector<holds<double>>{{0.0}, {number}}) == "value." + said);
  }
}

TEST_CASE("json_codec: text that is not UTF-8, refused") {
  for (const std::string_view text :
       {"\xff", "\x80", "\xc3", "\xc0\xaf", "\xe2\x82", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xf8\x88\x80\x80\x80"}) {
    CHECK(contains(said_of_writing("ok " + std::string{text}), "UTF-8"));
    CHECK(contains(said_of_writing(std::vector{std::string{text} + " ok"}), "UTF-8"));
    CHECK(contains(said_of_writing(holds<std::optional<std::string>>{std::string{text}}), "UTF-8"));
  }
}

TEST_CASE("json_codec: size, up to the limit and refused beyond it with both numbers") {
  const holds<std::string> sent{"abc"};
  const std::string text = R"({"value":"abc"})";
  const json_codec exact{json_limits{.max_size = 15}};
  CHECK(exact.encode(sent) == text);
  CHECK((exact.decode<holds<std::string>>(text) == sent));
  const json_codec tight{json_limits{.max_size = 14}};
  const std::string said = "the payload has 15 bytes, must be 14 or fewer";
  CHECK(refused([&] { static_cast<void>(tight.encode(sent)); }) == said);
  CHECK(said_of_text<holds<std::string>>(text, {.max_size = 14}) == said);
  CHECK(said_of_text<holds<std::string>>(std::string(15, '{'), {.max_size = 14}) == said);

  constexpr std::size_t frame = std::string_view{R"({"value":""})"}.size();
  const holds<std::string> largest{std::string((1U << 20U) - frame, 'x')};
  CHECK((codec.decode<holds<std::string>>(codec.encode(largest)) == largest));
  CHECK(said_of_writing(largest.value + 'x') == "the payload has 1048577 bytes, must be 1048576 or fewer");
}

TEST_CASE("json_codec: depth, up to the limit and refused beyond it") {
  // Each folder is an object and the array in it.
  CHECK(comes_back(nested(15)));
  CHECK((codec.decode<folder>(codec.encode(nested(16))) == nested(16)));
  const std::string said = "the payload is more than 32 levels deep";
  CHECK(said_of_writing(nested(16)) == said);
  CHECK(refused([] { static_cast<void>(codec.encode(nested(17))); }) == said);
  CHECK(refused([] { static_cast<void>(codec.encode(nested(5'000))); }) == said);
  nlohmann::json arrays;
  for (int level = 0; level < 2'000; ++level) {
    arrays = nlohmann::json::array({std::move(arrays)});
  }
  CHECK(said_of_writing(std::vector<nlohmann::json>{std::move(arrays)}) == said);
  const json_codec flat{json_limits{.max_depth = 1}};
  CHECK(flat.encode(holds<int>{1}) == R"({"value":1})");
  CHECK(flat.decode<holds<int>>(R"({"value":1})").value == 1);
  CHECK(said_of_text<holds<int>>(R"({"value":1,"other":[]})", {.max_depth = 1}) ==
        "the payload is more than 1 levels deep");
  CHECK(said_of_text<holds<int>>("{}", {.max_depth = 0}) == "the payload is more than 0 levels deep");
  CHECK(said_of_text<holds<int>>(R"({"value":1})", {.max_depth = 0}) == "the payload is more than 0 levels deep");
}

TEST_CASE("json_codec: brackets that nobody closes, refused before they are parsed") {
  for (const std::string_view part : {"[", "{", "{\"value\":", "[{\"inner\":["}) {
    const std::size_t times = 1'000'000 / part.size();
    CHECK(said_of_text<folder>(repeated(part, times)) == "the payload is more than 32 levels deep");
  }
  CHECK(said_of_text<folder>(repeated("[", 33)) == "the payload is more than 32 levels deep");
  CHECK(contains(said_of_text<folder>(repeated("[", 32)), "parse error"));
  CHECK(contains(said_of_text<folder>(repeated("]", 100) + repeated("[", 32)), "parse error"));
}

TEST_CASE("json_codec: brackets side by side and in strings, no depth") {
  const json_codec flat{json_limits{.max_depth = 3}};
  const std::string many = repeated("[[]],", 100) + "[]";
  CHECK(flat.decode<holds<int>>(fmt::format(R"({{"a":[],"value":1,"b":{{}},"c":[{}]}})", "[],[],[]")).value == 1);
  CHECK(said_of_text<holds<int>>(fmt::format(R"({{"value":1,"a":[{}]}})", many), {.max_depth = 3}) ==
        "the payload is more than 3 levels deep");
  for (const std::string_view text : {"[[[[[[", "{{{{{{", "\"[[[[[[", "\\", "\\\"[[[[[[", "\\\\\"{{{{{{", "]]]]"}) {
    CHECK((flat.decode<holds<std::string>>(flat.encode(holds<std::string>{std::string{text}})).value == text));
  }
  // A backslash that is itself escaped ends no string too late.
  CHECK(said_of_text<holds<std::string>>(R"({"value":"\\","deep":[[[]]]})", {.max_depth = 3}) ==
        "the payload is more than 3 levels deep");
  CHECK(flat.decode<holds<std::string>>(R"({"value":"\"[[[[","\\\"{{{{":1})").value == "\"[[[[");
}

TEST_CASE("json_codec: random bytes, refused with a json_error or read") {
  std::mt19937_64 random{3};
  constexpr std::string_view alphabet = R"({}[]:,"\ntruefalsl0123456789-+.eEu )";
  int refusals = 0;
  for (int round = 0; round < 6'000; ++round) {
    std::string text = round % 3 == 2 ? R"({"value":)" : "";
    for (std::uint64_t left = uniform(random, 40); left > 0; --left) {
      text += round % 3 == 0 ? static_cast<char>(uniform(random, 255)) : alphabet[uniform(random, alphabet.size() - 1)];
    }
    refusals += said_of_text<holds<std::vector<int>>>(text) != "not refused" ? 1 : 0;
  }
  CHECK(refusals > 5'900);
}

TEST_CASE(
    "json_codec: random changes to a valid text, refused with a json_error or read as what can be written again") {
  std::mt19937_64 random{4};
  constexpr std::string_view pieces[] = {"{", "}", "[", "]", "\"", "\\", ",", ":", "null", "1e400", "-", "\xff", "0"};
  int refusals = 0;
  int different = 0;
  constexpr int turns = 3'000;
  for (int round = 0; round < turns; ++round) {
    std::string text{full_text};
    for (std::uint64_t changes = 1 + uniform(random, 2); changes > 0; --changes) {
      const std::size_t at = uniform(random, text.size() - 1);
      switch (uniform(random, 4)) {
        case 0: text[at] = static_cast<char>(uniform(random, 255)); break;
        case 1: text.erase(at, 1 + uniform(random, 7)); break;
        case 2: text.insert(at, pieces[uniform(random, std::size(pieces) - 1)]); break;
        case 3: text.insert(at, std::string{text, at, uniform(random, 30)}); break;
        default: text.resize(at + 1); break;
      }
    }
    const std::string said = refused([&] {
      const auto read = codec.decode<everything>(text);
      different += read == codec.decode<everything>(codec.encode(read)) ? 0 : 1;
    });
    refusals += said != "not refused" ? 1 : 0;
  }
  CHECK(different == 0);
  CHECK(refusals > turns / 2);
  CHECK(refusals < turns);
}

TEST_CASE("json_codec: an optional with a default of its own, comes back absent if it was") {
  CHECK_FALSE(codec.decode<defaulted>(codec.encode(defaulted{{}, std::nullopt})).number.has_value());
}

TEST_CASE("json_codec: text that is not UTF-8, refused with the member") {
  CHECK(said_of_writing(std::string{"\xff"}) == "value: is not UTF-8");
  CHECK(said_of_writing(address{"Ulm", "\xff"}) == "value.street: is not UTF-8");
  CHECK((said_of_writing(std::map<std::string, int>{{"\xff", 1}}) == "value: is not UTF-8"));
  CHECK(said_of_writing(nlohmann::json{{"a", "\xff"}}) == "value: is not UTF-8");
}

TEST_CASE("json_codec: a number beyond a float's range, refused") {
  CHECK(said_of<float>("1e300").starts_with("value: is 1e+300, must be a number from -3.4"));
  CHECK(said_of<float>("-1e39").starts_with("value: is -1e+39, must be a number from -3.4"));
}

TEST_CASE("json_codec: a number that JSON does not have, refused in every container") {
  const std::string said = "value: is not a finite number, and JSON has no other";
  CHECK((said_of_writing(std::map<std::string, double>{{"a", not_a_number}}) == said));
  CHECK((said_of_writing(std::array<double, 2>{0, infinity}) == said));
  CHECK((said_of_writing(std::pair{1, infinity}) == said));
  CHECK(said_of_writing(nlohmann::json{{"a", {1, not_a_number}}}) == said);
}

TEST_CASE("json_codec: an enumerator's number, kept and refused out of range") {
  CHECK(written(level::high) == R"({"value":1})");
  CHECK(comes_back(level::high));
  CHECK(said_of<level>("300") == "value: is 300, must be an integer from 0 to 255");
  CHECK(said_of<level>("-1") == "value: is -1, must be an integer from 0 to 255");
  CHECK(said_of<level>("1.9") == "value: is 1.9, must be an integer from 0 to 255");
  CHECK(said_of<level>(R"("high")").starts_with("value: "));
}

TEST_CASE("json_codec: the standard's containers, each comes back") {
  CHECK(written(std::array<std::int8_t, 2>{-1, 2}) == R"({"value":[-1,2]})");
  CHECK((comes_back(std::array<std::int8_t, 2>{-1, 2})));
  CHECK((comes_back(std::array<address, 1>{address{"Ulm", "Ring"}})));
  CHECK((comes_back(std::array<int, 0>{})));
  CHECK(written(std::pair{"a"s, std::optional<bool>{}}) == R"({"value":["a",null]})");
  CHECK((comes_back(std::tuple{1, "b"s, 2.5, std::vector{true}})));
  CHECK((written(std::map<std::string, address>{{"b", {"Ulm", std::nullopt}}, {"a\n", {"Bonn", "Markt"}}}) ==
         R"({"value":{"a\n":{"city":"Bonn","street":"Markt"},"b":{"city":"Ulm"}}})"));
  CHECK((comes_back(std::map<std::string, address>{{"b", {"Ulm", std::nullopt}}, {"a\n", {"Bonn", "Markt"}}})));
  CHECK((comes_back(std::map<std::string, std::map<std::string, std::int8_t>>{{"", {{"a", -1}}}, {"b", {}}})));
  CHECK((comes_back(std::unordered_map<std::string, std::uint8_t>{{"a", 1}, {"b", 255}})));
  CHECK((comes_back(std::map<std::string, std::optional<int>>{{"a", 1}, {"b", std::nullopt}})));
  CHECK(comes_back(std::set<std::string>{"b", "a"}));
  CHECK(comes_back(std::deque<std::int16_t>{1, -2}));
  CHECK(comes_back(std::list<money>{{1}, {250}}));
  CHECK((comes_back(std::vector<std::pair<int, std::string>>{{1, "a"}, {2, "b"}})));
}

TEST_CASE("json_codec: a wrong value in a container, refused like any other") {
  CHECK((said_of<std::map<std::string, std::int8_t>>(R"({"a":300})")) ==
        "value: is 300, must be an integer from -128 to 127");
  CHECK((said_of<std::map<std::string, int>>("[]")) == "value: is array, must be an object");
  CHECK((said_of<std::map<std::string, address>>(R"({"a":{}})")) == "value.city: is missing");
  CHECK((said_of<std::array<std::int8_t, 1>>("[1.9]")) == "value: is 1.9, must be an integer from -128 to 127");
  CHECK((said_of<std::array<int, 2>>("[1]")) == "value: has 1 elements, must have 2");
  CHECK((said_of<std::array<int, 2>>("[1,2,3]")) == "value: has 3 elements, must have 2");
  CHECK((said_of<std::array<int, 2>>("{}")) == "value: is object, must be an array");
  CHECK((said_of<std::pair<int, std::uint8_t>>("[1,-1]")) == "value: is -1, must be an integer from 0 to 255");
  CHECK((said_of<std::pair<int, int>>("[1]")) == "value: has 1 elements, must have 2");
  CHECK((said_of<std::set<std::uint8_t>>("[1,256]")) == "value: is 256, must be an integer from 0 to 255");
}

TEST_CASE("json_codec: a member that is JSON itself, comes back whatever it holds") {
  const nlohmann::json any = nlohmann::json::parse(
      R"({"a":[1,-2,2.5,-0.0,18446744073709551615,true,null,"\n\u0001"],"b":{},"c":[],"d":1e300})");
  CHECK(written(any) == fmt::format(R"({{"value":{}}})", any.dump()));
  for (const nlohmann::json& each : {any, nlohmann::json{}, nlohmann::json(1), nlohmann::json("a")}) {
    CHECK(comes_back(each));
  }
  CHECK(comes_back(std::vector<nlohmann::json>{any, 1, nullptr}));
  CHECK(comes_back(std::map<std::string, nlohmann::json>{{"a", any}, {"b", 1}}));
  CHECK(comes_back(std::map<std::string, std::vector<nlohmann::json>>{{"a", {any, "b"}}}));
  CHECK(said_of_writing(nlohmann::json::binary({1, 2})) == "value: is binary, which JSON does not have");
  CHECK(said_of_writing(nlohmann::json(nlohmann::json::value_t::discarded)) ==
        "value: is discarded, which JSON does not have");
}

TEST_CASE("json_codec: a host's container or third party's type, by the host's own conversion") {
  CHECK(written(tags{"a", "b"}) == R"({"value":"a b"})");
  CHECK(comes_back(tags{"a", "b"}));
  CHECK(written(noted{{1, 2}, "two"}) == R"({"value":"two"})");
  CHECK(read<noted>(R"("two")").note == "two");
  CHECK(written(counted<int>{1, 2}) == R"({"value":2})");
  CHECK(written(counted<nlohmann::json>{1, "a", nullptr}) == R"({"value":3})");
  CHECK(read<counted<nlohmann::json>>("3").size() == 3);
  CHECK(written(event_relay_test_third_party::grid{{1, 2}}) == R"({"value":"1x2"})");
  CHECK(comes_back(event_relay_test_third_party::grid{{1, 2}}));
}

TEST_CASE("json_codec: a value that becomes null in an optional, refused since none is null, too") {
  const std::string said = "value: is a value that becomes null, which would be read as none";
  CHECK(said_of_writing(std::optional{colour::unknown}) == said);
  CHECK(said_of_writing(std::vector{std::optional{colour::unknown}}) == said);
  CHECK(said_of_writing(std::optional{nlohmann::json{}}) == said);
  CHECK(comes_back(std::optional{colour::red}));
  CHECK(comes_back(std::optional{"null"s}));
}

TEST_CASE("json_codec: text after a NUL, refused like any other") {
  CHECK(said_of_text<holds<int>>("{\"value\":1}\0garbage"s) == "the payload's text has a NUL");
  CHECK(said_of_text<holds<int>>("{\"value\":1}\0"s) == "the payload's text has a NUL");
  CHECK(said_of_text<holds<std::string>>("{\"value\":\"\\\0\"}"s) == "the payload's text has a NUL");
}

TEST_CASE("json_codec: a host's conversion that throws whatever it likes, a json_error with the member") {
  CHECK(said_of_writing(unspeakable{}) == "value: cannot say");
  CHECK(said_of<unspeakable>("1") == "value: the conversion threw something that is not a std::exception");
}

TEST_CASE("json_codec: the text of an error, bounded and UTF-8 whatever was in the payload") {
  const std::string ellipsis = "\u2026";
  const std::string of_parser = said_of_text<holds<int>>(repeated("ü", 1'000));
  CHECK(of_parser.size() <= json_error::max_size);
  const std::string of_token = said_of_text<holds<int>>(R"({"value":")" + repeated("\xff", 100'000));
  CHECK(contains(of_token, "\ufffd"));
  CHECK_FALSE(contains(of_token, "\xff"));
  for (std::size_t shift = 0; shift < 4; ++shift) {
    const std::string said =
        said_of_text<holds<int>>(R"({"value":)" + repeated("x", shift) + repeated("\U0001f600", 900));
    CHECK(said.size() <= json_error::max_size);
    const std::string of_host = said_of<money>('"' + repeated("x", shift) + repeated("\U0001f600", 900) + '"');
    CHECK(of_host.size() <= json_error::max_size);
    CHECK(of_host.size() > json_error::max_size - 4 - ellipsis.size());
    CHECK(of_host.ends_with("\U0001f600" + ellipsis));
  }
  CHECK(std::string_view{json_error{std::string(497, 'x')}.what()} == std::string(497, 'x'));

  const json_codec deep{json_limits{.max_depth = 1'000}};
  const std::string of_path =
      refused([&] { deep.decode<folder>(repeated(R"({"inner":[)", 400) + "1" + repeated("]}", 400)); });
  CHECK(of_path.starts_with("inner.inner."));
  CHECK(of_path.ends_with(ellipsis + ": is number, must be an object"));
}

TEST_CASE("json_codec: text as it was written and text with a space before it, read as the same") {
  for (const std::string_view value : {"0",           "-0",
                                       "-1",          "00",
                                       "01",          "-01",
                                       "-",           "--1",
                                       "+1",          "1.0",
                                       "1e0",         "1E0",
                                       "0x1",         "127",
                                       "128",         "-128",
                                       "-129",        "99999999999999999999",
                                       "1 ",          "null",
                                       "true",        "false",
                                       "tru",         "truex",
                                       "[]",          "[1]",
                                       "[1,]",        "[,1]",
                                       "[1,,2]",      "[1,2]",
                                       "[1 ,2]",      "[1",
                                       "[1]]",        "[null]",
                                       "[null,1]",    "[[1]]",
                                       "{}",          "{\"value\":1}",
                                       "\"\"",        "\"a\"",
                                       "\"a",         "\"\\n\"",
                                       "\"\\u0041\"", "\"\\x\"",
                                       "\"\\\"",      "\"\\\\\"",
                                       "\"\n\"",      "\"\x7f\"",
                                       "\"\xff\"",    "\"\xc3\"",
                                       "\"ü\ufffd\"", "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"",
                                       "\"a\"b",      ""}) {
    for (const std::string_view form :
         {R"({{"value":{}}})", R"({{"value":{}}}x)", R"({{"value":{},}})", R"({{,"value":{}}})",
          R"({{"valu":1,"value":{}}})", R"({{"value":{},"value":1}})", R"({{"value" :{}}})", R"({{"value":{})",
          R"({{"value"{}}})", R"([{{"value":{}}}])"}) {
      const std::string text = fmt::format(fmt::runtime(form), value);
      check_both_readers<holds<std::int8_t>>(text);
      check_both_readers<holds<std::uint64_t>>(text);
      check_both_readers<holds<bool>>(text);
      check_both_readers<holds<std::string>>(text);
      check_both_readers<holds<std::optional<int>>>(text);
      check_both_readers<holds<std::vector<std::optional<int>>>>(text);
      check_both_readers<holds<std::set<int>>>(text);
      check_both_readers<holds<holds<int>>>(text);
      check_both_readers<holds<double>>(text);
    }
  }
}

TEST_CASE("json_codec: text as it was written, read without the parser up to the depth") {
  const plain_members sent{"thing-1 \"ü\"\n", -70, {"a", "b"}, std::nullopt, true};
  plain_members read;
  CHECK(detail::quick_json_reader{codec.encode(sent), 2}.read_all(read));
  CHECK((read == sent));
  CHECK_FALSE(detail::quick_json_reader{codec.encode(sent), 1}.read_all(read));
}

TEST_CASE("json_codec: names that JSON escapes, written and read as such") {
  CHECK(codec.encode(oddly_named{1, 2}) == R"({"a\"b":1,"ü\n":2})");
  CHECK((codec.decode<oddly_named>(codec.encode(oddly_named{1, 2})) == oddly_named{1, 2}));
  CHECK(contains(said_of_text<oddly_named>("{\"a\"b\":1,\"ü\n\":2}"), "parse error"));
}

TEST_CASE("json_codec: random changes to a text as it was written, read as the same by both readers") {
  std::mt19937_64 random{5};
  const std::string written_text = codec.encode(plain_members{"thing-1 \"ü\"", -70, {"a", "b\n"}, std::nullopt, true});
  constexpr std::string_view pieces = R"({}[]:,"\-0123456789.e nulltruefalse)";
  for (int round = 0; round < 3'000; ++round) {
    std::string text = written_text;
    for (std::uint64_t changes = 1 + uniform(random, 1); changes > 0; --changes) {
      const std::size_t at = uniform(random, text.size() - 1);
      switch (uniform(random, 3)) {
        case 0: text[at] = static_cast<char>(uniform(random, 255)); break;
        case 1: text[at] = pieces[uniform(random, pieces.size() - 1)]; break;
        case 2: text.insert(at, 1, pieces[uniform(random, pieces.size() - 1)]); break;
        default: text.erase(at, 1 + uniform(random, 2)); break;
      }
    }
    check_both_readers<plain_members>(text);
  }
}
