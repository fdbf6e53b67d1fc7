// SPDX-License-Identifier: MIT
#include "bookings_csv.hpp"

#include <cstdio>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <fmt/format.h>

#include "support/catch.hpp"

namespace {

using namespace bookings;

const std::string header =
    "hotel,arrival_date_year,arrival_date_month,arrival_date_day_of_month,stays_in_weekend_nights,"
    "stays_in_week_nights,country,adr,reservation_status\n";
const std::string good = "Resort Hotel,2015,July,1,1,2,PRT,75.5,Check-Out\n";

using stream = std::unique_ptr<std::FILE, int (*)(std::FILE*)>;
stream stream_of(const std::string& text) {
  stream file{std::tmpfile(), &std::fclose};
  REQUIRE(file);
  REQUIRE(std::fwrite(text.data(), 1, text.size(), file.get()) == text.size());
  std::rewind(file.get());
  return file;
}

struct contents {
  std::vector<booking_row> rows;
  std::vector<bad_row> bad;
};
contents read(const std::string& text) {
  const stream file = stream_of(text);
  bookings_reader reader{file.get()};
  contents all;
  while (const auto next = reader.next()) {
    if (const auto* row = std::get_if<booking_row>(&*next)) {
      all.rows.push_back(*row);
    } else {
      all.bad.push_back(std::get<bad_row>(*next));
    }
  }
  return all;
}

std::string header_fault(const std::string& text) {
  const stream file = stream_of(text);
  try {
    bookings_reader reader{file.get()};
  } catch (const unreadable_csv& error) {
    return error.what();
  }
  return "none";
}

TEST_CASE("bookings_csv: a good row, all its fields") {
  const contents all = read(header + good);
  REQUIRE(all.rows.size() == 1);
  const booking_row& row = all.rows[0];
  CHECK(row.row == 1);
  CHECK(row.hotel == "Resort Hotel");
  CHECK(row.nights == 3);
  CHECK(row.country == "PRT");
  CHECK(row.amount_cents == 22'650);
  CHECK(row.ended == stay::checked_out);
}

TEST_CASE("bookings_csv: columns in another order and more of them, found by name") {
  const contents all = read(
      "adr,extra,reservation_status,country,stays_in_week_nights,stays_in_weekend_nights,arrival_date_day_of_month,"
      "arrival_date_month,arrival_date_year,hotel\r\n"
      "10,x,No-Show,NULL,2,0,29,February,2016,\"City, \"\"Grand\"\"\nHotel\"\r\n"
      "10,x,Canceled,,2,0,1,May,2016,H");
  CHECK(all.bad.empty());
  REQUIRE(all.rows.size() == 2);
  CHECK(all.rows[0].hotel == "City, \"Grand\"\nHotel");
  CHECK_FALSE(all.rows[0].country);
  CHECK(all.rows[0].amount_cents == 2'000);
  CHECK(all.rows[0].ended == stay::no_show);
  CHECK_FALSE(all.rows[1].country);
  CHECK(all.rows[1].ended == stay::canceled);
}

TEST_CASE("bookings_csv: a byte order mark and blank lines, no harm") {
  const contents all = read("\xef\xbb\xbf" + header + "\n" + good + "\r\n  \n" + good + "\n");
  CHECK(all.bad.empty());
  REQUIRE(all.rows.size() == 2);
  CHECK(all.rows[1].row == 2);
}

TEST_CASE("bookings_csv: bad rows, each named with its line, and the rest goes on") {
  struct bad {
    std::string_view row;
    std::string_view reason;
  };
  const std::vector<bad> table = {
      {"H,x,July,1,1,2,PRT,75,Check-Out", "arrival_date_year is not a number: \"x\""},
      {"H,2015,Juli,1,1,2,PRT,75,Check-Out", "arrival_date_month is not a month: \"Juli\""},
      {"H,2015,February,29,1,2,PRT,75,Check-Out", "arrival date does not exist: 29 February 2015"},
      {"H,2015,July,0,1,2,PRT,75,Check-Out", "arrival date does not exist: 0 July 2015"},
      {"H,2015,July,1,-1,2,PRT,75,Check-Out", "stays_in_weekend_nights is negative: \"-1\""},
      {"H,2015,July,1,1,2.5,PRT,75,Check-Out", "stays_in_week_nights is not a number: \"2.5\""},
      {"H,2015,July,1,1,,PRT,75,Check-Out", "stays_in_week_nights is not a number: \"\""},
      {"H,2015,July,1,1,99999999999999999999,PRT,75,Check-Out",
       "stays_in_week_nights is out of range: \"99999999999999999999\""},
      {"H,2015,July,1,1,100001,PRT,75,Check-Out", "stays_in_week_nights is more than 100000: \"100001\""},
      {"H,2015,July,1,1,2,PRT,abc,Check-Out", "adr is not a number: \"abc\""},
      {"H,2015,July,1,1,2,PRT,-6.38,Check-Out", "adr is negative: \"-6.38\""},
      {"H,2015,July,1,1,2,PRT,999999999999999999,Check-Out", "adr is out of range: \"999999999999999999\""},
      {"H,2015,July,1,1,2,PRT,75,Checked", "reservation_status is unknown: \"Checked\""},
      {"H,2015,July,1,1,2,PRT,75", "8 fields, the header has 9"},
      {"H,2015,July,1,1,2,PRT,75,Check-Out,more", "10 fields, the header has 9"},
  };
  std::string text = header;
  for (const bad& each : table) {
    text += fmt::format("{}\n{}", each.row, good);
  }
  const contents all = read(text);
  REQUIRE(all.bad.size() == table.size());
  REQUIRE(all.rows.size() == table.size());
  for (std::size_t at = 0; at < table.size(); ++at) {
    CHECK(all.bad[at].reason == table[at].reason);
    CHECK(all.bad[at].line == 2 + 2 * at);
    CHECK(all.rows[at].row == 2 + 2 * at);
  }
}

TEST_CASE("bookings_csv: a quote out of place or never closed, costs its own line only") {
  const contents all = read(header + "\"H\"x,2015,July,1,1,2,PRT,75,Check-Out\n" + good +
                            "\"H,2015,July,1,1,2,PRT,75,Check-Out\n" + good + good);
  REQUIRE(all.rows.size() == 3);
  REQUIRE(all.bad.size() == 2);
  CHECK(all.bad[0].line == 2);
  CHECK(all.bad[1].line == 4);
  CHECK(all.bad[1].reason == "a quoted field is not closed");

  std::string many = header + "\"H,2015\n";
  for (int at = 0; at < 500; ++at) {
    many += good;
  }
  const contents rest = read(many);
  REQUIRE(rest.bad.size() == 1);
  CHECK(rest.bad[0].reason == "a quoted field is not closed within 100 lines");
  CHECK(rest.rows.size() == 500);
}

TEST_CASE("bookings_csv: a header that lacks columns, all named") {
  CHECK(header_fault("hotel,adr\n") ==
        "line 1: the header lacks arrival_date_year, arrival_date_month, arrival_date_day_of_month, "
        "stays_in_weekend_nights, "
        "stays_in_week_nights, country, reservation_status");
  CHECK(header_fault("adr," + header) == "line 1: column adr is there 2 times");
  CHECK(header_fault("") == "the file is empty, it must start with a header");
  CHECK(header_fault("\n\n") == "the file is empty, it must start with a header");
}

}  // namespace
