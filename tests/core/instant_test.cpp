// SPDX-License-Identifier: MIT
#include "event_relay/core/instant.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include <fmt/format.h>

#include "support/catch.hpp"

namespace {

using namespace event_relay;
using namespace std::chrono_literals;
using std::chrono::days;
using std::chrono::milliseconds;
using std::chrono::sys_days;
using std::chrono::year;
using std::chrono::year_month_day;

std::string text_of(instant at) { return std::string{iso8601_text{at}.view()}; }
constexpr instant at_count(std::int64_t count) { return instant{milliseconds{count}}; }

static_assert(std::is_trivially_copyable_v<iso8601_text>);  // it never allocates
static_assert(iso8601_text{sys_days{year{2026} / 3 / 20} + 10h + 999ms}.view() == "2026-03-20T10:00:00.999Z");
static_assert(parse_iso8601("2026-03-20T10:00:00.999Z") == instant{sys_days{year{2026} / 3 / 20} + 10h + 999ms});
static_assert(!parse_iso8601("2026-03-20T10:00:00Z"));
static_assert(saturating_add(instant{}, 5ms) == instant{5ms} && saturating_add(max_instant, 1ms) == max_instant);
static_assert(std::string_view{iso8601_text{instant{}}} == "1970-01-01T00:00:00.000Z");

// The text of a moment of a day within std::chrono's years, by std::chrono's calendar.
std::string text_by_chrono(sys_days day, milliseconds of_day) {
  const year_month_day date{day};
  const int number = static_cast<int>(date.year());
  const std::string year_text = number < 0      ? fmt::format("-{:06}", -number)
                                : number > 9999 ? fmt::format("+{:06}", number)
                                                : fmt::format("{:04}", number);
  const auto count = of_day.count();
  return fmt::format("{}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", year_text, static_cast<unsigned>(date.month()),
                     static_cast<unsigned>(date.day()), count / 3'600'000, count / 60'000 % 60, count / 1000 % 60,
                     count % 1000);
}

// A moment of the day that differs from day to day and reaches every hour, minute, second and millisecond.
milliseconds moment_of(sys_days day) {
  return milliseconds{((day.time_since_epoch().count() % 86'400'000) * 7'919'333 % 86'400'000 + 86'400'000) %
                      86'400'000};
}

}  // namespace

