// SPDX-License-Identifier: MIT
#include "money.hpp"

#include <optional>
#include <string_view>

#include "support/catch.hpp"

namespace {

using namespace bookings;

std::optional<std::int64_t> cents(std::string_view price, std::int64_t nights) {
  const auto parsed = parse_decimal(price);
  return parsed ? cents_for(*parsed, nights) : std::nullopt;
}

TEST_CASE("money: price by nights, exact cents rounded half up") {
  struct row {
    std::string_view price;
    std::int64_t nights;
    std::int64_t expected;
  };
  for (const row& each :
       {row{"75", 2, 15'000}, row{"0", 5, 0}, row{"75.5", 0, 0}, row{"82.33", 3, 24'699}, row{"0.005", 1, 1},
        row{"0.0049", 1, 0}, row{"0.004999", 1, 0}, row{"1.005", 1, 101}, row{"1.115", 1, 112}, row{"0.125", 1, 13},
        row{"33.335", 1, 3334}, row{"-0", 3, 0}, row{"107.333333", 3, 32'200}, row{"0.000000000000000001", 1, 0},
        row{"92233720368547758", 1, 9'223'372'036'854'775'800}}) {
    INFO(each.price << " x " << each.nights);
    CHECK(cents(each.price, each.nights) == each.expected);
  }
}

TEST_CASE("money: negative or out of range, no amount") {
  CHECK_FALSE(cents("-1", 1));
  CHECK_FALSE(cents("1", -1));
  CHECK_FALSE(cents("92233720368547759", 1));
  CHECK_FALSE(cents("999999999999999999", 100'000));
}

TEST_CASE("money: not a decimal number, nothing") {
  for (const std::string_view text : {"", "-", ".", "1.", ".5", "1..2", "1.2.3", "1,5", "1e3", "+1", " 1", "1 ", "0x10",
                                      "nan", "inf", "--1", "1-", "1234567890123456789"}) {
    INFO('"' << text << '"');
    CHECK_FALSE(parse_decimal(text));
  }
}

}  // namespace
