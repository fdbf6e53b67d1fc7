// SPDX-License-Identifier: MIT
// Who may write next among the threads of a process, and that nobody waits for ever.
#include "event_relay/sqlite/driver/write_queue.hpp"

#include <chrono>
#include <cstdint>
#include <future>
#include <latch>
#include <string>
#include <thread>
#include <vector>

#include "event_relay/sqlite/driver/connection.hpp"
#include "event_relay/sqlite/driver/transaction.hpp"
#include "support/catch.hpp"
#include "support/store_contract.hpp"

namespace {

using namespace event_relay;
using namespace std::chrono_literals;
using event_relay_test::temporary_folder;
using sqlite::immediate_transaction;
using sqlite::write_turn;

struct database_file {
  temporary_folder folder;
  std::string path = (folder.path() / "file.sqlite").string();

  sqlite::connection open(std::chrono::milliseconds busy_timeout) const { return {path, busy_timeout}; }
};

TEST_CASE("write_turn: a second turn of the same thread, given at once") {
  const database_file file;
  sqlite::connection one = file.open(1h);
  sqlite::connection other = file.open(1h);
  const write_turn first{one.handle()};
  const write_turn second{other.handle()};  // would wait an hour for the first
}

TEST_CASE("write_turn: turns at two files, or at none, do not wait for each other") {
  const database_file file;
  const database_file another;
  sqlite::connection one = file.open(1h);
  sqlite::connection other = another.open(1h);
  sqlite::connection memory{":memory:", 1h};
  const write_turn held{one.handle()};
  std::async(std::launch::async, [&] {
    const write_turn elsewhere{other.handle()};
    const write_turn nowhere{memory.handle()};
  }).get();
}

TEST_CASE("write_turn: a connection without a busy timeout does not wait, SQLite answers it") {
  const database_file file;
  sqlite::connection one = file.open(1h);
  const immediate_transaction held{one};
  const auto begin = [&] {
    sqlite::connection impatient = file.open(0ms);
    const immediate_transaction refused{impatient};
  };
  CHECK_THROWS_AS(std::async(std::launch::async, begin).get(), store_error);
}

TEST_CASE("write_turn: given up by the commit, not only with the transaction's object") {
  const database_file file;
  sqlite::connection one = file.open(1h);
  immediate_transaction first{one};
  first.commit();
  std::async(std::launch::async, [&] {
    sqlite::connection other = file.open(1h);
    immediate_transaction second{other};
    second.commit();
  }).get();
}

TEST_CASE("write_turn: threads that write all the time, no write fails or is lost") {
  const database_file file;
  file.open(1h).execute("CREATE TABLE writes (thread INTEGER)");
  constexpr int threads = 3;
  constexpr std::int64_t writes = 100;
  std::latch start{threads};
  const auto write = [&](int thread) {
    sqlite::connection own = file.open(1h);
    start.arrive_and_wait();
    for (std::int64_t each = 0; each < writes; ++each) {
      immediate_transaction change{own};
      own.execute("INSERT INTO writes VALUES (?)", thread);
      change.commit();
    }
  };
  {
    std::vector<std::jthread> writers;
    for (int thread = 0; thread < threads; ++thread) {
      writers.emplace_back(write, thread);
    }
  }
  CHECK(file.open(1h).integer("SELECT count(*) FROM writes", 0) == threads * writes);
}

}  // namespace
