// SPDX-License-Identifier: MIT
// What the benchmarks of the durable half measure with.
#pragma once

#include <stdlib.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <ctime>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

namespace event_relay_benchmark {

using steady = std::chrono::steady_clock;
using seconds = std::chrono::duration<double>;

class temporary_folder {
 public:
  temporary_folder() {
    if (mkdtemp(path_.data()) == nullptr) {
      throw std::system_error{errno, std::generic_category(), path_};
    }
  }
  ~temporary_folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  temporary_folder(const temporary_folder&) = delete;
  temporary_folder& operator=(const temporary_folder&) = delete;

  std::string file(std::string_view name) const { return std::filesystem::path{path_} / name; }

 private:
  std::string path_ = std::filesystem::temp_directory_path() / "event_relay_XXXXXX";
};

inline double median(std::vector<double> of) {
  const auto middle = of.begin() + static_cast<std::ptrdiff_t>(of.size() / 2);
  std::nth_element(of.begin(), middle, of.end());
  return of.empty() ? 0 : *middle;
}

struct cost {
  double wall = 0;  // in seconds
  double cpu = 0;   // of all threads; to wait for the disk costs none
};

template <class Body>
cost measured(Body body) {
  const auto start = steady::now();
  const std::clock_t cpu_start = std::clock();
  body();
  return {seconds{steady::now() - start}.count(), static_cast<double>(std::clock() - cpu_start) / CLOCKS_PER_SEC};
}

}  // namespace event_relay_benchmark
