// SPDX-License-Identifier: MIT
// The causes of a store's errors: their codes and words, and which of them a later try may not meet again.
#include "event_relay/outbox/store_error.hpp"

#include <set>
#include <string>
#include <system_error>
#include <type_traits>

#include "support/catch.hpp"

namespace {

using namespace event_relay;

struct cause {
  store_errc code;
  std::string words;
  bool passes;
};

const cause causes[] = {
    {store_errc::busy, "the database is locked by another connection", true},
    {store_errc::stale_snapshot,
     "the transaction has read before another one's commit, so it can no longer write; roll it back and start it with "
     "BEGIN IMMEDIATE",
     false},
    {store_errc::storage_full, "no space is left for the database", true},
    {store_errc::read_only, "the database cannot be written", true},
    {store_errc::input_output, "the database's file cannot be read or written", true},
    {store_errc::cannot_open, "the database cannot be opened", true},
    {store_errc::corrupt, "the database is damaged", false},
    {store_errc::no_transaction, "there is no open transaction", false},
    {store_errc::wrong_database, "the connection is to another database than the store's", false},
    {store_errc::newer_schema, "the outbox was made by a later version of event_relay", false},
    {store_errc::foreign_schema, "tables of the outbox's names are not the outbox's", false},
    {store_errc::in_memory, "the database is in memory", false},
    {store_errc::connection_lost, "the connection to the database is lost", true},
    {store_errc::rejected, "rejected by the database", false},
};

static_assert(std::is_error_code_enum_v<store_errc>);
static_assert(std::is_base_of_v<std::system_error, store_error>);
static_assert(!std::is_convertible_v<store_errc, store_error>);

}  // namespace

TEST_CASE("store_error: each cause, its words and whether it passes") {
  std::set<std::string> different;
  for (const cause& each : causes) {
    const std::error_code code = each.code;
    CAPTURE(code.value());
    CHECK(code.message() == each.words);
    CHECK(is_retryable(code) == each.passes);
    CHECK(code);
    different.insert(code.message());
  }
  CHECK(different.size() == std::size(causes));
}

TEST_CASE("store_error: thrown, is a system_error with the code, the cause and what the database said") {
  for (const cause& each : causes) {
    try {
      throw store_error{each.code, "file is not a database (26)"};
    } catch (const std::system_error& error) {
      CHECK(error.code() == each.code);
      CHECK(std::string{error.what()} == "file is not a database (26): " + each.words);
    }
  }
}

TEST_CASE("store_category: one, named, and of no code that it does not know") {
  CHECK(std::string{store_category().name()} == "event_relay.store");
  CHECK(&store_category() == &make_error_code(store_errc::busy).category());
  CHECK(store_category().message(0) == "unknown");
  CHECK(store_category().message(static_cast<int>(std::size(causes)) + 1) == "unknown");
  CHECK(store_category().message(-1) == "unknown");
}

TEST_CASE("is_retryable: no error and other categories' codes, not") {
  CHECK_FALSE(is_retryable({}));
  for (const cause& each : causes) {
    CHECK_FALSE(is_retryable({static_cast<int>(each.code), std::generic_category()}));
    CHECK_FALSE(is_retryable({static_cast<int>(each.code), std::system_category()}));
  }
}
