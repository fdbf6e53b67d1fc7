// SPDX-License-Identifier: MIT
// Tells from a run's log and the database whether each event ended once, and the events of each key kept their order,
// one at a time.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <map>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "crash/run_log.hpp"
#include "event_relay/core/envelope.hpp"
#include "event_relay/json/json_codec.hpp"
#include "event_relay/outbox/dead_letters.hpp"
#include "event_relay/outbox/queue_metrics.hpp"

namespace event_relay_test {

/// What is wrong, in a word that names it and a sentence.
struct verdict : std::runtime_error {
  template <class... Arguments>
  explicit verdict(fmt::format_string<Arguments...> text, Arguments&&... arguments)
      : std::runtime_error{fmt::format(text, std::forward<Arguments>(arguments)...)} {}
};

/// How an event came in. Of two events of one key, that which was committed before the other was begun comes first, and
/// of one transaction's that with the lower number. An event of no key has one of its own.
struct appended_event {
  std::uint64_t key = 0;
  std::uint64_t transaction = 0;
  std::uint64_t begun = 0;
  std::uint64_t committed = 0;
  bool was_committed = true;
};

/// Reads the log once. What it holds against a run is true whatever the timing: of two attempts of a key the later one
/// must follow from the end of the earlier one, or come after its lease.
class order_judge {
  using attempt_number = event_relay::attempt_number;
  using instant = event_relay::instant;

  struct attempt {
    std::uint64_t event = 0;
    attempt_number number = 0;  // 0 before the first attempt
    std::uint64_t token = 0;
    instant at{};
    std::string_view stage = "nothing";

    bool has_ended() const { return stage == log_words::succeeded || stage == log_words::failed; }
  };

  struct key_state {
    std::optional<std::uint64_t> event;  // the last that began
    std::uint64_t last_begun = 0;        // of all that were attempted
  };

 public:
  order_judge(std::vector<appended_event> events, attempt_number max_attempts)
      : max_attempts_{max_attempts}, events_{std::move(events)}, last_of_event_(events_.size()) {}

