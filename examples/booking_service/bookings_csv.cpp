// SPDX-License-Identifier: MIT
#include "bookings_csv.hpp"

#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <utility>

#include <csv.h>
#include <fmt/format.h>

#include "money.hpp"

namespace bookings {

namespace {

// In the order of `column`; also the header's names.
constexpr std::array<std::string_view, 9> column_names = {"hotel",
                                                          "arrival_date_year",
                                                          "arrival_date_month",
                                                          "arrival_date_day_of_month",
                                                          "stays_in_weekend_nights",
                                                          "stays_in_week_nights",
                                                          "country",
                                                          "adr",
                                                          "reservation_status"};
enum column : std::size_t { hotel, year, month, day, weekend_nights, week_nights, country, rate, status };

constexpr std::array<std::string_view, 12> month_names = {"January",   "February", "March",    "April",
                                                          "May",       "June",     "July",     "August",
                                                          "September", "October",  "November", "December"};

// A row that spans more lines than this is one whose quote is never closed: without a limit it would
// swallow the rest of the file.
constexpr std::size_t most_lines_of_a_row = 100;

class row_fault : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

std::int64_t whole_number(std::string_view name, std::string_view text) {
  std::int64_t value = 0;
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (fault == std::errc::result_out_of_range) {
    throw row_fault{fmt::format("{} is out of range: \"{}\"", name, text)};
  }
  if (fault != std::errc{} || end != text.data() + text.size()) {
    throw row_fault{fmt::format("{} is not a number: \"{}\"", name, text)};
  }
  return value;
}

std::int64_t nights_of(std::string_view name, std::string_view text) {
  constexpr std::int64_t most = 100'000;
  const std::int64_t nights = whole_number(name, text);
  if (nights < 0) {
    throw row_fault{fmt::format("{} is negative: \"{}\"", name, text)};
  }
  if (nights > most) {
    throw row_fault{fmt::format("{} is more than {}: \"{}\"", name, most, text)};
  }
  return nights;
}

void require_date(std::string_view year_text, std::string_view month_text, std::string_view day_text) {
  const std::int64_t in_year = whole_number(column_names[year], year_text);
  const std::int64_t on_day = whole_number(column_names[day], day_text);
  for (unsigned at = 0; at < month_names.size(); ++at) {
    if (month_names[at] == month_text) {
      const bool in_range = in_year >= 1 && in_year <= 9999 && on_day >= 1 && on_day <= 31;
      if (!in_range ||
          !std::chrono::year_month_day{std::chrono::year{static_cast<int>(in_year)}, std::chrono::month{at + 1},
                                       std::chrono::day{static_cast<unsigned>(on_day)}}
               .ok()) {
        throw row_fault{fmt::format("arrival date does not exist: {} {} {}", day_text, month_text, year_text)};
      }
      return;
    }
  }
  throw row_fault{fmt::format("{} is not a month: \"{}\"", column_names[month], month_text)};
}

stay stay_of(std::string_view text) {
  if (text == "Canceled") {
    return stay::canceled;
  }
  if (text == "Check-Out") {
    return stay::checked_out;
  }
  if (text == "No-Show") {
    return stay::no_show;
  }
  throw row_fault{fmt::format("{} is unknown: \"{}\"", column_names[status], text)};
}

}  // namespace

// libcsv, which is fed, as something that is asked: one record at a time, with the line that it began in.
class bookings_reader::parser {
 public:
  explicit parser(std::FILE* stream) : stream_{stream} { reset(); }
  parser(const parser&) = delete;
  parser& operator=(const parser&) = delete;
  ~parser() {
    csv_free(&state_);
    std::free(buffer_);
  }

  std::optional<record> next() {
    std::vector<line> of_this_record;
    while (auto fed = read_line()) {
      const bool is_first = of_this_record.empty();
      if (is_first && fed->text.find_first_not_of(" \t\r\n") == std::string::npos) {
        continue;
      }
      of_this_record.push_back(*std::move(fed));
      const std::string& text = of_this_record.back().text;
      if (csv_parse(&state_, text.data(), text.size(), on_field, on_record, this) != text.size()) {
        return broken(std::move(of_this_record), csv_strerror(csv_error(&state_)));
      }
      if (ended_) {
        return finished(of_this_record.front().number);
      }
      if (of_this_record.size() == most_lines_of_a_row) {
        return broken(std::move(of_this_record),
                      fmt::format("a quoted field is not closed within {} lines", most_lines_of_a_row));
      }
    }
    if (of_this_record.empty()) {
      return std::nullopt;
    }
    if (csv_fini(&state_, on_field, on_record, this) != 0 || !ended_) {
      return broken(std::move(of_this_record), "a quoted field is not closed");
    }
    return finished(of_this_record.front().number);
  }

 private:
  struct line {
    std::size_t number;
    std::string text;
  };

  static void on_field(void* field, std::size_t size, void* self) {
    static_cast<parser*>(self)->fields_.emplace_back(static_cast<const char*>(field), size);
  }
  static void on_record(int, void* self) { static_cast<parser*>(self)->ended_ = true; }

