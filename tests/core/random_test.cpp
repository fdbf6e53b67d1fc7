// SPDX-License-Identifier: MIT
#include "event_relay/core/random.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <latch>
#include <limits>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "event_relay/core/uuid.hpp"
#include "support/catch.hpp"

namespace {

using namespace event_relay;

constexpr std::uint64_t all_bits = std::numeric_limits<std::uint64_t>::max();

// Counts up, and on from 0 after the last of 64 bits.
struct counting_random {
  using result_type = std::uint64_t;
  static constexpr result_type min() { return 0; }
  static constexpr result_type max() { return all_bits; }
  constexpr result_type operator()() { return next++; }
  result_type next = 0;
};
struct from_one : counting_random {
  static constexpr result_type min() { return 1; }
};
struct without_a_bit : counting_random {
  static constexpr result_type max() { return all_bits / 2; }
};
struct signed_random {
  static constexpr std::int64_t min() { return 0; }
  static constexpr std::int64_t max() { return std::numeric_limits<std::int64_t>::max(); }
  std::int64_t operator()();
};

static_assert(random_source<std::mt19937_64> && random_source<process_random> && random_source<counting_random>);
static_assert(!random_source<std::mt19937> && !random_source<std::minstd_rand> && !random_source<int>);
static_assert(!random_source<from_one> && !random_source<without_a_bit> && !random_source<signed_random>);

// What `bits` become, or 0 if they are drawn again.
constexpr std::uint64_t uniform_of(std::uint64_t bits, std::uint64_t highest) {
  struct : counting_random {
    constexpr result_type operator()() { return std::exchange(next, 0); }
  } random;
  random.next = bits;
  return uniform(random, highest);
}
static_assert(uniform_of(7, 9) == 7 && uniform_of(17, 9) == 7 && uniform_of(5, 0) == 0);
static_assert(uniform_of(all_bits, all_bits) == all_bits && uniform_of(0, all_bits) == 0);

// What `produce` gives in a child process, made by fork.
template <class Produce>
std::string in_a_child(Produce produce) {
  std::array<int, 2> ends{};
  REQUIRE(pipe(ends.data()) == 0);
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    try {
      const std::string text = produce();
      _exit(write(ends[1], text.data(), text.size()) == static_cast<ssize_t>(text.size()) ? 0 : 1);
    } catch (...) {
      _exit(1);
    }
  }
  close(ends[1]);
  std::string text(1000, ' ');
  std::size_t size = 0;
  for (ssize_t got = 0; (got = read(ends[0], text.data() + size, text.size() - size)) > 0;) {
    size += static_cast<std::size_t>(got);
  }
  close(ends[0]);
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  REQUIRE(status == 0);
  return text.substr(0, size);
}

std::string draw_text() { return std::to_string(process_random{}()); }
std::string id_text() { return process_ids{}.next_id(); }

}  // namespace

TEST_CASE("uniform: small ranges and bits that count up, every number equally often") {
  for (std::uint64_t highest = 0; highest <= 64; ++highest) {
    counting_random random;
    std::vector<unsigned> times(highest + 1);
    for (std::uint64_t draw = 0; draw < 5 * (highest + 1); ++draw) {
      ++times.at(uniform(random, highest));
    }
    CHECK(times == std::vector<unsigned>(highest + 1, 5));
  }
}

TEST_CASE("uniform: the last of all 64-bit numbers, those beyond a whole number of ranges are drawn again") {
  for (std::uint64_t highest = 0; highest <= 64; ++highest) {
    const std::uint64_t count = highest + 1;
    const auto is_drawn_again = [highest](std::uint64_t bits) {
      counting_random random{bits};
      uniform(random, highest);
      return random.next != bits + 1;
    };
    std::uint64_t accepted = all_bits;
    while (is_drawn_again(accepted)) {
      --accepted;
    }
    CAPTURE(highest, accepted);
    CHECK(accepted % count == highest);
    CHECK(all_bits - accepted <= count);
    CHECK(uniform_of(accepted, highest) == highest);
    CHECK(uniform_of(accepted + 1, highest) == 0);
  }
}

