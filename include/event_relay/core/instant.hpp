// SPDX-License-Identifier: MIT
// An instant on the wire: UTC milliseconds, and their one text form, ISO 8601 as in
// 2026-03-20T10:00:00.999Z. Pure arithmetic: nothing here reads a clock or a time zone.
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace event_relay {

/// A point in time: milliseconds of UTC since 1970, leap seconds not counted.
using instant = std::chrono::sys_time<std::chrono::milliseconds>;

/// The last instant the library computes, +275760-09-13T00:00:00.000Z: the end of ECMAScript's range
/// (ECMA-262, 21.4.1.1) and within PostgreSQL's, so that every reader downstream can represent it.
inline constexpr instant max_instant{std::chrono::milliseconds{8'640'000'000'000'000}};
inline constexpr instant min_instant{-max_instant.time_since_epoch()};

/// `from + wait`, held at `max_instant` and `min_instant` instead of overflowing.
constexpr instant saturating_add(instant from, std::chrono::milliseconds wait) {
  if (wait > std::chrono::milliseconds::zero()) {
    return from > max_instant - wait ? max_instant : (std::max)(from + wait, min_instant);
  }
  return from < min_instant - wait ? min_instant : (std::min)(from + wait, max_instant);
}

/// The text of an instant, held without allocation. Years outside 0 to 9999 take the expanded form
/// of ECMA-262 (sign and six digits); an instant beyond `max_instant` is written as `max_instant`.
class iso8601_text {
 public:
  constexpr explicit iso8601_text(instant at);

  constexpr std::string_view view() const { return {text_.data(), size_}; }
  constexpr operator std::string_view() const { return view(); }

 private:
  std::array<char, 27> text_{};
  std::size_t size_ = 0;
};

/// The instant that `text` denotes, or nothing when it is not exactly YYYY-MM-DDTHH:MM:SS.mmmZ with a
/// date that exists, a year from 1970 to 9999 and a time from 00:00:00.000 to 23:59:59.999.
constexpr std::optional<instant> parse_iso8601(std::string_view text);

constexpr iso8601_text::iso8601_text(instant at) {
  const instant clamped = std::clamp(at, min_instant, max_instant);
  const auto day = std::chrono::floor<std::chrono::days>(clamped);

  // Days to a civil date by H. Hinnant, "chrono-Compatible Low-Level Date Algorithms", civil_from_days:
  // std::chrono::year ends at 32767, an instant does not. All is in 32 bits, which takes a third less time.
  const auto shifted = static_cast<std::int32_t>(day.time_since_epoch().count()) + 719'468;
  const std::int32_t era = (shifted >= 0 ? shifted : shifted - 146'096) / 146'097;
  const auto of_era = static_cast<std::uint32_t>(shifted - era * 146'097);
  const std::uint32_t year_of_era = (of_era - of_era / 1460 + of_era / 36'524 - of_era / 146'096) / 365;
  const std::uint32_t of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const std::uint32_t shifted_month = (5 * of_year + 2) / 153;
  const std::uint32_t month = shifted_month < 10 ? shifted_month + 3 : shifted_month - 9;
  const std::int32_t year = static_cast<std::int32_t>(year_of_era) + era * 400 + (month <= 2 ? 1 : 0);

  char* end = text_.data();
  const auto put = [&end](char character) { *end++ = character; };
  const auto put_two = [put](std::uint32_t value) {
    put(static_cast<char>('0' + value / 10));
    put(static_cast<char>('0' + value % 10));
  };
  const auto absolute = static_cast<std::uint32_t>(year < 0 ? -year : year);
  if (year < 0 || year > 9999) {
    put(year < 0 ? '-' : '+');
    put_two(absolute / 10'000);
  }
  put_two(absolute / 100 % 100);
  put_two(absolute % 100);
  put('-');
  put_two(month);
  put('-');
  put_two(of_year - (153 * shifted_month + 2) / 5 + 1);
  put('T');
  const auto of_day = static_cast<std::uint32_t>((clamped - day).count());
  const std::uint32_t seconds = of_day / 1000;
  put_two(seconds / 3600);
  put(':');
  put_two(seconds / 60 % 60);
  put(':');
  put_two(seconds % 60);
  put('.');
  const std::uint32_t milliseconds = of_day % 1000;
  put(static_cast<char>('0' + milliseconds / 100));
  put_two(milliseconds % 100);
  put('Z');
  size_ = static_cast<std::size_t>(end - text_.data());
}

constexpr std::optional<instant> parse_iso8601(std::string_view text) {
  constexpr std::string_view shape = "dddd-dd-ddTdd:dd:dd.dddZ";
  if (text.size() != shape.size()) {
    return std::nullopt;
  }
  for (std::size_t at = 0; at < shape.size(); ++at) {
    const bool is_digit = text[at] >= '0' && text[at] <= '9';
    if (shape[at] == 'd' ? !is_digit : text[at] != shape[at]) {
      return std::nullopt;
    }
  }
  const auto number = [text](std::size_t at, std::size_t count) {
    int value = 0;
    for (const char digit : text.substr(at, count)) {
      value = value * 10 + (digit - '0');
    }
    return value;
  };
  using namespace std::chrono;
  const year_month_day date{year{number(0, 4)}, month{static_cast<unsigned>(number(5, 2))},
                            day{static_cast<unsigned>(number(8, 2))}};
  const int hour = number(11, 2);
  const int minute = number(14, 2);
  const int second = number(17, 2);
  if (date.year() < year{1970} || !date.ok() || hour > 23 || minute > 59 || second > 59) {
    return std::nullopt;
  }
  return sys_days{date} + hours{hour} + minutes{minute} + seconds{second} + milliseconds{number(20, 3)};
}

}  // namespace event_relay
