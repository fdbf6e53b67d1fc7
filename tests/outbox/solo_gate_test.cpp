// SPDX-License-Identifier: MIT
// Who may run beside whom: shared passes together, a solo pass alone, and none put off for ever.
#include "event_relay/outbox/solo_gate.hpp"

#include <atomic>
#include <latch>
#include <mutex>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <type_traits>
#include <vector>

#include "event_relay/core/random.hpp"
#include "support/catch.hpp"

namespace {

using event_relay::solo_gate;
using shared_pass = solo_gate::shared_pass;
using solo_pass = solo_gate::solo_pass;

static_assert(!std::is_copy_constructible_v<shared_pass> && !std::is_move_constructible_v<shared_pass>);
static_assert(!std::is_copy_constructible_v<solo_pass> && !std::is_move_constructible_v<solo_pass>);

// What passed through the gate, in order.
class passage_log {
 public:
  void add(const std::string& who) {
    const std::lock_guard lock{mutex_};
    text_ += text_.empty() ? who : ", " + who;
  }
  std::string text() const {
    const std::lock_guard lock{mutex_};
    return text_;
  }

 private:
  mutable std::mutex mutex_;
  std::string text_;
};

// Or until that is past, by a fault.
void wait_until_solo_is_wanted(const solo_gate& gate, const passage_log& log) {
  while (!gate.solo_is_wanted() && log.text().empty()) {
    std::this_thread::yield();
  }
}

// Time for another thread to do what it should not.
void let_others_run() {
  for (int turn = 0; turn < 2'000; ++turn) {
    std::this_thread::yield();
  }
}

}  // namespace

TEST_CASE("solo_gate: of_process, the same for every thread") {
  const solo_gate* another_threads = nullptr;
  std::jthread{[&] { another_threads = &solo_gate::of_process(); }}.join();
  CHECK(&solo_gate::of_process() == another_threads);
}

TEST_CASE("solo_gate: shared passes, held together") {
  solo_gate gate;
  std::latch all_inside{3};
  std::vector<std::jthread> threads;
  for (int at = 0; at < 3; ++at) {
    threads.emplace_back([&] {
      const shared_pass pass{gate};
      all_inside.arrive_and_wait();
    });
  }
  threads.clear();
  CHECK(all_inside.try_wait());
  CHECK_FALSE(gate.solo_is_wanted());
}

TEST_CASE("solo_gate: solo_is_wanted, from the wish to the end of the run") {
  solo_gate gate;
  CHECK_FALSE(gate.solo_is_wanted());
  {
    const solo_pass pass{gate};
    CHECK(gate.solo_is_wanted());
  }
  CHECK_FALSE(gate.solo_is_wanted());
}

TEST_CASE("solo_gate: a solo pass while shared ones are held, waits for the last of them") {
  solo_gate gate;
  passage_log log;
  std::optional<shared_pass> one{std::in_place, gate};
  std::optional<shared_pass> other{std::in_place, gate};
  std::jthread orphan{[&] {
    const solo_pass pass{gate};
    log.add("solo");
  }};
  wait_until_solo_is_wanted(gate, log);
  let_others_run();
  one.reset();
  let_others_run();
  log.add("last shared one over");
  other.reset();
  orphan.join();
  CHECK(log.text() == "last shared one over, solo");
}

TEST_CASE("solo_gate: a shared pass while a solo one waits or runs, comes after it") {
  solo_gate gate;
  passage_log log;
  std::latch solo_runs{1};
  std::latch solo_may_end{1};
  std::optional<shared_pass> first{std::in_place, gate};
  std::jthread orphan{[&] {
    const solo_pass pass{gate};
    solo_runs.count_down();
    solo_may_end.wait();
    log.add("solo over");
  }};
  wait_until_solo_is_wanted(gate, log);
  const auto enter = [&] {
    const shared_pass pass{gate};
    log.add("shared");
  };
  std::jthread while_it_waits{enter};
  let_others_run();
  log.add("first over");
  first.reset();
  solo_runs.wait();
  std::jthread while_it_runs{enter};
  let_others_run();
  solo_may_end.count_down();
  orphan.join();
  while_it_waits.join();
  while_it_runs.join();
  CHECK(log.text() == "first over, solo over, shared, shared");
}

TEST_CASE("solo_gate: a pass given up by an exception, free for the next") {
  solo_gate gate;
  const auto fail = [&]<class Pass>(std::type_identity<Pass>) {
    const Pass pass{gate};
    throw std::runtime_error{"as a store does"};
  };
  CHECK_THROWS_AS(fail(std::type_identity<shared_pass>{}), std::runtime_error);
  CHECK_THROWS_AS(fail(std::type_identity<solo_pass>{}), std::runtime_error);
  const solo_pass alone{gate};
  CHECK(gate.solo_is_wanted());
}

TEST_CASE("solo_gate: many threads in a random order, a solo run is always alone and all come through") {
  solo_gate gate;
  std::atomic<int> shared_inside = 0;
  std::atomic<int> solo_inside = 0;
  std::atomic<int> faults = 0;
  std::atomic<int> passed = 0;
  const auto work = [&](unsigned seed) {
    std::mt19937_64 random{seed};
    for (int turn = 0; turn < 300; ++turn) {
      if (event_relay::uniform(random, 2) == 0) {
        const solo_pass pass{gate};
        faults += ++solo_inside != 1 || shared_inside != 0 ? 1 : 0;
        std::this_thread::yield();
        faults += shared_inside != 0 ? 1 : 0;
        --solo_inside;
      } else {
        const shared_pass pass{gate};
        ++shared_inside;
        faults += solo_inside != 0 ? 1 : 0;
        std::this_thread::yield();
        --shared_inside;
      }
      ++passed;
    }
  };
  std::vector<std::jthread> threads;
  for (unsigned seed = 1; seed <= 4; ++seed) {
    threads.emplace_back(work, seed);
  }
  threads.clear();
  CHECK(faults == 0);
  CHECK(passed == 4 * 300);
  CHECK_FALSE(gate.solo_is_wanted());
}