TEST_CASE("uniform: the widest ranges, reach both ends and nothing beyond") {
  for (const std::uint64_t highest :
       {all_bits, all_bits - 1, all_bits / 2, all_bits / 2 + 1, std::uint64_t{1} << 63U}) {
    CHECK(uniform_of(0, highest) == 0);
    CHECK(uniform_of(highest, highest) == highest);
    std::mt19937_64 random{2026};
    std::uint64_t most = 0;
    for (int draw = 0; draw < 1000; ++draw) {
      most = std::max(most, uniform(random, highest));
    }
    CHECK(most <= highest);
    CHECK(most > highest / 10 * 9);
  }
}

TEST_CASE("uniform: a seeded engine, the same numbers with every standard library") {
  std::mt19937_64 random{5489};
  std::vector<std::uint64_t> numbers;
  for (int draw = 0; draw < 5; ++draw) {
    numbers.push_back(uniform(random, 999));
  }
  // The remainders of the engine's first numbers, 14514284786278117030 and so on.
  CHECK(numbers == std::vector<std::uint64_t>{30, 908, 720, 322, 596});
}

TEST_CASE("mix_bits: the states of a SplitMix64 from 1234567, its published outputs") {
  static_assert(mix_bits(0) == 0xe220a8397b1dcdafU);
  std::uint64_t state = 1234567;
  for (const std::uint64_t expected : {6457827717110365317U, 3203168211198807973U, 9817491932198370423U,
                                       4593380528125082431U, 16408922859458223821U}) {
    CHECK(mix_bits(state) == expected);
    state += 0x9e3779b97f4a7c15U;
  }
}

TEST_CASE("process_random: draws of four threads, all different") {
  constexpr std::size_t count = 25'000;
  std::vector<std::uint64_t> drawn(4 * count);
  std::latch together{4};
  std::vector<std::thread> threads;
  for (std::size_t thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&, thread] {
      together.arrive_and_wait();
      std::generate_n(drawn.begin() + static_cast<std::ptrdiff_t>(thread * count), count, process_random{});
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  std::sort(drawn.begin(), drawn.end());
  CHECK(std::adjacent_find(drawn.begin(), drawn.end()) == drawn.end());
}

TEST_CASE("process_random: many draws, every bit is set in about half of them") {
  const process_random random;
  std::array<int, 64> set{};
  for (int draw = 0; draw < 10'000; ++draw) {
    const std::uint64_t bits = random();
    for (unsigned bit = 0; bit < 64; ++bit) {
      set[bit] += (bits >> bit & 1U) != 0 ? 1 : 0;
    }
  }
  for (const int times : set) {
    CHECK(times > 4000);
    CHECK(times < 6000);
  }
}

TEST_CASE("process_random: children made by fork, draw other bits than their parent and each other") {
  draw_text();  // the engine exists, and would be copied as it is
  std::set<std::string> drawn;
  for (int child = 0; child < 3; ++child) {
    drawn.insert(in_a_child(draw_text));
  }
  drawn.insert(in_a_child([] { return in_a_child(draw_text); }));
  drawn.insert(draw_text());
  CHECK(drawn.size() == 5);
}

TEST_CASE("process_random: a child that has drawn, goes on with its own engine") {
  draw_text();
  const std::string three = in_a_child([] { return draw_text() + "\n" + draw_text() + "\n" + draw_text(); });
  const std::size_t first_end = three.find('\n');
  const std::size_t second_end = three.find('\n', first_end + 1);
  CHECK(three.substr(0, first_end) != three.substr(first_end + 1, second_end - first_end - 1));
  CHECK(three.substr(first_end + 1, second_end - first_end - 1) != three.substr(second_end + 1));
}

TEST_CASE("process_ids: children made by fork, give other ids than their parent and each other") {
  id_text();
  std::set<std::string> ids;
  for (int child = 0; child < 3; ++child) {
    ids.insert(in_a_child(id_text));
  }
  ids.insert(id_text());
  CHECK(ids.size() == 4);
  std::set<std::string> random_parts;  // without the time and the counter, which could differ by luck
  for (const std::string& id : ids) {
    random_parts.insert(id.substr(19));
  }
  CHECK(random_parts.size() == 4);
}
