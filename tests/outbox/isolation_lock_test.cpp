// SPDX-License-Identifier: MIT
// Who may run beside whom: shared passes together, an isolated pass alone, and none put off for ever.
#include "event_relay/outbox/isolation_lock.hpp"

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

using event_relay::isolation_lock;
using shared_pass = isolation_lock::shared_pass;
using isolated_pass = isolation_lock::isolated_pass;

static_assert(!std::is_copy_constructible_v<shared_pass> && !std::is_move_constructible_v<shared_pass>);
static_assert(!std::is_copy_constructible_v<isolated_pass> && !std::is_move_constructible_v<isolated_pass>);

// What passed through the isolation, in order.
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
void wait_until_isolation_is_wanted(const isolation_lock& isolation, const passage_log& log) {
  while (!isolation.isolation_is_wanted() && log.text().empty()) {
    std::this_thread::yield();
  }
}

// Time for another thread to do what it should not.
void let_others_run() {
  for (int round = 0; round < 2'000; ++round) {
    std::this_thread::yield();
  }
}

}  // namespace

TEST_CASE("isolation_lock: of_process, the same for every thread") {
  const isolation_lock* another_threads = nullptr;
  std::jthread{[&] { another_threads = &isolation_lock::of_process(); }}.join();
  CHECK(&isolation_lock::of_process() == another_threads);
}

TEST_CASE("isolation_lock: shared passes, held together") {
  isolation_lock isolation;
  std::latch all_inside{3};
  std::vector<std::jthread> threads;
  for (int at = 0; at < 3; ++at) {
    threads.emplace_back([&] {
      const shared_pass pass{isolation};
      all_inside.arrive_and_wait();
    });
  }
  threads.clear();
  CHECK(all_inside.try_wait());
  CHECK_FALSE(isolation.isolation_is_wanted());
}

TEST_CASE("isolation_lock: isolation_is_wanted, from the wish to the end of the run") {
  isolation_lock isolation;
  CHECK_FALSE(isolation.isolation_is_wanted());
  {
    const isolated_pass pass{isolation};
    CHECK(isolation.isolation_is_wanted());
  }
  CHECK_FALSE(isolation.isolation_is_wanted());
}

TEST_CASE("isolation_lock: an isolated pass while shared ones are held, waits for the last of them") {
  isolation_lock isolation;
  passage_log log;
  std::optional<shared_pass> one{std::in_place, isolation};
  std::optional<shared_pass> other{std::in_place, isolation};
  std::jthread orphan{[&] {
    const isolated_pass pass{isolation};
    log.add("isolated");
  }};
  wait_until_isolation_is_wanted(isolation, log);
  let_others_run();
  one.reset();
  let_others_run();
  log.add("last shared one over");
  other.reset();
  orphan.join();
  CHECK(log.text() == "last shared one over, isolated");
}

TEST_CASE("isolation_lock: a shared pass while an isolated one waits or runs, comes after it") {
  isolation_lock isolation;
  passage_log log;
  std::latch isolated_runs{1};
  std::latch isolated_may_end{1};
  std::optional<shared_pass> first{std::in_place, isolation};
  std::jthread orphan{[&] {
    const isolated_pass pass{isolation};
    isolated_runs.count_down();
    isolated_may_end.wait();
    log.add("isolated over");
  }};
  wait_until_isolation_is_wanted(isolation, log);
  const auto enter = [&] {
    const shared_pass pass{isolation};
    log.add("shared");
  };
  std::jthread while_it_waits{enter};
  let_others_run();
  log.add("first over");
  first.reset();
  isolated_runs.wait();
  std::jthread while_it_runs{enter};
  let_others_run();
  isolated_may_end.count_down();
  orphan.join();
  while_it_waits.join();
  while_it_runs.join();
  CHECK(log.text() == "first over, isolated over, shared, shared");
}

TEST_CASE("isolation_lock: a pass given up by an exception, free for the next") {
  isolation_lock isolation;
  const auto fail = [&]<class Pass>(std::type_identity<Pass>) {
    const Pass pass{isolation};
    throw std::runtime_error{"as a store does"};
  };
  CHECK_THROWS_AS(fail(std::type_identity<shared_pass>{}), std::runtime_error);
  CHECK_THROWS_AS(fail(std::type_identity<isolated_pass>{}), std::runtime_error);
  const isolated_pass alone{isolation};
  CHECK(isolation.isolation_is_wanted());
}

TEST_CASE("isolation_lock: many threads in a random order, an isolated run is always alone and all come through") {
  isolation_lock isolation;
  std::atomic<int> shared_inside = 0;
  std::atomic<int> isolated_inside = 0;
  std::atomic<int> faults = 0;
  std::atomic<int> passed = 0;
  const auto work = [&](unsigned seed) {
    std::mt19937_64 random{seed};
    for (int round = 0; round < 300; ++round) {
      if (event_relay::uniform(random, 2) == 0) {
        const isolated_pass pass{isolation};
        faults += ++isolated_inside != 1 || shared_inside != 0 ? 1 : 0;
        std::this_thread::yield();
        faults += shared_inside != 0 ? 1 : 0;
        --isolated_inside;
      } else {
        const shared_pass pass{isolation};
        ++shared_inside;
        faults += isolated_inside != 0 ? 1 : 0;
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
  CHECK_FALSE(isolation.isolation_is_wanted());
}
