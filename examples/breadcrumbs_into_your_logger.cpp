// SPDX-License-Identifier: MIT
// Breadcrumbs in the words of the logger that a service has already: a sink is a class with `record`.
#include <cstdio>
#include <string>
#include <string_view>

#include <event_relay/event_relay.hpp>

namespace {

/// Stands for spdlog, Boost.Log or what else the service logs by.
class house_logger {
 public:
  enum class level { debug, warning, error };
  void log(level at, std::string_view text) {
    constexpr std::string_view names[] = {"debug", "warning", "error"};
    fmt::print("[{}] {}\n", names[static_cast<int>(at)], text);
  }
};

/// A handle to the logger, which outlives the relay.
class logger_sink {
 public:
  explicit logger_sink(house_logger& logger) : logger_{&logger} {}

  void record(const event_relay::breadcrumb& logged) {
    // Text from outside goes through append_json_string: quoted, escaped, and on one line.
    fmt::memory_buffer text;
    fmt::format_to(fmt::appender(text), "{} {} correlation={}", logged.step, wire_name(logged.status),
                   logged.correlation_id);
    if (logged.retry != nullptr) {
      fmt::format_to(fmt::appender(text), " attempt={}/{}", logged.retry->attempt, logged.retry->max_attempts);
    }
    if (!logged.error.empty()) {
      fmt::format_to(fmt::appender(text), " error=");
      event_relay::append_json_string(text, logged.error);
    }
    logger_->log(level_of(logged.status), {text.data(), text.size()});
  }

 private:
  static house_logger::level level_of(event_relay::breadcrumb_status status) {
    switch (status) {
      case event_relay::breadcrumb_status::failed: return house_logger::level::error;
      case event_relay::breadcrumb_status::retrying:
      case event_relay::breadcrumb_status::warned: return house_logger::level::warning;
      case event_relay::breadcrumb_status::started:
      case event_relay::breadcrumb_status::succeeded: break;
    }
    return house_logger::level::debug;
  }

  house_logger* logger_;
};

struct booking {
  std::string id;
  static constexpr auto fields = event_relay::payload_fields(event_relay::reference("bookingId", &booking::id));
};
using booking_created = event_relay::domain_event<"booking.created", booking>;

}  // namespace

int main() {
  house_logger logger;
  event_relay::relay relay{event_relay::event_catalog<booking_created>{},
                           [](const event_relay::worker_envelope<booking_created>& envelope) -> event_relay::outcome {
                             if (envelope.retry.attempt == 1) {
                               return event_relay::retry{"mail server said:\n\"later\""};
                             }
                             return event_relay::processed{};
                           },
                           event_relay::relay_options()
                               .with_sink(logger_sink{logger})
                               .with_sources({.relay = "bookings", .worker = "mailer"})};
  const auto correlation = event_relay::correlation_id::accept_or_generate(" req-42 ");
  relay.publish(event_relay::event_factory{}.make<booking_created>({.id = "b-1"}, correlation));
}
