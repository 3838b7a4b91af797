#pragma once

#include <array>
#include <cstdint>

namespace thaw {

/// Philox4x32-10: ten rounds that turn a 128-bit counter and a 64-bit key into 128 random bits. Having no state, it
/// gives the same number whichever thread asks, and in whatever order.
/// Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
constexpr std::array<std::uint32_t, 4> philox4x32(std::array<std::uint32_t, 4> counter,
                                                  std::array<std::uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t a = std::uint64_t{0xD2511F53} * counter[0];
    const std::uint64_t b = std::uint64_t{0xCD9E8D57} * counter[2];
    counter = {static_cast<std::uint32_t>(b >> 32) ^ counter[1] ^ key[0], static_cast<std::uint32_t>(b),
               static_cast<std::uint32_t>(a >> 32) ^ counter[3] ^ key[1], static_cast<std::uint32_t>(a)};
    key[0] += 0x9E3779B9u;
    key[1] += 0xBB67AE85u;
  }
  return counter;
}

/// 64 random bits, a pure function of its three arguments. `stream` separates the uses of one seed (shuffling,
/// flipping, ...), `counter` the draws of one use.
constexpr std::uint64_t counter_random(std::uint64_t seed, std::uint64_t stream, std::uint64_t counter) {
  const auto low = [](std::uint64_t x) { return static_cast<std::uint32_t>(x); };
  const auto high = [](std::uint64_t x) { return static_cast<std::uint32_t>(x >> 32); };
  const auto r = philox4x32({low(counter), high(counter), low(stream), high(stream)}, {low(seed), high(seed)});
  return (std::uint64_t{r[1]} << 32) | r[0];
}

/// Uniform in [0, 1), from the upper 53 bits.
constexpr double unit_interval(std::uint64_t bits) { return static_cast<double>(bits >> 11) * 0x1p-53; }

/// Uniform in [0, n), 1 <= n < 2^32: the upper half of a product, whose bias is below n / 2^32.
constexpr std::uint32_t below(std::uint64_t bits, std::uint32_t n) {
  return static_cast<std::uint32_t>(((bits >> 32) * n) >> 32);
}

/// The streams of one seed that data/ uses.
enum class RandomStream : std::uint32_t { shuffle = 1, augment = 2, drawing = 3 };

/// The stream number of a use within an epoch (or another 32-bit index).
constexpr std::uint64_t stream_of(RandomStream use, std::uint32_t index) {
  return (std::uint64_t{static_cast<std::uint32_t>(use)} << 32) | index;
}

/// Draws one after another from one stream: for code that runs in one thread and needs many numbers.
class RandomSequence {
 public:
  RandomSequence(std::uint64_t seed, std::uint64_t stream) : seed_(seed), stream_(stream) {}
  std::uint64_t bits() { return counter_random(seed_, stream_, counter_++); }
  /// Uniform in [low, high).
  double uniform(double low, double high) { return low + (high - low) * unit_interval(bits()); }
  /// Uniform in [low, high], both included.
  int integer(int low, int high) {
    return low + static_cast<int>(below(bits(), static_cast<std::uint32_t>(high - low + 1)));
  }
  bool coin() { return (bits() >> 63) != 0; }

 private:
  std::uint64_t seed_, stream_, counter_ = 0;
};

}  // namespace thaw
