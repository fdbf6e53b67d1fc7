// SPDX-License-Identifier: MIT
// What the processes of a crash run write down of what they do, one line of fixed size after the other. The order of
// the lines is that of the file, for all processes together.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "event_relay/core/event.hpp"
#include "event_relay/core/event_catalog.hpp"
#include "event_relay/core/instant.hpp"
#include "event_relay/core/payload.hpp"
#include "event_relay/outbox/claim_request.hpp"
#include "event_relay/outbox/event_record.hpp"
#include "event_relay/outbox/settlement.hpp"

namespace event_relay_test {

struct numbered {
  std::uint64_t number;
  std::uint64_t key;
  static constexpr auto fields = event_relay::payload_fields(event_relay::field("number", &numbered::number),
                                                             event_relay::field("key", &numbered::key));
};
using event_numbered = event_relay::domain_event<"order.numbered", numbered>;
using events_numbered = event_relay::event_catalog<event_numbered>;

namespace log_words {

inline constexpr std::string_view leased = "leased";        // a token's lease holds until the time, or longer
inline constexpr std::string_view started = "start";        // these three are of an attempt
inline constexpr std::string_view failed = "failed";        // ended
inline constexpr std::string_view succeeded = "processed";  // ended
inline constexpr std::string_view begun = "begun";          // these two are of a transaction that appends
inline constexpr std::string_view committed = "committed";  // some time ago
inline constexpr std::string_view disturbed = "disturbed";  // the server is there again

}  // namespace log_words

/// Of all processes: WHAT TIME PROCESS TOKEN [EVENT KEY ATTEMPT]; of appends FROM and TO in the place of the last four.
/// Thread-safe.
class run_log {
 public:
  explicit run_log(const std::string& path) : file_{::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT, 0644)} {
    require(file_ >= 0);
  }
  ~run_log() { ::close(file_); }
  run_log(const run_log&) = delete;
  run_log& operator=(const run_log&) = delete;

  void write(std::string_view what, event_relay::instant at, std::uint64_t token, std::string_view rest = {}) const {
    // No line of 64 bytes lies across two pages, where a kill could cut it.
    const std::string line = fmt::format(
        "{:<63}\n", fmt::format("{} {} {} {} {}", what, at.time_since_epoch().count(), ::getpid(), token, rest));
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
template <class Store>
class logged_store : public Store {
 public:
  template <class... Parts>
  explicit logged_store(const run_log& log, Parts&&... parts) : Store{std::forward<Parts>(parts)...}, log_{log} {}

  event_relay::exchange_result exchange(
      std::span<const event_relay::settlement<typename Store::transaction>> settlements,
      const event_relay::claim_request& request) {
    const event_relay::instant until = this->now() + request.length;
    event_relay::exchange_result result = Store::exchange(settlements, request);
    std::set<std::uint64_t> tokens;  // a claim that scans again takes another one
    for (const event_relay::claimed_event& each : result.claimed) {
      if (tokens.insert(each.held.token).second) {
        write(until, each.held.token);
      }
    }
    return result;
  }

  std::vector<bool> renew(std::span<const event_relay::lease> leases, std::chrono::milliseconds length) {
    const event_relay::instant until = this->now() + length;
    std::vector<bool> renewed = Store::renew(leases, length);
    std::map<std::uint64_t, bool> tokens;
    for (std::size_t at = 0; at < leases.size(); ++at) {
      bool& all = tokens.try_emplace(leases[at].token, true).first->second;
      all = all && renewed[at];
    }
    for (const auto& [token, all] : tokens) {
      if (all) {
        write(until, token);
      }
    }
    return renewed;
  }

 private:
  // Two readings of the time, each cut to a millisecond, differ by no more.
  static constexpr std::chrono::milliseconds readings_differ{2};

  void write(event_relay::instant until, std::uint64_t token) const {
    log_.write(log_words::leased, until - readings_differ, token);
  }

  const run_log& log_;
};

}  // namespace event_relay_test
