// SPDX-License-Identifier: MIT
// Events of many ordering keys, a worker that writes down each attempt, and a judge who tells from that log and the
// database whether the events of each key kept their order, one at a time. order.sh runs it, and kills it.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <fstream>
#include <map>
#include <numeric>
#include <optional>
#include <set>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "event_relay/json/json_codec.hpp"
#include "event_relay/sqlite/sqlite.hpp"

namespace {

using namespace event_relay;
using namespace std::chrono_literals;

constexpr attempt_number max_attempts = 3;
constexpr auto lease_length = 300ms;
const sqlite::store_options store_options{.durability = sqlite::synchronous::normal};  // power is not cut here

struct numbered {
  std::uint64_t number;
  std::uint64_t key;
  static constexpr auto fields = payload_fields(field("number", &numbered::number), field("key", &numbered::key));
};
using event_numbered = domain_event<"order.numbered", numbered>;
using events_numbered = event_catalog<event_numbered>;

constexpr std::string_view leased = "leased";        // a token's lease holds until the time, or longer
constexpr std::string_view started = "start";        // these three are of an attempt
constexpr std::string_view failed = "failed";        // ended
constexpr std::string_view succeeded = "processed";  // ended

/// Of all processes: WHAT TIME PROCESS TOKEN [EVENT KEY ATTEMPT]. Thread-safe.
class run_log {
 public:
  explicit run_log(const std::string& path) : file_{::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT, 0644)} {
    require(file_ >= 0);
  }
  ~run_log() { ::close(file_); }
  run_log(const run_log&) = delete;
  run_log& operator=(const run_log&) = delete;

  void write(std::string_view what, instant at, std::uint64_t token, std::string_view attempt = {}) const {
    // No line of 64 bytes lies across two pages, where a kill could cut it.
    const std::string line = fmt::format(
        "{:<63}\n", fmt::format("{} {} {} {} {}", what, at.time_since_epoch().count(), ::getpid(), token, attempt));
    errno = EMSGSIZE;
    require(line.size() == 64 && ::write(file_, line.data(), line.size()) == 64);
  }

 private:
  static void require(bool is_done) {
    if (!is_done) {
      throw std::system_error{errno, std::generic_category(), "the log"};
    }
  }

  int file_;
};

/// Says until when each token's lease holds at the least.
class logged_store : public sqlite::store<> {
 public:
  logged_store(const std::string& path, const run_log& log) : store{path, store_options}, log_{log} {}

  turn_result turn(std::span<const settlement<transaction>> settlements, const claim_request& request) {
    const instant until = now() + request.length;
    turn_result result = store::turn(settlements, request);
    if (!result.claimed.empty()) {
      log_.write(leased, until, result.claimed.front().held.token);
    }
    return result;
  }

  std::vector<bool> renew(std::span<const lease> leases, std::chrono::milliseconds length) {
    const instant until = now() + length;
    std::vector<bool> renewed = store::renew(leases, length);
    std::map<std::uint64_t, bool> tokens;
    for (std::size_t at = 0; at < leases.size(); ++at) {
      bool& all = tokens.try_emplace(leases[at].token, true).first->second;
      all = all && renewed[at];
    }
    for (const auto& [token, all] : tokens) {
      if (all) {
        log_.write(leased, until, token);
      }
    }
    return renewed;
  }

 private:
  const run_log& log_;
};

struct order_handler {
  const run_log& log;
  fail_at_rate fails{0.2, 1};

  outcome operator()(const worker_envelope<event_numbered>& envelope) const {
    const numbered& event = envelope.event.payload;
    const auto write =
        [&, attempt = fmt::format("{} {} {}", event.number, event.key, envelope.retry.attempt)](std::string_view what) {
          log.write(what, system_clock{}.now(), envelope.outbox->token, attempt);
        };
    write(started);
    std::this_thread::yield();  // whoever may come in between shall
    const bool has_failed = fails({event_numbered::name, envelope.event.id, envelope.retry.attempt});
    write(has_failed ? failed : succeeded);
    return has_failed ? outcome{retry{"one of five"}} : processed{};
  }
};

