// SPDX-License-Identifier: MIT
// The parameters of a statement as libpq takes them: values as text, and lists as arrays in PostgreSQL's binary
// form, so that nothing has to be quoted or escaped.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

namespace event_relay::postgres {

/// A list that is given to a statement as one parameter, for `unnest($1::bigint[])` and `= ANY ($1::text[])`.
/// Elements may be absent, which is NULL.
class array {
 public:
  /// Of numbers, for bigint[].
  static array of_integers() { return array{20}; }
  /// Of texts, for text[].
  static array of_texts() { return array{25}; }

  array& add(std::int64_t value) {
    put_integer(8);
    put_bytes(static_cast<std::uint64_t>(value), 8);
    ++count_;
    return *this;
  }
  array& add(std::string_view text) {
    put_integer(static_cast<std::int32_t>(text.size()));
    bytes_.append(text);
    ++count_;
    return *this;
  }
  array& add_null() {
    put_integer(-1);
    ++count_;
    has_null_ = true;
    return *this;
  }
  template <class Value>
  array& add(const std::optional<Value>& value) {
    return value ? add(*value) : add_null();
  }

  std::size_t size() const { return count_; }

  /// In the binary form of array_send (src/backend/utils/adt/arrayfuncs.c).
  std::string to_binary() const {
    array header{element_};
    header.bytes_.reserve(bytes_.size() + 20);
    header.put_integer(count_ > 0 ? 1 : 0);
    header.put_integer(has_null_ ? 1 : 0);
    header.put_integer(element_);
    if (count_ > 0) {
      header.put_integer(static_cast<std::int32_t>(count_));
      header.put_integer(1);
      header.bytes_ += bytes_;
    }
    return std::move(header.bytes_);
  }

 private:
  // Its element's type, by the number that pg_type has had for it always.
  explicit array(std::int32_t element) : element_{element} {}

  void put_integer(std::int32_t value) { put_bytes(static_cast<std::uint32_t>(value), 4); }
  void put_bytes(std::uint64_t value, int size) {
    for (int shift = 8 * (size - 1); shift >= 0; shift -= 8) {
      bytes_.push_back(static_cast<char>(value >> shift & 0xff));
    }
  }

  std::int32_t element_;
  std::size_t count_ = 0;
  bool has_null_ = false;
  std::string bytes_;
};

/// What a parameter may be: a number, a truth, a text, an optional of these, nullptr for NULL, or an `array`.
template <class Type>
concept parameter = std::integral<Type> || std::floating_point<Type> ||
    std::convertible_to<const Type&, std::string_view> || std::same_as<Type, std::nullptr_t> ||
    std::same_as<Type, array> || requires(const Type& optional) {
  *optional;
  optional.has_value();
};

namespace detail {

class parameter_list {
 public:
  template <parameter... Parameters>
  explicit parameter_list(const Parameters&... parameters) {
    texts_.reserve(sizeof...(parameters));  // what the values point to stays where it is
    (add(parameters), ...);
  }

  int size() const { return static_cast<int>(values_.size()); }
  const char* const* values() const { return values_.data(); }
  const int* lengths() const { return lengths_.data(); }
  const int* formats() const { return formats_.data(); }

 private:
  template <parameter Parameter>
  void add(const Parameter& value) {
    if constexpr (std::same_as<Parameter, std::nullptr_t>) {
      put(nullptr, 0, 0);
    } else if constexpr (std::same_as<Parameter, array>) {
      put_text(value.to_binary(), 1);
    } else if constexpr (std::same_as<Parameter, bool>) {
      put_text(value ? "t" : "f", 0);
    } else if constexpr (std::integral<Parameter> || std::floating_point<Parameter>) {
      put_text(fmt::format("{}", value), 0);
    } else if constexpr (std::convertible_to<const Parameter&, std::string_view>) {
      const std::string_view text{value};
      if (text.find('\0') != std::string_view::npos) {
        throw std::invalid_argument(
            fmt::format("postgres: parameter {} holds a NUL, which no text of PostgreSQL can", values_.size() + 1));
      }
      put_text(std::string{text}, 0);
    } else if (value.has_value()) {
      add(*value);
    } else {
      add(nullptr);
    }
  }
  void put_text(std::string text, int format) {
    const std::string& kept = texts_.emplace_back(std::move(text));
    put(kept.c_str(), static_cast<int>(kept.size()), format);
  }
  void put(const char* value, int length, int format) {
    values_.push_back(value);
    lengths_.push_back(length);
    formats_.push_back(format);
  }

  std::vector<std::string> texts_;
  std::vector<const char*> values_;
  std::vector<int> lengths_;
  std::vector<int> formats_;
};

}  // namespace detail

}  // namespace event_relay::postgres