  void reset() {
    if (csv_init(&state_, CSV_STRICT | CSV_STRICT_FINI) != 0) {
      throw unreadable_csv{"cannot set up the CSV parser"};
    }
    fields_.clear();
    ended_ = false;
  }

  std::optional<line> read_line() {
    if (!again_.empty()) {
      line first = std::move(again_.front());
      again_.pop_front();
      return first;
    }
    const ssize_t size = getline(&buffer_, &capacity_, stream_);
    if (size < 0) {
      if (std::ferror(stream_) != 0) {
        throw unreadable_csv{fmt::format("line {}: cannot be read: {}", lines_ + 1, std::strerror(errno))};
      }
      return std::nullopt;
    }
    ++lines_;
    return line{lines_, std::string{buffer_, static_cast<std::size_t>(size)}};
  }

  record finished(std::size_t number) {
    record done{number, std::exchange(fields_, {}), {}};
    ended_ = false;
    return done;
  }

  // Only the record's first line is given up; those after it are read again as records of their own.
  record broken(std::vector<line> lines, std::string fault) {
    csv_free(&state_);
    reset();
    again_.insert(again_.begin(), std::make_move_iterator(lines.begin() + 1), std::make_move_iterator(lines.end()));
    return {lines.front().number, {}, std::move(fault)};
  }

  std::FILE* stream_;
  csv_parser state_{};
  char* buffer_ = nullptr;
  std::size_t capacity_ = 0;
  std::size_t lines_ = 0;
  std::deque<line> again_;
  std::vector<std::string> fields_;
  bool ended_ = false;
};

bookings_reader::bookings_reader(std::FILE* stream) : parser_{std::make_unique<parser>(stream)} {
  const std::optional<record> first = parser_->next();
  if (!first) {
    throw unreadable_csv{"the file is empty, it must start with a header"};
  }
  if (!first->fault.empty()) {
    throw unreadable_csv{fmt::format("line {}: {}", first->line, first->fault)};
  }
  header_ = first->fields;
  constexpr std::string_view byte_order_mark = "\xef\xbb\xbf";
  if (header_.front().starts_with(byte_order_mark)) {
    header_.front().erase(0, byte_order_mark.size());
  }
  std::string missing;
  for (std::size_t wanted = 0; wanted < column_names.size(); ++wanted) {
    std::size_t times = 0;
    for (std::size_t at = 0; at < header_.size(); ++at) {
      if (header_[at] == column_names[wanted]) {
        column_[wanted] = at;
        ++times;
      }
    }
    if (times > 1) {
      throw unreadable_csv{
          fmt::format("line {}: column {} is there {} times", first->line, column_names[wanted], times)};
    }
    if (times == 0) {
      missing += fmt::format("{}{}", missing.empty() ? "" : ", ", column_names[wanted]);
    }
  }
  if (!missing.empty()) {
    throw unreadable_csv{fmt::format("line {}: the header lacks {}", first->line, missing)};
  }
}

bookings_reader::~bookings_reader() = default;
bookings_reader::bookings_reader(bookings_reader&&) noexcept = default;

std::optional<std::variant<booking_row, bad_row>> bookings_reader::next() {
  const std::optional<record> read = parser_->next();
  if (!read) {
    return std::nullopt;
  }
  ++rows_;
  return interpret(*read);
}

std::variant<booking_row, bad_row> bookings_reader::interpret(const record& from) const {
  try {
    if (!from.fault.empty()) {
      throw row_fault{from.fault};
    }
    if (from.fields.size() != header_.size()) {
      throw row_fault{fmt::format("{} fields, the header has {}", from.fields.size(), header_.size())};
    }
    const auto text = [&](column which) -> const std::string& { return from.fields[column_[which]]; };
    require_date(text(year), text(month), text(day));
    booking_row row{.row = rows_,
                    .line = from.line,
                    .hotel = text(hotel),
                    .country = text(country),
                    .ended = stay_of(text(status))};
    row.nights = nights_of(column_names[weekend_nights], text(weekend_nights)) +
                 nights_of(column_names[week_nights], text(week_nights));
    if (row.country->empty() || *row.country == "NULL") {
      row.country.reset();
    }
    const std::optional<decimal> price = parse_decimal(text(rate));
    if (!price) {
      throw row_fault{fmt::format("adr is not a number: \"{}\"", text(rate))};
    }
    if (price->negative && price->digits != 0) {
      throw row_fault{fmt::format("adr is negative: \"{}\"", text(rate))};
    }
    const std::optional<std::int64_t> cents = cents_for(*price, row.nights);
    if (!cents) {
      throw row_fault{fmt::format("adr is out of range: \"{}\"", text(rate))};
    }
    row.amount_cents = *cents;
    return row;
  } catch (const row_fault& fault) {
    return bad_row{from.line, fault.what()};
  }
}

}  // namespace bookings
