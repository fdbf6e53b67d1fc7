// SPDX-License-Identifier: MIT
// SHA-1 (FIPS 180-4, section 6.1), because UUIDv5 is defined by it. Good for deriving the same id from
// the same text; not for anything that an attacker may try to collide.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace event_relay {

/// Computes one hash: call `update` any number of times and `finish` once. Not thread-safe.
class sha1 {
 public:
  using digest = std::array<std::uint8_t, 20>;

  template <class Byte>
  constexpr void update(const Byte* bytes, std::size_t count) {
    static_assert(sizeof(Byte) == 1);
    length_ += count;
    for (std::size_t at = 0; at < count; ++at) {
      push(static_cast<std::uint8_t>(bytes[at]));
    }
  }

  constexpr digest finish() {
    const std::uint64_t bits = length_ * 8;
    push(0x80);
    while (filled_ != 56) {
      push(0);
    }
    for (unsigned at = 0; at < 8; ++at) {
      push(static_cast<std::uint8_t>(bits >> (56U - 8U * at)));
    }
    digest out{};
    for (std::size_t at = 0; at < out.size(); ++at) {
      out[at] = static_cast<std::uint8_t>(state_[at / 4] >> (24U - 8U * (at % 4)));
    }
    return out;
  }

 private:
  constexpr void push(std::uint8_t byte) {
    block_[filled_++] = byte;
    if (filled_ == block_.size()) {
      compress();
      filled_ = 0;
    }
  }

  constexpr void compress() {
    std::array<std::uint32_t, 80> word{};
    for (std::size_t at = 0; at < 16; ++at) {
      for (std::size_t byte = 0; byte < 4; ++byte) {
        word[at] = (word[at] << 8U) | block_[4 * at + byte];
      }
    }
    for (std::size_t at = 16; at < 80; ++at) {
      word[at] = std::rotl(word[at - 3] ^ word[at - 8] ^ word[at - 14] ^ word[at - 16], 1);
    }
    auto [a, b, c, d, e] = state_;
    for (std::size_t at = 0; at < 80; ++at) {
      std::uint32_t mixed = 0;
      if (at < 20) {
        mixed = ((b & c) | (~b & d)) + 0x5a827999U;
      } else if (at < 40) {
        mixed = (b ^ c ^ d) + 0x6ed9eba1U;
      } else if (at < 60) {
        mixed = ((b & c) | (b & d) | (c & d)) + 0x8f1bbcdcU;
      } else {
        mixed = (b ^ c ^ d) + 0xca62c1d6U;
      }
      const std::uint32_t next = std::rotl(a, 5) + mixed + e + word[at];
      e = d;
      d = c;
      c = std::rotl(b, 30);
      b = a;
      a = next;
    }
    const std::array<std::uint32_t, 5> added{a, b, c, d, e};
    std::transform(state_.begin(), state_.end(), added.begin(), state_.begin(),
                   [](std::uint32_t left, std::uint32_t right) { return left + right; });
  }

  std::array<std::uint32_t, 5> state_{0x67452301U, 0xefcdab89U, 0x98badcfeU, 0x10325476U, 0xc3d2e1f0U};
  std::array<std::uint8_t, 64> block_{};
  std::size_t filled_ = 0;
  std::uint64_t length_ = 0;
};

}  // namespace event_relay
