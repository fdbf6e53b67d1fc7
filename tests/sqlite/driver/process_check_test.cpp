// SPDX-License-Identifier: MIT
// Which SQLite libraries have the WAL-reset fault, and how another process at the same file is found out.
#include "event_relay/sqlite/driver/process_check.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <sstream>
#include <string>

#include "event_relay/sqlite/driver/connection.hpp"
#include "support/catch.hpp"
#include "support/store_contract.hpp"

namespace {

using namespace event_relay;
using event_relay_test::temporary_folder;

static_assert(sqlite::has_wal_reset_fault(3'007'000));
static_assert(sqlite::has_wal_reset_fault(3'040'001));
static_assert(sqlite::has_wal_reset_fault(3'051'002));
static_assert(!sqlite::has_wal_reset_fault(3'051'003));
static_assert(!sqlite::has_wal_reset_fault(4'000'000));

// Whether these lines tell process 100 of another at the index with inode 4242.
bool finds(const std::string& lines) {
  std::istringstream locks{lines};
  return sqlite::is_locked_by_other(locks, 4242, 100);
}

}  // namespace

TEST_CASE("process_check: another process's lock of a connection on this index, found") {
  CHECK(finds("1: POSIX  ADVISORY  READ 200 08:01:4242 128 128\n"));
  CHECK(finds("1: POSIX  ADVISORY  WRITE 200 08:01:4242 128 128\n"));
  CHECK(finds("1: POSIX  ADVISORY  READ 200 fe:00:4242 128 128"));
  CHECK(
      finds("1: FLOCK  ADVISORY  WRITE 50 08:01:7 0 EOF\n"
            "2: POSIX  ADVISORY  READ 100 08:01:4242 128 128\n"
            "3: POSIX  ADVISORY  READ 200 08:01:4242 128 128\n"));
}

TEST_CASE("process_check: its own locks, other files, other bytes and other lines, nothing") {
  CHECK_FALSE(finds(""));
  CHECK_FALSE(finds("\n\nno lock\n"));
  CHECK_FALSE(finds("1: POSIX  ADVISORY  READ 100 08:01:4242 128 128\n"));
  CHECK_FALSE(finds("1: POSIX  ADVISORY  READ 200 08:01:4243 128 128\n"));
  CHECK_FALSE(finds("1: POSIX  ADVISORY  READ 200 08:01:14242 128 128\n"));
  CHECK_FALSE(finds("1: POSIX  ADVISORY  READ 200 08:01:4242 124 124\n"));
  CHECK_FALSE(finds("1: POSIX  ADVISORY  WRITE 200 08:01:4242 120 120\n"));
  CHECK_FALSE(finds("1: POSIX  ADVISORY  READ 200 08:01:4242 1073741826 1073742335\n"));
  CHECK_FALSE(finds("1: -> POSIX  ADVISORY  READ 200 08:01:4242 128 128\n"));
  CHECK_FALSE(finds("1: POSIX  ADVISORY  READ 200\n"));
}

TEST_CASE("process_check: another process that reads with the last mark, found by the range of its locks") {
  CHECK(finds("1: POSIX  ADVISORY  READ 200 08:01:4242 127 128\n"));
  CHECK_FALSE(finds("1: POSIX  ADVISORY  READ 200 08:01:4242 123 127\n"));
}

TEST_CASE("process_check: a file of this process alone, or one that is not there, not shared") {
  temporary_folder folder;
  const std::string path = folder / "outbox.sqlite";
  CHECK_FALSE(sqlite::is_shared_with_other_process(path));
  sqlite::connection database{path, std::chrono::milliseconds{0}};
  database.execute("PRAGMA journal_mode = WAL");
  database.execute("CREATE TABLE texts (text TEXT)");
  CHECK_FALSE(sqlite::is_shared_with_other_process(path));
}

TEST_CASE("process_check: the lock of an open connection, as the system lists it") {
  std::ifstream locks{"/proc/locks"};
  if (!locks) {
    return;  // not Linux
  }
  temporary_folder folder;
  const std::string path = folder / "outbox.sqlite";
  sqlite::connection database{path, std::chrono::milliseconds{0}};
  database.execute("PRAGMA journal_mode = WAL");
  database.execute("CREATE TABLE texts (text TEXT)");
  struct stat index {};
  REQUIRE(stat((path + "-shm").c_str(), &index) == 0);
  CHECK(sqlite::is_locked_by_other(locks, index.st_ino, getpid() + 1));  // as another process sees this one
}
