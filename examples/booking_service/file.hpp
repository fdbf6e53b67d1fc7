// SPDX-License-Identifier: MIT
// A file that a run reads or writes, closed when the run ends.
#pragma once

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

#include <fmt/format.h>

namespace bookings {

class file_error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// A stdio stream under the name that messages show. Throws file_error where the system refuses.
class file {
 public:
  file(std::string path, const char* mode) : path_{std::move(path)}, stream_{std::fopen(path_.c_str(), mode)} {
    if (!stream_) {
      fail("open");
    }
  }

  std::FILE* stream() const { return stream_.get(); }

  /// Call when all is written: only then is it known whether everything arrived.
  void flush() const {
    if (std::fflush(stream_.get()) != 0 || std::ferror(stream_.get()) != 0) {
      fail("write");
    }
  }

 private:
  [[noreturn]] void fail(const char* action) const {
    throw file_error{fmt::format("cannot {} {}: {}", action, path_, std::strerror(errno))};
  }

  struct close {
    void operator()(std::FILE* stream) const { std::fclose(stream); }
  };
  std::string path_;
  std::unique_ptr<std::FILE, close> stream_;
};

}  // namespace bookings
