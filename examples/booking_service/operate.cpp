// SPDX-License-Identifier: MIT
#include "operate.hpp"

#include <cstdio>
#include <exception>
#include <optional>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <variant>

#include <fmt/format.h>
#include <event_relay/outbox/store_error.hpp>

#include "file.hpp"
#include "operate_on_database.hpp"
#include "operator_options.hpp"
#include "stop_signals.hpp"

namespace bookings {

namespace {

int carry_out(const operator_request& asked) {
  std::optional<stop_signals> signals;
  if (asked.watch) {
    signals.emplace(asked.stop_after);
  }
  const std::stop_token stop = signals ? signals->token() : std::stop_token{};
  const int status = asked.postgres ? operate_on_postgres(asked, stop) : operate_on_sqlite(asked, stop);
  if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) {
    throw std::runtime_error("cannot write to standard output");
  }
  return status;
}

}  // namespace

bool is_operation(std::string_view argument) { return argument == "dead-letters" || argument == "metrics"; }

int operate(int argc, char** argv) {
  const bool is_metrics = std::string_view{argv[1]} == "metrics";
  const auto failed = [&](int status) { return is_metrics ? 3 : status; };
  const auto parsed = parse_operator_options(argc, argv);
  if (const int* status = std::get_if<int>(&parsed)) {
    return *status == 0 ? 0 : failed(*status);
  }
  const auto& asked = std::get<operator_request>(parsed);
  try {
    return carry_out(asked);
  } catch (const file_error& error) {
    fmt::print(stderr, "booking_service: {}\n", error.what());
    return failed(2);
  } catch (const event_relay::store_error& error) {
    // A connection string may hold a password; the error itself says where it happened.
    fmt::print(stderr, "booking_service: {}{}\n", asked.postgres ? std::string{} : asked.database + ": ", error.what());
  } catch (const std::exception& error) {
    fmt::print(stderr, "booking_service: {}\n", error.what());
  }
  return failed(1);
}

}  // namespace bookings