// Event i has key i mod `keys`. The events of a key are appended one by one and several at once, in turns.
void append(std::uint64_t from, std::uint64_t to, std::uint64_t keys, const std::string& path) {
  sqlite::store store{path, store_options};
  outbox box{events_numbered{}, store, json_codec{}};
  sqlite::connection host{path, 30s};
  host.execute("PRAGMA synchronous = NORMAL");
  constexpr std::uint64_t at_once = 1000;
  for (bool one_by_one = true; from < to; from += at_once, one_by_one = !one_by_one) {
    std::map<std::uint64_t, std::vector<event_numbered>> by_key;
    for (std::uint64_t number = from; number < std::min(to, from + at_once); ++number) {
      by_key[number % keys].push_back({.id = fmt::format("event-{}", number),
                                       .occurred_at = system_clock{}.now(),
                                       .correlation = correlation_id::generate(),
                                       .replayed = false,
                                       .payload = {number, number % keys}});
    }
    sqlite::immediate_transaction change{host};
    for (const auto& [key, events] : by_key) {
      const append_options options{.ordering_key = fmt::format("key-{}", key)};
      if (!one_by_one) {
        box.append(host.handle(), events, options);
        continue;
      }
      for (const event_numbered& each : events) {
        box.append(host.handle(), each, options);
      }
    }
    change.commit();
  }
}

void work(const std::string& path, const std::string& log_path) {
  const run_log log{log_path};
  logged_store store{path, log};
  outbox box{events_numbered{}, store, json_codec{}};
  worker worker{box, order_handler{log},
                worker_options()
                    .with_threads(4)
                    .with_lease(lease_length)
                    .with_max_attempts(max_attempts)
                    .with_backoff(listed_backoff{0ms, 1ms})
                    .with_poll_interval(20ms)};  // another process appends
  worker.run_until_done();
}

/// What is wrong, in a word that names it and a sentence.
struct verdict : std::runtime_error {
  template <class... Arguments>
  explicit verdict(fmt::format_string<Arguments...> text, Arguments&&... arguments)
      : std::runtime_error{fmt::format(text, std::forward<Arguments>(arguments)...)} {}
};

/// Reads the log once. What it holds against a run is true whatever the timing: of two attempts of a key the later one
/// must follow from the end of the earlier one, or come after its lease.
class judge {
  struct attempt {
    std::uint64_t event = 0;
    attempt_number number = 0;  // 0 before the first attempt
    std::uint64_t token = 0;
    instant at{};
    std::string_view stage = "nothing";

    bool has_ended_its_event() const { return stage == succeeded || (stage == failed && number >= max_attempts); }
    bool is_followed_by_retry(attempt_number next) const {
      return stage == failed && number < max_attempts && next > number;
    }
  };

 public:
  /// `keys` is `count` at the most.
  judge(std::uint64_t count, std::uint64_t keys) : last_of_event_(count), event_of_key_(keys) {
    std::iota(event_of_key_.begin(), event_of_key_.end(), std::uint64_t{0});
  }

  void read_dead_letters(sqlite::store<>& store) {
    dead_letters all{store};
    std::optional<dead_letter_cursor> after;
    do {
      const dead_letter_page page = all.list({}, after);
      for (const stored_event& each : page.events) {
        const numbered of = json_codec{}.decode<numbered>(each.record.payload);
        const bool is_by_crash = !each.failures.empty() && each.failures.back().text == "lease expired";
        dead_.emplace(of.number, is_by_crash);
      }
      after = page.next;
    } while (after);
  }

  void read_log(const std::string& path) {
    std::ifstream log{path};
    std::string what;
    std::int64_t time = 0;
    std::int64_t process = 0;
    attempt read;
    while (++line_, log >> what >> time >> process >> read.token) {
      read.at = instant{std::chrono::milliseconds{time}};
      if (what == leased) {
        instant& until = leased_until_[read.token];
        until = std::max(until, read.at);
        continue;
      }
      std::uint64_t key = 0;
      log >> read.event >> key >> read.number;
      if (!log || read.event >= last_of_event_.size() || key != read.event % event_of_key_.size()) {
        break;
      }
      processes_.insert(process);
      if (what == started) {
        start(read, key);
      } else {
        end(read, key, what == failed ? failed : succeeded);
      }
    }
    if (!log.eof()) {
      throw verdict{"log: line {} is none of this run's", line_};
    }
  }

  void judge_what_is_left(sqlite::store<>& store) const {
    const queue_metrics left = store.metrics();
    if (left.depth() > 0) {
      throw verdict{"left: {} ready, {} scheduled, {} leased, {} suspect, {} blocked",
                    left.ready,
                    left.scheduled,
                    left.leased,
                    left.suspects,
                    left.blocked};
    }
    for (std::uint64_t event = 0; event < last_of_event_.size(); ++event) {
      const attempt& last = last_of_event_[event];
      const auto dead = dead_.find(event);
      const bool is_right = dead == dead_.end() ? last.stage == succeeded
                                                : dead->second || (last.stage == failed && last.number >= max_attempts);
      if (!is_right) {
        throw verdict{"lost: event {} is {}, and of its last attempt, {}, the log says \"{}\"", event,
                      dead == dead_.end() ? "gone" : "a dead letter", last.number, last.stage};
      }
    }
    std::uint64_t ends = 0;
    for (const outcome_counts& each : left.outcomes) {
      ends += each.processed + each.dead_lettered;
    }
    if (ends != last_of_event_.size()) {
      throw verdict{"twice: {} ends of {} events were stored", ends, last_of_event_.size()};
    }
  }

