// SPDX-License-Identifier: MIT
// A file of bookings, row by row: each is either a booking to play or a reason why it is none. Reads CSV as
// in RFC 4180, with columns found by the header's names.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <deque>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <variant>
#include <vector>

namespace bookings {

enum class stay { canceled, checked_out, no_show };

/// A row that makes sense.
struct booking_row {
  /// Data rows are counted from 1, bad ones too.
  std::size_t row = 0;
  /// Where it begins. Lines are counted from 1, the header included.
  std::size_t line = 0;
  std::string hotel;
  std::int64_t nights = 0;
  /// Absent where the file leaves it empty or says NULL.
  std::optional<std::string> country = std::nullopt;
  std::int64_t amount_cents = 0;
  stay ended = stay::canceled;
};

/// A row that does not. Lines are counted from 1, the header included.
struct bad_row {
  std::size_t line = 0;
  std::string reason;
};

/// The file as a whole cannot be used: it cannot be read, or its header lacks a column.
class unreadable_csv : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Reads a stream that stays the caller's. Not thread-safe.
class bookings_reader {
 public:
  /// Reads the header. Throws unreadable_csv, which names what is missing.
  explicit bookings_reader(std::FILE* stream);
  ~bookings_reader();
  bookings_reader(bookings_reader&&) noexcept;
  bookings_reader& operator=(bookings_reader&&) = delete;

  /// The next row, or nothing after the last. Throws unreadable_csv when the stream cannot be read.
  std::optional<std::variant<booking_row, bad_row>> next();

 private:
  struct record {
    std::size_t line = 0;
    std::vector<std::string> fields;
    std::string fault;  // what the CSV parser found wrong; empty if nothing
  };
  class parser;

  std::variant<booking_row, bad_row> interpret(const record& from) const;

  std::unique_ptr<parser> parser_;
  std::vector<std::string> header_;
  std::array<std::size_t, 9> column_{};
  std::size_t rows_ = 0;
};

}  // namespace bookings
