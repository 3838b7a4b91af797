// libFuzzer's entry points, for the preset `fuzz`. The environment variable THAW_FUZZ_TARGET names the target, so that
// one program serves all and libFuzzer can start itself again when it minimises.
#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "tests/fuzz/targets.h"

// The names are libFuzzer's. NOLINTBEGIN(readability-identifier-naming)
extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t max_size);

namespace {

const thaw::fuzz::Target& chosen() {
  static const thaw::fuzz::Target& target = []() -> const thaw::fuzz::Target& {
    const char* name = std::getenv("THAW_FUZZ_TARGET");
    return thaw::fuzz::target(name != nullptr ? name : "");
  }();
  return target;
}

/// Gives each block that looks like a tar header its right checksum, without which nothing behind it would be read.
void mend_tar_checksums(std::uint8_t* data, std::size_t size) {
  constexpr std::size_t block = 512, field = 148, width = 8, magic = 257;
  for (std::size_t at = 0; at + block <= size; at += block) {
    std::uint8_t* header = data + at;
    if (std::memcmp(header + magic, "ustar", 5) != 0) continue;
    std::memset(header + field, ' ', width);
    unsigned sum = 0;
    for (std::size_t i = 0; i < block; ++i) sum += header[i];
    for (std::size_t digit = 0; digit < 6; ++digit)
      header[field + 5 - digit] = static_cast<std::uint8_t>('0' + (sum >> (3 * digit) & 7U));
    header[field + 6] = 0;
  }
}

}  // namespace

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  (void)chosen();
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  chosen().run({data, size});
  return 0;
}

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t max_size,
                                               unsigned int) {
  const std::size_t mutated = LLVMFuzzerMutate(data, size, max_size);
  if (chosen().name == "archive") mend_tar_checksums(data, mutated);
  return mutated;
}
// NOLINTEND(readability-identifier-naming)
