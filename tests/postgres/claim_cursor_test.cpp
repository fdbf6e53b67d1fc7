// SPDX-License-Identifier: MIT
// Where a scan begins: from the start as long as that is quick, and seldom when it is not.
#include "event_relay/postgres/claim_cursor.hpp"

#include <chrono>

#include "event_relay/core/instant.hpp"
#include "support/catch.hpp"

namespace {

using namespace event_relay;
using namespace std::chrono_literals;
using postgres::claim_cursor;

constexpr instant start{1'000'000ms};
constexpr std::int64_t from_the_start = claim_cursor::from_the_start;

}  // namespace

TEST_CASE("claim_cursor: quick scans, all of them from the start") {
  claim_cursor window;
  for (instant now = start; now < start + 100ms; now += 10ms) {
    CHECK(window.begin(now) == from_the_start);
    window.end(17, 0, now + 2ms);
    CHECK(window.from() == from_the_start);
    CHECK_FALSE(window.next_full().has_value());
  }
}

TEST_CASE("claim_cursor: a slow scan, the next ones from what it found, until twenty times its length is over") {
  claim_cursor window;
  window.begin(start);
  window.end(17, 0, start + 500ms);
  CHECK_FALSE(window.next_full().has_value());
  CHECK(window.begin(start + 600ms) == 17);
  window.end(23, 0, start + 601ms);
  CHECK(window.from() == 23);
  CHECK((window.next_full() == start + 10'500ms));
  CHECK(window.begin(start + 10'499ms) == 23);
  window.end(42, 0, start + 10'499ms);
  CHECK(window.begin(start + 10'500ms) == from_the_start);
}

TEST_CASE("claim_cursor: what was found took its part of the time") {
  claim_cursor window;
  window.begin(start);
  window.end(17, 1000, start + 102ms);
  CHECK(window.begin(start + 103ms) == from_the_start);
  window.end(17, 1000, start + 103ms + 103ms);
  CHECK(window.begin(start + 207ms) == 17);
}

TEST_CASE("claim_cursor: a clock that is set back, and a reset, from the start") {
  for (const bool is_set_back : {true, false}) {
    claim_cursor window;
    window.begin(start);
    window.end(17, 0, start + 1s);
    CHECK(window.begin(start + 1s) == 17);
    if (!is_set_back) {
      window.reset();
    }
    CHECK(window.begin(is_set_back ? start - 1h : start + 2s) == from_the_start);
  }
}
