// SPDX-License-Identifier: MIT
// Whether a database file is in a danger which the operator should know of: the SQLite library has a known fault, and
// another process has the file open.
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

namespace event_relay::sqlite {

/// Whether the library of this version (as in sqlite3_libversion_number) has the WAL-reset fault, which 3.51.3 mends
/// (https://sqlite.org/wal.html). It takes two connections that write and checkpoint at the same moment; those of one
/// process do not, as long as they take turns (`write_turn`).
constexpr bool has_wal_reset_fault(int library_version) { return library_version < 3'051'003; }

/// Whether `locks`, in the form of Linux's /proc/locks, shows that a process other than `self` holds SQLite's lock of a
/// connection (byte 128, https://sqlite.org/walformat.html) on the WAL index with this inode.
inline bool is_locked_by_other(std::istream& locks, std::uint64_t inode, std::int64_t self) {
  std::string line;
  while (std::getline(locks, line)) {
    // 1: POSIX  ADVISORY  READ  4711 08:01:262146 128 128
    std::istringstream fields{line};
    std::string number, kind, mode, access, device_and_inode;
    std::int64_t process = 0, first = 0, last = 0;
    if (fields >> number >> kind >> mode >> access >> process >> device_and_inode >> first >> last && process != self &&
        first <= 128 && 128 <= last && device_and_inode.ends_with(fmt::format(":{}", inode))) {
      return true;
    }
  }
  return false;
}

/// Best effort: false where the system does not tell (/proc is Linux's). It opens none of the database's files, because
/// closing one again would drop the locks of this process.
inline bool is_shared_with_other_process(const std::filesystem::path& database) {
  struct stat index {};
  std::ifstream locks{"/proc/locks"};
  return locks && stat((database.string() + "-shm").c_str(), &index) == 0 &&
         is_locked_by_other(locks, index.st_ino, getpid());
}

}  // namespace event_relay::sqlite
