// SPDX-License-Identifier: MIT
// Threads of this process that write to one database do so in the order in which they came. SQLite itself has no
// queue: a connection that finds the database locked sleeps and tries again, in the end every 100 ms, and can wait for
// seconds beside one that writes all the time, as a worker with a backlog does.
#pragma once

#include <chrono>
#include <condition_variable>
#include <list>
#include <map>
#include <mutex>
#include <string>
#include <thread>

#include <sqlite3.h>

namespace event_relay::sqlite {

/// A place in the queue of those that write to a connection's main database, held until it is destroyed. The
/// constructor returns when the place is the first one, or after the connection's busy timeout: SQLite's own lock,
/// which is asked for next, decides. A thread that has a place already, and a database without a file, get none and go
/// on at once.
class write_turn {
 public:
  explicit write_turn(sqlite3* database) {
    const char* const path = sqlite3_db_filename(database, "main");
    if (path == nullptr || *path == '\0') {
      return;
    }
    std::unique_lock lock{mutex()};
    line_ = lines().try_emplace(path).first;
    std::list<waiter>& line = line_->second;
    for (const waiter& each : line) {
      if (each.thread == std::this_thread::get_id()) {
        return;
      }
    }
    place_ = line.emplace(line.end());
    has_place_ = true;
    const auto is_first = [&] { return place_ == line.begin(); };
    if (!is_first()) {
      place_->is_first.wait_for(lock, busy_timeout_of(database), is_first);
    }
  }
  ~write_turn() { end(); }
  write_turn(const write_turn&) = delete;
  write_turn& operator=(const write_turn&) = delete;

  /// Leaves the place to the next one, as the destructor does.
  void end() {
    if (!has_place_) {
      return;
    }
    has_place_ = false;
    const std::lock_guard lock{mutex()};
    std::list<waiter>& line = line_->second;
    line.erase(place_);
    if (line.empty()) {
      lines().erase(line_);
    } else {
      line.front().is_first.notify_one();
    }
  }

 private:
  struct waiter {
    std::thread::id thread = std::this_thread::get_id();
    std::condition_variable is_first;
  };
  using lines_by_path = std::map<std::string, std::list<waiter>, std::less<>>;

  static std::mutex& mutex() {
    static std::mutex of_process;
    return of_process;
  }
  static lines_by_path& lines() {
    static lines_by_path of_process;
    return of_process;
  }

  // Zero if the host has set a busy handler of its own.
  static std::chrono::milliseconds busy_timeout_of(sqlite3* database) {
    int milliseconds = 0;
    const auto read = [](void* into, int, char** values, char**) {
      *static_cast<int*>(into) = std::stoi(values[0]);
      return 0;
    };
    sqlite3_exec(database, "PRAGMA busy_timeout", read, &milliseconds, nullptr);
    return std::chrono::milliseconds{milliseconds};
  }

  lines_by_path::iterator line_;
  std::list<waiter>::iterator place_;
  bool has_place_ = false;
};

}  // namespace event_relay::sqlite