  template <class Store>
  void read_dead_letters(Store& store) {
    event_relay::dead_letters all{store};
    std::optional<event_relay::dead_letter_cursor> after;
    do {
      const event_relay::dead_letter_page page = all.list({}, after);
      for (const event_relay::stored_event& each : page.events) {
        const numbered of = event_relay::json_codec{}.decode<numbered>(each.record.payload);
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
      if (what == log_words::leased) {
        instant& until = leased_until_[read.token];
        until = std::max(until, read.at);
      } else if (what == log_words::disturbed) {
        disturbances_.push_back(read.at);
      } else if (what == log_words::begun || what == log_words::committed) {
        log >> read.number;
      } else {
        std::uint64_t key = 0;
        log >> read.event >> key >> read.number;
        if (!log || read.event >= events_.size() || key != events_[read.event].key) {
          break;
        }
        processes_.insert(process);
        if (what == log_words::started) {
          start(read);
        } else {
          end(read, what == log_words::failed ? log_words::failed : log_words::succeeded);
        }
      }
    }
    if (!log.eof()) {
      throw verdict{"log: line {} is none of this run's", line_};
    }
  }

  template <class Store>
  void judge_what_is_left(Store& store) const {
    const event_relay::queue_metrics left = store.metrics();
    if (left.depth() > 0) {
      throw verdict{"left: {} ready, {} scheduled, {} leased, {} orphan, {} blocked",
                    left.ready,
                    left.scheduled,
                    left.leased,
                    left.orphans,
                    left.blocked};
    }
    std::uint64_t expected = 0;
    for (std::uint64_t event = 0; event < events_.size(); ++event) {
      judge_end_of(event);
      expected += events_[event].was_committed ? 1 : 0;
    }
    std::uint64_t ends = 0;
    for (const event_relay::outcome_counts& each : left.outcomes) {
      ends += each.processed + each.dead_lettered;
    }
    if (ends != expected) {
      throw verdict{"twice: {} ends of {} events were stored", ends, expected};
    }
  }

  /// Each `token` is that of the settle which left an effect of `event`. Events of which `leaves_effect` is true leave
  /// one when they are processed.
  template <class LeavesEffect>
  void judge_effects(const std::multimap<std::uint64_t, std::uint64_t>& effects, LeavesEffect leaves_effect) const {
    for (std::uint64_t event = 0; event < events_.size(); ++event) {
      const bool is_expected = leaves_effect(event) && events_[event].was_committed && !dead_.contains(event);
      const std::size_t count = effects.count(event);
      if (count != (is_expected ? 1 : 0)) {
        throw verdict{"effects: {} of event {}", count, event};
      }
      if (count == 1 && effects.find(event)->second != last_of_event_[event].token) {
        throw verdict{"stale: the effect of event {} is of token {}, its last attempt of token {}", event,
                      effects.find(event)->second, last_of_event_[event].token};
      }
    }
  }

  /// After each disturbance an attempt began within this time, if any did.
  void judge_pauses(std::chrono::milliseconds longest) {
    std::sort(starts_.begin(), starts_.end());
    for (const instant each : disturbances_) {
      const auto next = std::lower_bound(starts_.begin(), starts_.end(), each);
      if (next == starts_.end()) {
        continue;
      }
      longest_pause_ = std::max(longest_pause_, *next - each);
      if (*next - each > longest) {
        throw verdict{"pause: {} ms after the server was there at {}", (*next - each).count(),
                      each.time_since_epoch().count()};
      }
    }
  }

  std::string numbers() const {
    const auto [first, last] = std::minmax_element(starts_.begin(), starts_.end());
    std::string text = fmt::format(
        "{} attempts, {} failed, {} dead letters ({} by crashes), {} repeated after their lease, {} late, "
        "{} processes, {:.1f} s",
        starts_.size(), failures_, dead_.size(),
        std::count_if(dead_.begin(), dead_.end(), [](const auto& each) { return each.second; }), repeated_, late_,
        processes_.size(), starts_.empty() ? 0.0 : std::chrono::duration<double>{*last - *first}.count());
    if (!disturbances_.empty()) {
      text += fmt::format(", the longest pause of {} was {} ms", disturbances_.size(), longest_pause_.count());
    }
    return text;
  }

 private:
  void start(const attempt& next) {
    const appended_event& event = events_[next.event];
    if (!event.was_committed) {
      throw verdict{"uncommitted: line {}, event {} was rolled back, and is attempted", line_, next.event};
    }
    starts_.push_back(next.at);
    key_state& key = keys_[event.key];
    if (key.event) {
      const attempt& before = last_of_event_[*key.event];
      if (next.token <= before.token) {
        // A process that stalled between claim and start; another may have followed once its lease was over.
        require_lease_over(next.token, before.at, "token", next, before);
        ++late_;
        return;
      }
      follow(before, next);
    }
    if (key.last_begun > event.committed) {
      throw verdict{"order: line {}, attempt {} of event {} after one of an event whose append began later", line_,
                    next.number, next.event};
    }
    std::uint64_t& last = last_of_transaction_[{event.key, event.transaction}];
    if (last > next.event) {
      throw verdict{"order: line {}, attempt {} of event {} after event {} of the same transaction", line_, next.number,
                    next.event, last};
    }
    last = next.event;
    key.last_begun = std::max(key.last_begun, event.begun);
    key.event = next.event;
    last_of_event_[next.event] = next;
    last_of_event_[next.event].stage = log_words::started;
  }

  // `next` has the higher token.
  void follow(const attempt& before, const attempt& next) {
    const attempt& same = last_of_event_[next.event];
    const bool is_retry = same.number == 0 ||
                          (same.stage == log_words::failed && same.number < max_attempts_ && next.number > same.number);
    if (before.has_ended() && is_retry) {
      return;
    }
    if (!before.has_ended()) {
      require_lease_over(before.token, next.at, "overlap", next, before);
    }
    if (!is_retry) {
      require_lease_over(same.token, next.at, "lease", next, same);
    }
    ++repeated_;
  }

  void end(const attempt& ended, std::string_view stage) {
    failures_ += stage == log_words::failed ? 1 : 0;
    attempt& running = last_of_event_[keys_[events_[ended.event].key].event.value_or(ended.event)];
    if (ended.token < running.token) {
      ++late_;  // `follow` has seen that its lease was over
      return;
    }
    if (ended.token != running.token || ended.event != running.event || running.stage != log_words::started) {
      throw verdict{"log: line {}, event {} ends without a start", line_, ended.event};
    }
    running.stage = stage;
  }

  void judge_end_of(std::uint64_t event) const {
    const attempt& last = last_of_event_[event];
    const auto dead = dead_.find(event);
    const bool is_right = !events_[event].was_committed ? dead == dead_.end()
                          : dead == dead_.end()
                              ? last.stage == log_words::succeeded
                              : dead->second || (last.stage == log_words::failed && last.number >= max_attempts_);
    if (!is_right) {
      throw verdict{"lost: event {} is {}, and of its last attempt, {}, the log says \"{}\"", event,
                    dead == dead_.end() ? "gone" : "a dead letter", last.number, last.stage};
    }
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

  attempt_number max_attempts_;
  std::vector<appended_event> events_;
  std::vector<attempt> last_of_event_;
  std::map<std::uint64_t, key_state> keys_;
  std::map<std::pair<std::uint64_t, std::uint64_t>, std::uint64_t> last_of_transaction_;  // of key and transaction
  std::map<std::uint64_t, bool> dead_;             // whether by a crash, in an attempt that may not be in the log
  std::map<std::uint64_t, instant> leased_until_;  // by token
  std::set<std::int64_t> processes_;
  std::vector<instant> starts_;
  std::vector<instant> disturbances_;
  std::chrono::milliseconds longest_pause_{0};
  std::uint64_t line_ = 0;
  std::uint64_t failures_ = 0;
  std::uint64_t repeated_ = 0;
  std::uint64_t late_ = 0;
};

}  // namespace event_relay_test
