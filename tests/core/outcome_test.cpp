// SPDX-License-Identifier: MIT
#include "event_relay/core/outcome.hpp"

#include <chrono>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "support/catch.hpp"

namespace {

using namespace event_relay;

std::vector<std::string> bodies(const processed& done) {
  std::vector<std::string> all;
  for (const notification_request& each : done.notifications()) {
    all.push_back(each.body);
  }
  return all;
}

// A lone request, or a text, does not turn into an outcome by accident.
static_assert(std::is_constructible_v<processed, notification_request, const notification_request&>);
static_assert(!std::is_constructible_v<processed, std::string>);
static_assert(!std::is_constructible_v<processed, notification_request, std::string>);
static_assert(!std::is_convertible_v<notification_request, processed>);
static_assert(!std::is_convertible_v<std::string, outcome>);
static_assert(std::is_nothrow_move_constructible_v<outcome>);

}  // namespace

TEST_CASE("outcome: by default, processed without notifications") {
  const outcome result;
  REQUIRE(std::holds_alternative<processed>(result));
  CHECK(std::get<processed>(result).notifications().empty());
}

TEST_CASE("outcome: retry and reject by default, no text and no delay") {
  CHECK(retry{}.reason.empty());
  CHECK_FALSE(retry{}.delay.has_value());
  CHECK_FALSE(retry{"busy"}.delay.has_value());
  CHECK(retry{"busy", std::chrono::seconds{30}}.delay == std::chrono::milliseconds{30'000});
  CHECK(reject{}.reason.empty());
  CHECK(reject{"unknown card"}.reason == "unknown card");
}

TEST_CASE("outcome: processed, its notifications in the order given") {
  processed done{push("ada", "1"), email("ada", "s", "2"), push("bob", "3")};
  done.add(push("ada", "4", "again"));
  CHECK(bodies(done) == std::vector<std::string>{"1", "2", "3", "4"});

  const notification_request mine = push("eve", "5");
  const processed copied{mine, push("ada", "6")};
  done.add(mine);
  CHECK(mine.body == "5");
  CHECK(bodies(copied) == std::vector<std::string>{"5", "6"});

  const std::vector<notification_request> taken = std::move(done).notifications();
  CHECK(taken.size() == 5);
}

TEST_CASE("outcome: two notifications of one channel, recipient and discriminator, refused with a text naming them") {
  const std::string text = R"(processed: two email notifications for "ada" with discriminator "")";
  CHECK_THROWS_AS((processed{email("ada", "s", "1"), email("ada", "other", "2")}), std::invalid_argument);
  CHECK_THROWS_WITH((processed{email("ada", "s", "1"), push("ada", "2"), email("ada", "t", "3")}), text);

  processed done{email("ada", "s", "1"), push("ada", "2", "late")};
  CHECK_THROWS_WITH(done.add(email("ada", "t", "3")), text);
  CHECK_THROWS_WITH(done.add(push("ada", "3", "late")),
                    R"(processed: two push notifications for "ada" with discriminator "late")");
  CHECK(bodies(done) == std::vector<std::string>{"1", "2"});
}

TEST_CASE("outcome: notifications that differ in channel, recipient or discriminator alone, taken") {
  processed done;
  CHECK_NOTHROW(done.add(email("ada", "s", "b")));
  CHECK_NOTHROW(done.add(push("ada", "b")));
  CHECK_NOTHROW(done.add(email("Ada", "s", "b")));
  CHECK_NOTHROW(done.add(email("ada", "s", "b", "again")));
  CHECK(done.notifications().size() == 4);
}