TEST_CASE("iso8601_text: known instants, their texts") {
  const std::pair<std::int64_t, std::string_view> cases[] = {
      {0, "1970-01-01T00:00:00.000Z"},
      {1, "1970-01-01T00:00:00.001Z"},
      {-1, "1969-12-31T23:59:59.999Z"},
      {951'782'400'000, "2000-02-29T00:00:00.000Z"},
      {1'709'210'096'789, "2024-02-29T12:34:56.789Z"},
      {1'773'999'999'999, "2026-03-20T09:46:39.999Z"},
      {4'107'542'399'999, "2100-02-28T23:59:59.999Z"},
      {4'107'542'400'000, "2100-03-01T00:00:00.000Z"},
      {253'402'300'799'999, "9999-12-31T23:59:59.999Z"},
      {253'402'300'800'000, "+010000-01-01T00:00:00.000Z"},
      {-62'167'219'200'000, "0000-01-01T00:00:00.000Z"},
      {-62'167'219'200'001, "-000001-12-31T23:59:59.999Z"},
      {8'640'000'000'000'000, "+275760-09-13T00:00:00.000Z"},
      {8'639'999'999'999'999, "+275760-09-12T23:59:59.999Z"},
      {-8'640'000'000'000'000, "-271821-04-20T00:00:00.000Z"},
  };
  for (const auto& [count, expected] : cases) {
    CHECK(text_of(at_count(count)) == expected);
  }
}

TEST_CASE("iso8601_text: an instant beyond the range, the end of the range") {
  for (const std::int64_t beyond : {std::int64_t{8'640'000'000'000'001}, std::numeric_limits<std::int64_t>::max()}) {
    CHECK(text_of(at_count(beyond)) == "+275760-09-13T00:00:00.000Z");
    CHECK(text_of(at_count(-beyond)) == "-271821-04-20T00:00:00.000Z");
  }
  CHECK(text_of(instant::min()) == "-271821-04-20T00:00:00.000Z");
}

TEST_CASE("iso8601_text: days of all of std::chrono's years, the date that std::chrono says") {
  std::string wrong;
  const auto compare = [&wrong](sys_days day) {
    const std::string expected = text_by_chrono(day, moment_of(day));
    if (wrong.empty() && text_of(day + moment_of(day)) != expected) {
      wrong = text_of(day + moment_of(day)) + " instead of " + expected;
    }
  };
  for (sys_days day = year{1890} / 1 / 1; day < sys_days{year{2410} / 1 / 1}; day += days{1}) {
    compare(day);
  }
  for (sys_days day = year{-32'000} / 1 / 1; day < sys_days{year{32'000} / 1 / 1}; day += days{97}) {
    compare(day);
  }
  CHECK(wrong == "");
}

TEST_CASE("parse_iso8601: every text of an instant from 1970 to 9999, that instant again") {
  std::string wrong;
  const auto round_trip = [&wrong](instant at) {
    if (wrong.empty() && parse_iso8601(text_of(at)) != at) {
      wrong = text_of(at);
    }
  };
  for (sys_days day = year{1970} / 1 / 1; day <= sys_days{year{9999} / 12 / 31};
       day += days{day < sys_days{} + days{200'000} ? 1 : 13}) {
    round_trip(day + moment_of(day));
  }
  for (std::int64_t second = 0; second < 86'400; ++second) {
    round_trip(at_count(second * 1000 + second % 1000));
  }
  round_trip(at_count(253'402'300'799'999));
  CHECK(wrong == "");
}

TEST_CASE("parse_iso8601: days of every month, those that exist") {
  std::string wrong;
  for (const int number : {1970, 1972, 1999, 2000, 2023, 2024, 2026, 2100, 2400, 9999}) {
    for (unsigned month = 0; month < 100; ++month) {
      for (unsigned day = 0; day < 100; ++day) {
        const year_month_day date{year{number}, std::chrono::month{month}, std::chrono::day{day}};
        const std::string text = fmt::format("{:04}-{:02}-{:02}T00:00:00.000Z", number, month, day);
        const std::optional<instant> parsed = parse_iso8601(text);
        if (wrong.empty() && (parsed.has_value() != date.ok() || (parsed && *parsed != sys_days{date}))) {
          wrong = text;
        }
      }
    }
  }
  CHECK(wrong == "");
}

TEST_CASE("parse_iso8601: every character exchanged for one of another kind, refused") {
  const std::string good = "2026-03-20T10:11:12.131Z";
  REQUIRE(parse_iso8601(good));
  for (std::size_t at = 0; at < good.size(); ++at) {
    for (const char other : {'/', ':', '.', ' ', '-', '+', 'T', 'Z', 't', 'z', ',', 'x', '\0', '\xb2'}) {
      std::string text = good;
      text[at] = other;
      CAPTURE(text);
      CHECK(parse_iso8601(text).has_value() == (text == good));
    }
    CHECK_FALSE(parse_iso8601(good.substr(0, at)));
    CHECK_FALSE(parse_iso8601(good.substr(at + 1)));
  }
}

TEST_CASE("parse_iso8601: a malformed text or a moment that does not exist, refused") {
  for (const std::string_view text : {"2026-03-20T24:00:00.000Z",
                                      "2026-03-20T99:00:00.000Z",
                                      "2026-03-20T10:60:00.000Z",
                                      "2026-03-20T10:00:60.000Z",
                                      "2026-03-20T23:59:60.999Z",
                                      "2026-00-20T10:00:00.000Z",
                                      "2026-13-20T10:00:00.000Z",
                                      "2026-03-00T10:00:00.000Z",
                                      "2026-03-32T10:00:00.000Z",
                                      "2026-04-31T10:00:00.000Z",
                                      "2023-02-29T10:00:00.000Z",
                                      "2100-02-29T10:00:00.000Z",
                                      "2024-02-30T10:00:00.000Z",
                                      "1969-12-31T23:59:59.999Z",
                                      "0000-01-01T00:00:00.000Z",
                                      "0999-01-01T00:00:00.000Z",
                                      "+010000-01-01T00:00:00.000Z",
                                      "-000001-01-01T00:00:00.000Z",
                                      "2026-03-20T10:00:00Z",
                                      "2026-03-20T10:00:00.00Z",
                                      "2026-03-20T10:00:00.0000Z",
                                      "2026-03-20T10:00:00.000",
                                      "2026-03-20T10:00:00.000z",
                                      "2026-03-20t10:00:00.000Z",
                                      "2026-03-20 10:00:00.000Z",
                                      "2026-03-20T10:00:00,000Z",
                                      "2026-03-20T10:00:00.000+00:00",
                                      "20260320T100000.000Z",
                                      "2026-3-20T10:00:00.000Z",
                                      "2026-03-20T10:00:00.000Z ",
                                      " 2026-03-20T10:00:00.000Z",
                                      "2026-03-20T10:00:00.000Z\n",
                                      "2026-03-20",
                                      "",
                                      "null",
                                      "2026-W12-5T10:00:00.000Z",
                                      "2026-079T10:00:00.0000Z"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_iso8601(text));
  }
}

TEST_CASE("saturating_add: sums within the range, exact; beyond it, its ends") {
  constexpr std::int64_t end = 8'640'000'000'000'000;
  constexpr std::int64_t highest = std::numeric_limits<std::int64_t>::max();
  constexpr std::int64_t lowest = std::numeric_limits<std::int64_t>::min();
  struct {
    std::int64_t from, wait, expected;
  } const cases[] = {{0, 0, 0},
                     {5, 7, 12},
                     {5, -7, -2},
                     {0, end, end},
                     {0, end + 1, end},
                     {0, highest, end},
                     {0, -end, -end},
                     {0, -end - 1, -end},
                     {0, lowest, -end},
                     {end, 0, end},
                     {end, 1, end},
                     {end, highest, end},
                     {end, -1, end - 1},
                     {end, lowest, -end},
                     {end - 1, 1, end},
                     {end - 1, 2, end},
                     {end, -2 * end, -end},
                     {end, -2 * end - 1, -end},
                     {-end, 0, -end},
                     {-end, -1, -end},
                     {-end, lowest, -end},
                     {-end, 1, -end + 1},
                     {-end, 2 * end, end},
                     {-end, 2 * end + 1, end},
                     {-end, highest, end},
                     {-end + 1, -1, -end},
                     {-end + 1, -2, -end},
                     {-1, highest, end},
                     {1, lowest, -end}};
  for (const auto& each : cases) {
    CAPTURE(each.from, each.wait);
    CHECK(saturating_add(at_count(each.from), milliseconds{each.wait}).time_since_epoch().count() == each.expected);
  }
}

TEST_CASE("saturating_add: an instant outside the range, is held at the end that it is beyond") {
  constexpr std::int64_t end = 8'640'000'000'000'000;
  constexpr std::int64_t highest = std::numeric_limits<std::int64_t>::max();
  constexpr std::int64_t lowest = std::numeric_limits<std::int64_t>::min();
  struct {
    std::int64_t from, wait, expected;
  } const cases[] = {{highest, 0, end},  {highest, 1, end},      {highest, highest, end}, {end + 1, 0, end},
                     {end + 9, -1, end}, {highest, -1, end},     {lowest, 0, -end},       {lowest, 1, -end},
                     {lowest, -1, -end}, {lowest, lowest, -end}, {-end - 1, 0, -end},     {-end - 9, 1, -end}};
  for (const auto& each : cases) {
    CAPTURE(each.from, each.wait);
    CHECK(saturating_add(at_count(each.from), milliseconds{each.wait}).time_since_epoch().count() == each.expected);
  }
}