  std::string numbers() const {
    return fmt::format(
        "{} events of {} keys: {} attempts, {} failed, {} dead letters, {} repeated after their lease, {} late, "
        "{} processes, {:.1f} s",
        last_of_event_.size(), event_of_key_.size(), attempts_, failures_, dead_.size(), repeated_, late_,
        processes_.size(), std::chrono::duration<double>{last_ - first_}.count());
  }

 private:
  void start(const attempt& next, std::uint64_t key) {
    ++attempts_;
    first_ = attempts_ == 1 ? next.at : first_;
    last_ = next.at;
    const attempt& before = last_of_event_[event_of_key_[key]];
    if (before.number > 0) {
      if (next.token <= before.token) {
        // A process that stalled between claim and start; another may have followed once its lease was over.
        require_lease_over(next.token, before.at, "token", next, before);
        return;
      }
      follow(before, next);
    }
    event_of_key_[key] = next.event;
    last_of_event_[next.event] = next;
    last_of_event_[next.event].stage = started;
  }

  void follow(const attempt& before, const attempt& next) {
    if (next.event == before.event ? before.is_followed_by_retry(next.number)
                                   : next.event > before.event && before.has_ended_its_event()) {
      return;
    }
    const auto dead = dead_.find(before.event);
    const bool has_crashed = dead != dead_.end() && dead->second;
    if (next.event < before.event || (next.event > before.event && !has_crashed)) {
      throw verdict{"order: {}", text_of(next, before)};
    }
    require_lease_over(before.token, next.at, before.stage == started ? "overlap" : "lease", next, before);
    ++repeated_;
  }

  void end(const attempt& ended, std::uint64_t key, std::string_view stage) {
    failures_ += stage == failed ? 1 : 0;
    attempt& running = last_of_event_[event_of_key_[key]];
    if (ended.token < running.token) {
      ++late_;  // `follow` has seen that its lease was over
      return;
    }
    if (ended.token != running.token || ended.event != running.event || running.stage != started) {
      throw verdict{"log: line {}, event {} ends without a start", line_, ended.event};
    }
    running.stage = stage;
  }

  void require_lease_over(std::uint64_t token, instant by, std::string_view word, const attempt& next,
                          const attempt& before) const {
    const auto until = leased_until_.find(token);
    if (until == leased_until_.end() || by < until->second) {
      throw verdict{"{}: {}", word, text_of(next, before)};
    }
  }

  std::string text_of(const attempt& next, const attempt& before) const {
    return fmt::format("line {}, attempt {} of event {} (token {}) after attempt {} of event {} (token {}, \"{}\")",
                       line_, next.number, next.event, next.token, before.number, before.event, before.token,
                       before.stage);
  }

  std::vector<attempt> last_of_event_;
  std::vector<std::uint64_t> event_of_key_;        // the last that began; the first, before
  std::map<std::uint64_t, bool> dead_;             // whether by a crash, in an attempt that may not be in the log
  std::map<std::uint64_t, instant> leased_until_;  // by token
  std::set<std::int64_t> processes_;
  std::uint64_t line_ = 0;
  std::uint64_t attempts_ = 0;
  std::uint64_t failures_ = 0;
  std::uint64_t repeated_ = 0;
  std::uint64_t late_ = 0;
  instant first_{};
  instant last_{};
};

std::string judged(const std::string& log, const std::string& path, std::uint64_t count, std::uint64_t keys) {
  sqlite::store store{path};
  judge judge{count, keys};
  judge.read_dead_letters(store);
  judge.read_log(log);
  judge.judge_what_is_left(store);
  return judge.numbers();
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  const auto is = [&](std::string_view verb, std::size_t count) {
    return arguments.size() == count + 1 && arguments[0] == verb;
  };
  const auto number = [&](std::size_t at) { return std::stoull(arguments[at]); };
  try {
    if (is("append", 4)) {
      append(number(1), number(2), number(3), arguments[4]);
    } else if (is("work", 2)) {
      work(arguments[1], arguments[2]);
    } else if (is("judge", 4)) {
      fmt::print("{}\n", judged(arguments[1], arguments[2], number(3), number(4)));
    } else {
      fmt::print(stderr, "order_run append FROM TO KEYS DB | work DB LOG | judge LOG DB COUNT KEYS\n");
      return 2;
    }
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
}
