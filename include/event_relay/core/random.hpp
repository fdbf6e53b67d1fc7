// SPDX-License-Identifier: MIT
// Where random numbers come from: an injected source of 64 random bits. Jitter and event ids draw from it,
// and a test injects a seeded one. It is not meant for secrets.
#pragma once

#include <array>
#include <atomic>
#include <concepts>
#include <cstdint>
#include <limits>
#include <random>

#if __has_include(<pthread.h>)
#include <pthread.h>
#endif

namespace event_relay {

/// A uniform source of 64 random bits a call: std::mt19937_64, or one of the host's own.
/// It is called from every thread that publishes.
template <class Type>
concept random_source = std::uniform_random_bit_generator<Type> && Type::min()
== 0 && Type::max() == std::numeric_limits<std::uint64_t>::max();

/// A number from 0 to `highest`, both included and all equally likely (by rejection, no modulo bias).
/// Unlike std::uniform_int_distribution it gives the same numbers for a seed with every standard library.
template <random_source Random>
constexpr std::uint64_t uniform(Random& random, std::uint64_t highest) {
  constexpr std::uint64_t all = std::numeric_limits<std::uint64_t>::max();
  if (highest == all) {
    return random();
  }
  const std::uint64_t count = highest + 1;
  const std::uint64_t first_biased = all - all % count;
  std::uint64_t drawn = random();
  while (drawn >= first_biased) {
    drawn = random();
  }
  return drawn % count;
}

/// One step of SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014):
/// a value in which every bit depends on every bit of `state`.
constexpr std::uint64_t mix_bits(std::uint64_t state) {
  state += 0x9e3779b97f4a7c15U;
  state = (state ^ (state >> 30U)) * 0xbf58476d1ce4e5b9U;
  state = (state ^ (state >> 27U)) * 0x94d049bb133111ebU;
  return state ^ (state >> 31U);
}

/// The default source: one engine a thread, seeded from std::random_device. Thread-safe. After fork()
/// the child's engines are seeded anew, so that two processes never give out the same event ids.
class process_random {
 public:
  using result_type = std::uint64_t;
  static constexpr result_type min() { return 0; }
  static constexpr result_type max() { return std::numeric_limits<result_type>::max(); }

  result_type operator()() const {
    thread_local seeded_engine mine;
    if (const unsigned process = generation(); mine.generation != process) {
      mine = seeded_engine{process};
    }
    return mine.engine();
  }

 private:
  struct seeded_engine {
    explicit seeded_engine(unsigned process = process_random::generation()) : generation{process} {
      std::random_device device;
      std::array<std::random_device::result_type, 8> entropy;
      for (auto& word : entropy) {
        word = device();
      }
      std::seed_seq seed(entropy.begin(), entropy.end());
      engine.seed(seed);
    }
    unsigned generation;
    std::mt19937_64 engine;
  };

  // How many forks lie between this process and the one in which the first number was drawn.
  static unsigned generation() {
    static std::atomic<unsigned> forks{0};
#if __has_include(<pthread.h>)
    static const int registered =
        pthread_atfork(nullptr, nullptr, [] { forks.fetch_add(1, std::memory_order_relaxed); });
    static_cast<void>(registered);
#endif
    return forks.load(std::memory_order_relaxed);
  }
};

}  // namespace event_relay
