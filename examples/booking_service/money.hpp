// SPDX-License-Identifier: MIT
// Amounts of money as they stand in a file, multiplied exactly: decimal digits in, whole cents out, and no
// binary floating point on the way.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace bookings {

/// A decimal number as it was written: `digits` x 10^-`scale`.
struct decimal {
  bool negative = false;
  std::int64_t digits = 0;
  int scale = 0;
};

/// "75", "75.5" or "-0.25"; nothing for anything else, or for more than 18 significant or decimal digits.
constexpr std::optional<decimal> parse_decimal(std::string_view text) {
  decimal value;
  if (text.starts_with('-')) {
    value.negative = true;
    text.remove_prefix(1);
  }
  constexpr std::int64_t most_before_a_digit = 99'999'999'999'999'999;
  bool in_fraction = false;
  bool has_digit = false;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] == '.' && !in_fraction && has_digit && at + 1 < text.size()) {
      in_fraction = true;
    } else if (text[at] >= '0' && text[at] <= '9' && value.digits <= most_before_a_digit && value.scale < 18) {
      value.digits = value.digits * 10 + (text[at] - '0');
      value.scale += in_fraction ? 1 : 0;
      has_digit = true;
    } else {
      return std::nullopt;
    }
  }
  return has_digit ? std::optional{value} : std::nullopt;
}

/// `price` x `count` in hundredths, rounded half up; nothing if it does not fit or either is negative.
constexpr std::optional<std::int64_t> cents_for(decimal price, std::int64_t count) {
  constexpr std::int64_t most = INT64_MAX / 100;
  if ((price.negative && price.digits != 0) || count < 0 || (count != 0 && price.digits > most / count)) {
    return std::nullopt;
  }
  std::int64_t cents = price.digits * count * 100;
  if (price.scale > 0) {
    std::int64_t unit = 1;
    for (int at = 0; at < price.scale; ++at) {
      unit *= 10;
    }
    const std::int64_t rest = cents % unit;
    cents = cents / unit + (rest >= unit - rest ? 1 : 0);
  }
  return cents;
}

}  // namespace bookings
